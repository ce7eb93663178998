//! Running other programs: one way to start them, one way to say that they failed.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// pip, so that the user's index, proxy and certificates are used. What it should keep to itself stands in variables: an older
/// one (Ubuntu 22.04 has 22.0) passes over those that it does not know, and refuses such options.
pub fn pip() -> Command {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip"]).env("PIP_DISABLE_PIP_VERSION_CHECK", "1").env("PIP_ROOT_USER_ACTION", "ignore");
    pip
}

/// Runs a command with this terminal and waits for it.
///
/// # Errors
/// When it cannot be started or does not end with status 0.
pub fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs a command that says much and waits for it. What it says goes to the end of a file.
///
/// # Errors
/// When it cannot be started or does not end with status 0; then with the last lines of the file.
pub fn run_logged(mut command: Command, log: &Path) -> Result<()> {
    let line = line(&command);
    let open = || File::options().create(true).append(true).open(log);
    let what = || format!("cannot write {}", log.display());
    let (output, errors) = (open().with_context(what)?, open().with_context(what)?);
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        let text = fs::read(log).unwrap_or_default();
        bail!("`{line}` failed ({status}):\n{}", last_lines(&String::from_utf8_lossy(&text), 30));
    }
    Ok(())
}

/// The end of a text, for messages.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

/// Runs a command and returns what it wrote to standard output; its standard error goes to this terminal.
///
/// # Errors
/// When it cannot be started, does not end with status 0, or writes something that is not UTF-8.
pub fn output(command: &mut Command) -> Result<String> {
    let line = line(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` wrote something that is not UTF-8"))
}

/// Whether a command ends with status 0; what it writes is discarded.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The program of that name in the folders of `PATH`.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|program| is_program(program))
}

/// Whether this process may install system packages itself.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Does a named step and prints how long it took.
///
/// # Errors
/// Those of the step.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("xtask: {name}");
    let start = Instant::now();
    let done = work();
    let ending = if done.is_ok() { "took" } else { "failed after" };
    eprintln!("xtask: {name} {ending} {:.1} s", start.elapsed().as_secs_f64());
    done
}

/// The command as one would type it, for messages.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_its_status() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err().to_string();
        assert_eq!(error, "`sh -c exit 3` failed (exit status: 3)");
        let error = run(&mut Command::new("no-such-program")).unwrap_err().to_string();
        assert_eq!(error, "cannot start `no-such-program`");
    }

    #[test]
    fn a_quiet_command_that_fails_shows_its_last_lines() {
        let log = env::temp_dir().join(format!("xtask-log-{}", std::process::id()));
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        run_logged(shell("echo one; echo two >&2"), &log).unwrap();
        let error = run_logged(shell("echo three; exit 4"), &log).unwrap_err().to_string();
        assert!(error.ends_with("failed (exit status: 4):\none\ntwo\nthree"), "{error}");
        assert_eq!(last_lines("a\nb\nc", 2), "b\nc");
        fs::remove_file(&log).unwrap();
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(on_path("sh").is_some());
        assert_eq!(on_path("no-such-program"), None);
        assert!(succeeds(&mut Command::new("true")));
        assert!(!succeeds(&mut Command::new("false")));
        assert_eq!(output(Command::new("echo").arg("a")).unwrap(), "a\n");
    }
}
