//! Arguments to command; the only exit point.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    forgesyted::commands::Cli::parse().run()
}
