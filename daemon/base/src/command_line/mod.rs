//! The commands that the engine program runs, as both programs read them: the front, which checks and then becomes the
//! engine program with the same arguments, and that one. What they do with a configuration that cannot be used, and their exit statuses, stand here too.

pub mod bench;
pub mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{self, ConfigError, ConfigSource};
use crate::logging;

/// Exit status for a configuration that cannot be used (EX_CONFIG of sysexits(3)): restarting does not help.
pub const BAD_CONFIGURATION: u8 = 78;

/// A command of the engine program.
#[derive(Debug, clap::Subcommand)]
pub enum EngineCommand {
    /// Run the daemon
    Serve(ConfigArgs),
    /// Check configuration, pipelines and models, and say what was found
    Check(CheckArgs),
    /// Run a pipeline on pictures and videos, and print a line of JSON for each frame
    Run(run::Args),
    /// Measure how fast a pipeline is on this machine
    Bench(bench::Args),
    /// Print what the engine program finds out about itself, as JSON
    #[command(hide = true)]
    Inspect(ConfigArgs),
}

/// Where the configuration is.
#[derive(Debug, Default, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file [default: /etc/forgesyted/forgesyted.toml, where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What `check` reads, and how much of it is shown.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Show every setting, also those that have their defaults
    #[arg(long)]
    pub all: bool,
}

impl ConfigArgs {
    /// That file, with this process's environment and place.
    pub fn source(self) -> ConfigSource {
        ConfigSource { file: self.config, environment: config::environment(), prefix: config::installation_prefix() }
    }
}

/// `serve` in either program: with signals that may come early held back, and with time for the journal to look at a process
/// that ends in failure.
pub fn serve(serve: impl FnOnce() -> ExitCode) -> ExitCode {
    crate::launch::signals::prepare();
    let status = serve();
    if status != ExitCode::SUCCESS {
        log::logger().flush();
        logging::linger();
    }
    status
}

/// Logs every problem of a configuration; the exit status for it.
pub fn config_rejected(error: &ConfigError) -> ExitCode {
    for problem in &error.problems {
        log::error!(event = "config_rejected"; "{problem}");
    }
    ExitCode::from(BAD_CONFIGURATION)
}

/// Prints every problem of a configuration, for `check`; its exit status.
pub fn print_rejected(error: &ConfigError) -> ExitCode {
    error.problems.iter().for_each(|problem| println!("error    {problem}"));
    ExitCode::FAILURE
}

/// Says on standard error why a command failed; its exit status.
pub fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("forgesyted: {error}");
    ExitCode::FAILURE
}
