//! Running another program for its answer, for a limited time.

use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What a program answered.
#[derive(Debug)]
pub struct Answer {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub output: String,
    /// Its standard error.
    pub complaints: String,
}

/// Runs a program to its end, or ends it when `limit` has passed.
///
/// # Errors
/// It cannot be started, or did not end in time (`TimedOut`).
pub fn ask(command: &mut Command, limit: Duration) -> io::Result<Answer> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (output, complaints) = (read_all(child.stdout.take()), read_all(child.stderr.take()));
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send((output.join(), complaints.join())));
    match end.recv_timeout(limit) {
        Ok((output, complaints)) => {
            let text = |read: thread::Result<String>| read.unwrap_or_default();
            Ok(Answer { status: child.wait()?, output: text(output), complaints: text(complaints) })
        }
        Err(_) => {
            // Best effort: it may have ended just now.
            let _ = child.kill();
            child.wait()?;
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("it did not end within {} s", limit.as_secs())))
        }
    }
}

fn read_all(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What came before an error is still of use.
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_whole_and_who_never_ends_is_ended() {
        let long = Duration::from_secs(60);
        let answer = ask(Command::new("sh").args(["-c", "echo yes; echo but >&2; exit 3"]), long).unwrap();
        assert_eq!((answer.status.code(), &*answer.output, &*answer.complaints), (Some(3), "yes\n", "but\n"));
        let error = ask(Command::new("sleep").arg("1000"), Duration::from_millis(1)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(ask(&mut Command::new("/no/such/program"), long).is_err());
    }
}
