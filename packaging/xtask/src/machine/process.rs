//! The process that a machine runs in, from its start to its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell;

/// Pause between two looks at the machine.
const LOOK: Duration = Duration::from_millis(100);
/// Lines of the console that an error shows.
const LAST_LINES: usize = 60;

/// A machine that runs; it ends with this value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// What it is, for messages.
    name: &'static str,
    console: PathBuf,
}

impl Process {
    /// Starts a machine whose console goes to this file.
    pub(crate) fn start(name: &'static str, command: &mut Command, console: &Path) -> Result<Process> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        Ok(Process { child, name, console: console.to_path_buf() })
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard output, where that is a pipe and was not taken yet.
    pub(crate) fn output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Looks until the machine is in the state that is waited for, and returns what was seen.
    ///
    /// # Errors
    /// When it ends before, or the time is over: then with the end of its console.
    pub(crate) fn wait_until<T>(
        &mut self,
        state: &str,
        limit: Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> Result<T> {
        let start = Instant::now();
        loop {
            // First, so that what it did right before its end counts.
            let end = self.child.try_wait().with_context(|| format!("cannot watch {}", self.name))?;
            let late = start.elapsed() > limit;
            if let Some(seen) = look() {
                return Ok(seen);
            }
            let what = match end {
                Some(status) => format!("went off before it was {state} ({status})"),
                None if late => format!("was not {state} within {} s", limit.as_secs()),
                None => {
                    thread::sleep(LOOK);
                    continue;
                }
            };
            bail!("{} {what}; the end of its console ({}):\n{}", self.name, self.console.display(), self.last_words());
        }
    }

    /// Gives it this long to end by itself.
    pub(crate) fn wait_end(&mut self, limit: Duration) {
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < limit {
            thread::sleep(LOOK);
        }
    }

    fn last_words(&self) -> String {
        let text = fs::read(&self.console).unwrap_or_default();
        shell::last_lines(&String::from_utf8_lossy(&text), LAST_LINES)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str, name: &str) -> (Process, PathBuf) {
        let console = std::env::temp_dir().join(format!("xtask-console-{name}-{}", std::process::id()));
        fs::write(&console, (0..100).map(|line| format!("line {line}\r\n")).collect::<String>()).unwrap();
        (Process::start("the box", Command::new("sh").args(["-c", script]), &console).unwrap(), console)
    }

    #[test]
    fn how_it_ended_is_said_in_words_with_the_end_of_the_console() {
        let (mut machine, console) = start("exit 3", "ended");
        let words = machine.wait_until("up", Duration::from_secs(60), || None::<()>).unwrap_err().to_string();
        assert!(words.starts_with("the box went off before it was up (exit status: 3); the end of its"), "{words}");
        assert!(words.contains("):\nline 40\n") && words.ends_with("\nline 98\nline 99"), "{words}");
        fs::remove_file(&console).unwrap();
        let (mut machine, console) = start("exec sleep 60", "late");
        let words = machine.wait_until("up", Duration::ZERO, || None::<()>).unwrap_err().to_string();
        assert!(words.starts_with("the box was not up within 0 s; "), "{words}");
        fs::remove_file(&console).unwrap();
    }

    #[test]
    fn what_it_did_right_before_its_end_counts_and_nothing_outlives_the_value() {
        let (mut machine, console) = start("exit 0", "quick");
        machine.wait_end(Duration::from_secs(60));
        assert_eq!(machine.wait_until("done", Duration::ZERO, || Some(7)).unwrap(), 7);
        let (machine, _) = start("exec sleep 60", "quick");
        let process = Path::new("/proc").join(machine.id().to_string());
        assert!(process.exists());
        drop(machine);
        assert!(!process.exists());
        fs::remove_file(&console).unwrap();
    }
}
