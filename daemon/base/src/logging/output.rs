//! Where the writer thread puts a line: the journal, or standard error as JSON.

use std::io;
use std::os::fd::AsFd;
use std::time::SystemTime;

use log::kv::{Error, Key, Source, Value, VisitSource};
use log::{Level, Record};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use systemd_journal_logger::JournalLog;

use crate::logging::json_line::json_line;
use crate::logging::queue::Output;

/// The event of the line that says how many were lost.
const LOST: &str = "log_lines_lost";

/// A line on its way to the writer.
#[derive(Debug)]
pub(super) enum Line {
    /// As JSON, with its line feed.
    Json(String),
    /// For the journal, which takes fields.
    Fields(Box<Kept>),
}

/// A record that owns what it says.
#[derive(Debug)]
pub(super) struct Kept {
    level: Level,
    target: String,
    module: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    message: String,
    fields: Fields,
}

#[derive(Debug, Default)]
struct Fields(Vec<(String, String)>);

/// What the writer thread writes to.
pub(super) enum LogOutput {
    /// The journal.
    Journal(JournalLog),
    /// Standard error.
    StandardError {
        /// Whether the last line was cut short, so that the next one starts on a line of its own.
        torn: bool,
    },
}

impl Line {
    /// A record as JSON lines have it.
    pub(super) fn json(record: &Record<'_>) -> Line {
        Line::Json(json_line(record, SystemTime::now()))
    }

    /// A record as the journal has it: with exactly one `event`.
    pub(super) fn fields(record: &Record<'_>) -> Line {
        let mut fields = Fields::default();
        // Collecting never fails; a source of a library might.
        let _ = record.key_values().visit(&mut fields);
        if record.key_values().get(Key::from("event")).is_none() {
            fields.0.push(("event".to_owned(), "log".to_owned()));
        }
        Line::Fields(Box::new(Kept {
            level: record.level(),
            target: record.target().to_owned(),
            module: record.module_path().map(str::to_owned),
            file: record.file().map(str::to_owned),
            line: record.line(),
            message: record.args().to_string(),
            fields,
        }))
    }
}

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.push((key.to_string(), value.to_string()));
        Ok(())
    }
}

impl Source for Fields {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        self.0.iter().try_for_each(|(key, value)| visitor.visit_pair(Key::from(&**key), Value::from(&**value)))
    }
}

impl Output<Line> for LogOutput {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        match (self, line) {
            (LogOutput::Journal(journal), Line::Fields(kept)) => {
                let mut record = Record::builder();
                record.level(kept.level).target(&kept.target).module_path(kept.module.as_deref());
                record.file(kept.file.as_deref()).line(kept.line).key_values(&kept.fields);
                journal.journal_send(&record.args(format_args!("{}", kept.message)).build())
            }
            (LogOutput::StandardError { torn }, Line::Json(text)) => {
                let start = if *torn { "\n" } else { "" };
                let text = format!("{start}{text}");
                let written = write_fully(std::io::stderr().as_fd(), text.as_bytes());
                // One that was refused from its first byte on changes nothing.
                *torn = match &written {
                    Ok(()) => false,
                    Err((0, _)) => *torn,
                    Err(_) => true,
                };
                written.map_err(|(_, error)| error.into())
            }
            // Lines are made for the output that was opened.
            (LogOutput::Journal(_), Line::Json(_)) | (LogOutput::StandardError { .. }, Line::Fields(_)) => Ok(()),
        }
    }

    fn lost(&self, lines: u64) -> Line {
        let mut record = Record::builder();
        let fields = [("event", Value::from(LOST)), ("lines", Value::from(lines))];
        record.level(Level::Warn).target("forgesyted::logging").key_values(&fields);
        let make = match self {
            LogOutput::Journal(_) => Line::fields,
            LogOutput::StandardError { .. } => Line::json,
        };
        make(
            &record
                .args(format_args!("{lines} lines of the log were lost: whoever takes them did not, or had no room"))
                .build(),
        )
    }
}

/// Writes all of it, past standard error's lock: whoever holds that lock while nobody reads would hold up everyone.
fn write_fully(to: impl AsFd, bytes: &[u8]) -> Result<(), (usize, Errno)> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match rustix::io::write(&to, rest) {
            Ok(count) => written += count,
            Err(Errno::INTR) => {}
            // Whoever started us made it non-blocking; this thread may wait.
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(&to, PollFlags::OUT)], None);
            }
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn journal_fields_have_exactly_one_event() {
        let with = BTreeMap::from([("event", "ready"), ("port", "8000")]);
        let without = BTreeMap::from([("port", "8000")]);
        for (fields, event) in [(&with, "ready"), (&without, "log")] {
            let record = Record::builder().key_values(fields).args(format_args!("said")).build();
            let Line::Fields(mut kept) = Line::fields(&record) else { panic!("no fields") };
            kept.fields.0.sort();
            let expected = [("event".into(), event.into()), ("port".into(), "8000".into())];
            assert_eq!((&*kept.message, &*kept.fields.0), ("said", &expected[..]));
        }
    }

    #[test]
    fn a_line_for_a_pipe_that_does_not_block_waits_for_its_reader() {
        use std::io::Read as _;
        let (mut reader, writer) = std::io::pipe().unwrap();
        rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
        // More than any pipe holds.
        let line = vec![b'x'; 4 << 20];
        let expected = line.len();
        let write = std::thread::spawn(move || write_fully(writer, &line));
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!((write.join().unwrap(), read.len()), (Ok(()), expected));
    }
}
