//! Where log records go: the journal under systemd, JSON lines on standard error elsewhere.
//!
//! Rooms write `log::info!(event = "stream_connect", session_id:% = id, pipeline_id = p; "…")`.

mod json_line;
mod output;
pub mod queue;
pub mod rate_limited;

use std::io;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

use crate::logging::output::{Line, LogOutput};
use crate::logging::queue::LogQueue;

/// Where the log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// The systemd journal, each field of a record a journal field in upper case.
    Journal,
    /// Standard error, one JSON object a line.
    JsonLines,
}

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is a logger already.
    #[error("logging was started twice in one process; start it once, and use set_level afterwards")]
    Twice(#[from] log::SetLoggerError),
    /// The thread that writes cannot be started.
    #[error("cannot start the thread that writes the log: {0}. Raise the unit's TasksMax=, or end other programs.")]
    Thread(#[from] io::Error),
}

/// What the journal gets to look at a process that ends: it takes a millisecond, and more on a busy board.
const LINGER: Duration = Duration::from_millis(300);

/// From the end of the process on, how long lines that still wait are written; somebody who does not read gets no more.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);
/// How long the journal gets to take a first, empty message. It needs far less, or somebody has stopped it.
const OPEN_WITHIN: Duration = Duration::from_millis(500);

/// The logger's queue, for who asks what was lost.
static QUEUE: OnceLock<Arc<LogQueue<Line>>> = OnceLock::new();

/// The process's logger: caps libraries, sees to `event`, and passes on.
struct Logger {
    target: LogTarget,
    queue: Arc<LogQueue<Line>>,
}

/// Starts logging for the process, at `level`. The journal is taken when standard error is connected to it and it
/// answers. Lines are written by a thread of their own, so that nobody waits for whoever reads them.
///
/// # Errors
/// Logging was started before, or the system gives no thread.
pub fn init(level: LevelFilter) -> Result<LogTarget, LogError> {
    let (opened, answer) = sync_channel(1);
    let queue = LogQueue::start(move || {
        let journal = if connected_to_journal() { JournalLog::new().ok() } else { None };
        // Nobody waits for the answer any more once the journal has been slow.
        let _ = opened.send(journal.is_some());
        journal.map_or(LogOutput::StandardError { torn: false }, LogOutput::Journal)
    })?;
    let target = match answer.recv_timeout(OPEN_WITHIN) {
        Ok(false) => LogTarget::JsonLines,
        // A journal that has not answered yet is there all the same.
        Ok(true) | Err(_) => LogTarget::Journal,
    };
    let queue = Arc::new(queue);
    log::set_boxed_logger(Box::new(Logger { target, queue: Arc::clone(&queue) }))?;
    // The first logger is the only one.
    let _ = QUEUE.set(queue);
    set_level(level);
    Ok(target)
}

/// Lines of the log that were lost so far, because whoever takes them did not or had no room.
pub fn lines_lost() -> u64 {
    QUEUE.get().map_or(0, |queue| queue.lost())
}

/// Changes the level, from the next record on.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// Waits a moment, where the log is the journal, before a process ends that has only just said why. The journal learns from the
/// living process which unit a line belongs to; a line of one that is gone is missing from the unit's log.
pub fn linger() {
    if connected_to_journal() {
        std::thread::sleep(LINGER);
    }
}

/// Sends panics to the log, as event `panic` with `location`, in place of the plain text on standard error.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let what = text.unwrap_or("no message");
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        log::error!(event = "panic", location = location.as_str(), thread; "{what}");
    }));
}

/// The target of an own record as the log shows it: it names all of the program's crates `forgesyted`, since who reads it need not know
/// how the program is divided. None for a library's.
fn own(target: &str) -> Option<String> {
    let (krate, rest) = target.split_at(target.find("::").unwrap_or(target.len()));
    (krate == "forgesyted" || krate.starts_with("forgesyted_")).then(|| format!("forgesyted{rest}"))
}

/// Whether a record of `target` at `level` is written while the daemon's own level is `own_level`. Libraries are capped at
/// `warn`: their finer lines are about their insides, and some come once a frame.
fn enabled(target: &str, level: log::Level, own_level: LevelFilter) -> bool {
    if own(target).is_some() { level <= own_level } else { level <= own_level.min(LevelFilter::Warn) }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        enabled(metadata.target(), metadata.level(), log::max_level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let (target, mut named) = (own(record.target()), record.to_builder());
        if let Some(target) = &target {
            named.target(target).module_path(Some(target));
        }
        let record = &named.build();
        self.queue.put(match self.target {
            LogTarget::Journal => Line::fields(record),
            LogTarget::JsonLines => Line::json(record),
        });
    }

    fn flush(&self) {
        self.queue.flush(FLUSH_WITHIN);
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    #[test]
    fn libraries_are_capped_at_warn() {
        for (target, level, setting, expected) in [
            ("forgesyted_engine::session", Level::Debug, LevelFilter::Debug, true),
            ("forgesyted_base::capture", Level::Trace, LevelFilter::Debug, false),
            ("forgesyted", Level::Info, LevelFilter::Info, true),
            ("forgesyted_load", Level::Info, LevelFilter::Info, true),
            ("forgesytes::session", Level::Info, LevelFilter::Info, false),
            ("hyper::proto::h1", Level::Debug, LevelFilter::Trace, false),
            ("tungstenite", Level::Info, LevelFilter::Trace, false),
            ("tungstenite", Level::Warn, LevelFilter::Trace, true),
            ("tungstenite", Level::Warn, LevelFilter::Error, false),
            ("tungstenite", Level::Error, LevelFilter::Error, true),
        ] {
            assert_eq!(enabled(target, level, setting), expected, "{target} {level} at {setting}");
        }
        assert_eq!(own("forgesyted_engine::session").as_deref(), Some("forgesyted::session"));
        assert_eq!((own("forgesyted_base").as_deref(), own("hyper::proto")), (Some("forgesyted"), None));
    }
}
