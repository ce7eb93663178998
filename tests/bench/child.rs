//! Processes of this program's own: the limits, each alone in its process as the daemon is.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;

use crate::machine::{Cores, spawn_on};

/// A process that is ended with this value.
#[derive(Debug)]
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a limit to its end and reads the JSON that it prints.
///
/// # Errors
/// When it fails or prints something else.
pub fn run_limit<T: DeserializeOwned>(arguments: &[String], cores: Option<&Cores>) -> Result<T> {
    let child = spawn_on(cores, this_program(arguments)?.stdout(Stdio::piped()))?;
    let done = child.wait_with_output().context("cannot wait for a limit")?;
    ensure!(done.status.success(), "the limit {arguments:?} failed ({})", done.status);
    serde_json::from_slice(&done.stdout).context("a limit printed something else than its report")
}

/// Runs a limit that prints nothing to its end.
///
/// # Errors
/// When it does not start.
pub fn run_to_end(arguments: &[String]) -> Result<ExitStatus> {
    this_program(arguments)?.status().context("cannot run a limit")
}

/// Starts a limit that serves until it is ended, and reads the one line that it prints.
///
/// # Errors
/// When it does not start, or ends before it printed a line.
pub fn start_limit(arguments: &[String], cores: Option<&Cores>) -> Result<(Running, String)> {
    let mut child = Running(spawn_on(cores, this_program(arguments)?.stdout(Stdio::piped()))?);
    let output = child.0.stdout.take().context("a limit has no standard output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).context("cannot read what a limit prints")?;
    ensure!(!line.is_empty(), "the limit {arguments:?} ended at once");
    Ok((child, line.trim().to_owned()))
}

fn this_program(arguments: &[String]) -> Result<Command> {
    let mut command = Command::new(env::current_exe().context("this program's file is gone")?);
    command.args(arguments).stdin(Stdio::null());
    Ok(command)
}
