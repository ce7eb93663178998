//! The command line: one file a command, each thin. In the front, commands that run models start the engine program
//! (`front`).

mod bench;
mod cameras;
#[cfg(feature = "engine")]
mod check;
mod completions;
mod doctor;
#[cfg(not(feature = "engine"))]
mod front;
#[cfg(feature = "engine")]
mod inspect;
mod manual;
mod report;
mod run;
#[cfg(feature = "engine")]
mod serve;
mod service_user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, ConfigError, ConfigSource};
use crate::telemetry::logging;
use crate::{launch, load};
#[cfg(not(feature = "engine"))]
use front::{check, inspect, serve};

/// Exit status for a configuration that cannot be used (EX_CONFIG of sysexits(3)): restarting does not help.
const BAD_CONFIGURATION: u8 = 78;

/// Where to read on: of the package, and of the source.
const DOCUMENTS: &str =
    "Manual: man forgesyted. Documentation: /usr/share/doc/forgesyted/README.md of the package, docs/ of the source.";

/// A vision appliance: JPEG frames in over WebSocket, TorchScript results out, in real time.
#[derive(Debug, Parser)]
#[command(name = "forgesyted", version, after_help = DOCUMENTS)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    Serve(ConfigArgs),
    /// Check configuration, pipelines and models, and say what was found
    Check(CheckArgs),
    /// Examine this machine: what it has, what is wrong, and what to do
    Doctor(doctor::Args),
    /// List the cameras of this machine, or try one
    Cameras(cameras::Args),
    /// Run a pipeline on pictures and videos, and print a line of JSON for each frame
    Run(run::Args),
    /// Measure how fast a pipeline is on this machine
    Bench(bench::Args),
    /// Send frames to a daemon as many clients would, and report what it serves
    Load(load::args::Args),
    /// Print what the engine program finds out about itself, as JSON
    #[command(hide = true)]
    Inspect(ConfigArgs),
    /// Print a shell's completions of this command line
    #[command(hide = true)]
    Completions(completions::Args),
    /// Write the manual pages of this command line into a folder
    #[command(hide = true)]
    Manual(manual::Args),
}

/// Where the configuration is.
#[derive(Debug, Default, clap::Args)]
struct ConfigArgs {
    /// Configuration file [default: /etc/forgesyted/forgesyted.toml, where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What `check` reads, and how much of it is shown.
#[derive(Debug, clap::Args)]
struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Show every setting, also those that have their defaults
    #[arg(long)]
    all: bool,
}

impl Cli {
    /// Runs the command and returns its exit status.
    pub fn run(self) -> ExitCode {
        // `serve` does it itself, once early signals cannot end it, and tells its log.
        #[cfg(feature = "engine")]
        if matches!(self.command, Command::Check(_) | Command::Inspect(_) | Command::Run(_) | Command::Bench(_))
            && let Err(spinning) = launch::waiting::ensure_policy()
        {
            eprintln!("forgesyted: {spinning}");
        }
        let status = match self.command {
            Command::Serve(args) => run_serve(args.source()),
            Command::Check(args) => check::run(&args.config.source(), args.all),
            Command::Doctor(args) => doctor::run(args),
            Command::Inspect(args) => inspect::run(&args.source()),
            Command::Cameras(args) => cameras::run(args),
            Command::Run(args) => run::run(args),
            Command::Bench(args) => bench::run(args),
            Command::Load(args) => run_load(args),
            Command::Completions(args) => completions::run(&args),
            Command::Manual(args) => manual::run(&args),
        };
        log::logger().flush();
        status
    }
}

impl ConfigArgs {
    fn source(self) -> ConfigSource {
        ConfigSource { file: self.config, environment: config::environment(), prefix: config::installation_prefix() }
    }
}

fn run_serve(source: ConfigSource) -> ExitCode {
    launch::signals::prepare();
    let status = serve::run(source);
    if status != ExitCode::SUCCESS {
        log::logger().flush();
        logging::linger();
    }
    status
}

fn run_load(args: load::args::Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    runtime.block_on(load::args::main(args)).unwrap_or_else(|error| fail(&error))
}

/// Logs every problem of a configuration; the exit status for it.
fn config_rejected(error: &ConfigError) -> ExitCode {
    for problem in &error.problems {
        log::error!(event = "config_rejected"; "{problem}");
    }
    ExitCode::from(BAD_CONFIGURATION)
}

/// Prints every problem of a configuration, for `check`; its exit status.
fn print_rejected(error: &ConfigError) -> ExitCode {
    error.problems.iter().for_each(|problem| println!("error    {problem}"));
    ExitCode::FAILURE
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("forgesyted: {error}");
    ExitCode::FAILURE
}
