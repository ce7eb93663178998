//! The daemon's log: read line by line as it comes, kept, and waited on.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::wait::PATIENCE;

/// How the lines begin that libtorch itself writes to standard error, such as oneDNN's where the kernel does not name an ARM
/// processor's model, as under qemu.
const LIBTORCH: &str = "/pytorch/";

/// The log of one daemon.
#[derive(Debug)]
pub struct Events(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    log: Mutex<Log>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Log {
    lines: Vec<String>,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Events {
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                shared.lock().lines.push(line);
                shared.more.notify_all();
            }
            shared.lock().ended = true;
            shared.more.notify_all();
        });
        Events(ours)
    }

    /// Every line so far, as it was written.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().lines.clone()
    }

    /// Every line so far that is the daemon's.
    ///
    /// # Panics
    /// When one is no JSON.
    pub fn all(&self) -> Vec<Value> {
        let parse = |line: String| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.lines().into_iter().filter(|line| !line.starts_with(LIBTORCH)).map(parse).collect()
    }

    /// The lines so far with this event.
    pub fn of_kind(&self, event: &str) -> Vec<Value> {
        self.all().into_iter().filter(|line| line["event"] == event).collect()
    }

    /// Waits for the first line with this event.
    ///
    /// # Panics
    /// When none comes.
    pub fn wait_for(&self, event: &str) -> Value {
        self.wait_count(event, 1).swap_remove(0)
    }

    /// Waits until this many lines have the event, and returns them.
    ///
    /// # Panics
    /// When fewer come.
    pub fn wait_count(&self, event: &str, count: usize) -> Vec<Value> {
        let what = format!("{count} × {event}");
        self.wait(&what, || Some(self.of_kind(event)).filter(|lines| lines.len() >= count))
    }

    /// Waits until the daemon has closed its log.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_end(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut log = self.0.lock();
        while !log.ended {
            let left = deadline.checked_duration_since(Instant::now()).expect("the daemon's log goes on");
            log = self.0.more.wait_timeout(log, left).unwrap().0;
        }
    }

    pub(crate) fn print(&self) {
        self.lines().iter().for_each(|line| eprintln!("daemon: {line}"));
    }

    fn wait<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (seen, ended) = {
                let log = self.0.lock();
                (log.lines.len(), log.ended)
            };
            if let Some(found) = look() {
                return found;
            }
            assert!(!ended, "the daemon ended before {what}");
            let mut log = self.0.lock();
            while log.lines.len() == seen && !log.ended {
                let left = deadline.checked_duration_since(Instant::now());
                let left = left.unwrap_or_else(|| panic!("waited {PATIENCE:?} for {what}"));
                log = self.0.more.wait_timeout(log, left).unwrap().0;
            }
        }
    }
}
