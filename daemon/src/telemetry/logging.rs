//! Where log records go: the journal under systemd, JSON lines on standard error elsewhere.
//!
//! Rooms write `log::info!(event = "stream_connect", session_id:% = id, pipeline_id = p; "…")`.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use log::kv::{Error, Key, Source, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

use crate::telemetry::json_line::json_line;

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
#[error("logging was started twice in one process; start it once, and use set_level afterwards")]
pub struct LogError(#[from] log::SetLoggerError);

/// What the journal gets to look at a process that ends: it takes a millisecond, and more on a busy board.
const LINGER: Duration = Duration::from_millis(300);

/// The process's logger: caps libraries, sees to `event`, and passes on.
struct Logger {
    /// `None`: JSON lines.
    journal: Option<JournalLog>,
}

/// A record's fields, with `event` for a record that has none.
struct WithEvent<'a>(&'a dyn Source);

/// Starts logging for the process, at `level`. The journal is taken when standard error is connected to it and it
/// answers.
///
/// # Errors
/// Logging was started before.
pub fn init(level: LevelFilter) -> Result<LogTarget, LogError> {
    let journal = if connected_to_journal() { JournalLog::new().ok() } else { None };
    let target = match journal {
        Some(_) => LogTarget::Journal,
        None => LogTarget::JsonLines,
    };
    log::set_boxed_logger(Box::new(Logger { journal }))?;
    set_level(level);
    Ok(target)
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

/// Whether a record of `target` at `level` is written while the daemon's own level is `own`. Libraries are capped at
/// `warn`: their finer lines are about their insides, and some come once a frame.
fn enabled(target: &str, level: log::Level, own: LevelFilter) -> bool {
    let krate = target.split("::").next().unwrap_or(target);
    if krate == env!("CARGO_CRATE_NAME") { level <= own } else { level <= own.min(LevelFilter::Warn) }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        enabled(metadata.target(), metadata.level(), log::max_level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match &self.journal {
            Some(journal) => {
                let fields = WithEvent(record.key_values());
                journal.log(&record.to_builder().key_values(&fields).build());
            }
            None => {
                let line = json_line(record, SystemTime::now());
                // A closed standard error, or one on a full disk, costs its lines and no more.
                let _ = std::io::stderr().lock().write_all(line.as_bytes());
            }
        }
    }

    fn flush(&self) {}
}

impl Source for WithEvent<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        if self.0.get(Key::from("event")).is_none() {
            visitor.visit_pair(Key::from("event"), Value::from("log"))?;
        }
        self.0.visit(visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use log::Level;

    use super::*;

    #[test]
    fn libraries_are_capped_at_warn() {
        let own = concat!(env!("CARGO_CRATE_NAME"), "::session");
        for (target, level, setting, expected) in [
            (own, Level::Debug, LevelFilter::Debug, true),
            (own, Level::Trace, LevelFilter::Debug, false),
            (env!("CARGO_CRATE_NAME"), Level::Info, LevelFilter::Info, true),
            ("hyper::proto::h1", Level::Debug, LevelFilter::Trace, false),
            ("tungstenite", Level::Info, LevelFilter::Trace, false),
            ("tungstenite", Level::Warn, LevelFilter::Trace, true),
            ("tungstenite", Level::Warn, LevelFilter::Error, false),
            ("tungstenite", Level::Error, LevelFilter::Error, true),
        ] {
            assert_eq!(enabled(target, level, setting), expected, "{target} {level} at {setting}");
        }
    }

    #[test]
    fn journal_fields_have_exactly_one_event() {
        struct Collect(Vec<(String, String)>);
        impl<'kvs> VisitSource<'kvs> for Collect {
            fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
                self.0.push((key.to_string(), value.to_string()));
                Ok(())
            }
        }
        let with = BTreeMap::from([("event", "ready"), ("port", "8000")]);
        let without = BTreeMap::from([("port", "8000")]);
        for (fields, event) in [(&with, "ready"), (&without, "log")] {
            let mut collected = Collect(Vec::new());
            WithEvent(fields).visit(&mut collected).unwrap();
            collected.0.sort();
            let expected = [("event".into(), event.into()), ("port".into(), "8000".into())];
            assert_eq!(collected.0, expected);
        }
    }
}
