//! The commands of the engine program: one file each, thin.

mod bench;
mod check;
mod inspect;
mod run;
mod serve;

use std::process::ExitCode;

use base::command_line::{self, EngineCommand};
use base::launch::waiting;
use clap::Parser;

/// The program that runs models. `forgesyted` becomes it, with the same arguments.
#[derive(Debug, Parser)]
#[command(name = "forgesyted", version)]
pub struct Cli {
    #[command(subcommand)]
    command: EngineCommand,
}

impl Cli {
    /// Runs the command and returns its exit status.
    pub fn run(self) -> ExitCode {
        // `serve` does it itself, once early signals cannot end it, and tells its log.
        if !matches!(self.command, EngineCommand::Serve(_))
            && let Err(spinning) = waiting::ensure_policy()
        {
            eprintln!("forgesyted: {spinning}");
        }
        let status = match self.command {
            EngineCommand::Serve(args) => command_line::serve(|| serve::run(args.source())),
            EngineCommand::Check(args) => check::run(&args.config.source(), args.all),
            EngineCommand::Inspect(args) => inspect::run(&args.source()),
            EngineCommand::Run(args) => run::run(args),
            EngineCommand::Bench(args) => bench::run(args),
        };
        log::logger().flush();
        status
    }
}
