//! The program `forgesyted`, as a user starts it. It links no libtorch, so it starts on any machine and can say what is wrong.
//!
//! Lives here: the command line, one file a command: what needs no model is done here (`doctor`, `cameras`, `load`), and
//! commands that run models find the engine program and become it (`engine`). Does not live here: that program, and how it
//! is found (`base::launch`).

// Nothing that a file or a device says may panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod cameras;
mod completions;
mod doctor;
mod engine;
mod manual;
mod service_user;

use std::process::ExitCode;

use base::command_line::{EngineCommand, fail};
use clap::{Parser, Subcommand};

/// Where to read on: of the package, and of the source.
const DOCUMENTS: &str =
    "Manual: man forgesyted. Documentation: /usr/share/doc/forgesyted/README.md of the package, docs/ of the source.";

/// A vision appliance: JPEG frames in over WebSocket, TorchScript results out, in real time.
#[derive(Debug, Parser)]
#[command(name = "forgesyted", version, after_help = DOCUMENTS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Engine(EngineCommand),
    /// Examine this machine: what it has, what is wrong, and what to do
    Doctor(doctor::Args),
    /// List the cameras of this machine, or try one
    Cameras(cameras::Args),
    /// Send frames to a daemon as many clients would, and report what it serves
    Load(load::args::Args),
    /// Print a shell's completions of this command line
    #[command(hide = true)]
    Completions(completions::Args),
    /// Write the manual pages of this command line into a folder
    #[command(hide = true)]
    Manual(manual::Args),
}

fn main() -> ExitCode {
    let status = match Cli::parse().command {
        Command::Engine(command) => engine::run(command),
        Command::Doctor(args) => doctor::run(args),
        Command::Cameras(args) => cameras::run(args),
        Command::Load(args) => run_load(args),
        Command::Completions(args) => completions::run(&args),
        Command::Manual(args) => manual::run(&args),
    };
    log::logger().flush();
    status
}

fn run_load(args: load::args::Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    runtime.block_on(load::args::main(args)).unwrap_or_else(|error| fail(&error))
}
