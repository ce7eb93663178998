//! `forgesyted completions SHELL`: for the packages, and for whoever installs without them.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;

/// Which completions.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the completions on standard output. Exit status 1 where they cannot be written.
pub fn run(args: &Args) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "forgesyted", &mut script);
    match io::stdout().write_all(&script) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => base::command_line::fail(&format!("cannot write the completions: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_completes_commands_and_options() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "forgesyted", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["serve", "check", "cameras", "load", "config", "sessions"] {
                assert!(script.contains(word), "{word} for {shell}");
            }
        }
    }
}
