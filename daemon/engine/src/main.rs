//! Arguments to command; the only exit point.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    forgesyted_engine::commands::Cli::parse().run()
}
