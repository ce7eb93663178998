//! Running another program for its answer, for a limited time.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How often one that has closed its outputs is asked whether it has ended.
const TICK: Duration = Duration::from_millis(5);

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

/// Runs a program to its end, or ends it when `limit` has passed. One that cannot be ended (it hangs in a driver) is left behind.
///
/// # Errors
/// It cannot be started, or did not end in time (`TimedOut`).
pub fn ask(command: &mut Command, limit: Duration) -> io::Result<Answer> {
    let deadline = Instant::now() + limit;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let answer = listen(&mut child, deadline);
    if answer.is_err() {
        // Best effort: it may have ended just now.
        let _ = child.kill();
        // A child that has ended stays a zombie until it is waited for; without a thread to do so, until this process ends.
        let _ = thread::Builder::new().spawn(move || child.wait());
    }
    answer.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => io::Error::new(error.kind(), format!("it did not end within {} s", limit.as_secs())),
        _ => error,
    })
}

fn listen(child: &mut Child, deadline: Instant) -> io::Result<Answer> {
    let (output, complaints) = (read_all(child.stdout.take())?, read_all(child.stderr.take())?);
    let text = |read: mpsc::Receiver<String>| -> io::Result<String> {
        match read.recv_timeout(left(deadline)?) {
            Ok(text) => Ok(text),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
            // Its thread has failed.
            Err(mpsc::RecvTimeoutError::Disconnected) => Ok(String::new()),
        }
    };
    let (output, complaints) = (text(output)?, text(complaints)?);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Answer { status, output, complaints });
        }
        thread::sleep(left(deadline)?.min(TICK));
    }
}

/// The time until the deadline.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn read_all(stream: Option<impl Read + Send + 'static>) -> io::Result<mpsc::Receiver<String>> {
    let (read, text) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What came before an error is still of use.
            let _ = stream.read_to_end(&mut bytes);
        }
        // Nobody listens after the deadline.
        let _ = read.send(String::from_utf8_lossy(&bytes).into_owned());
    })?;
    Ok(text)
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
        // One that says nothing more, and runs on.
        let mut silent = Command::new("sh");
        let error = ask(silent.args(["-c", "exec >&- 2>&-; sleep 1000"]), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(ask(&mut Command::new("/no/such/program"), long).is_err());
    }
}
