//! The load generator: a client of the streaming protocol that measures a daemon.
//!
//! Lives here: connecting many sessions, sending JPEG frames at a pace, matching every reply to its frame, and the
//! report. `forgesyted load` is its command line ([`args`]); the benchmarks call [`run`].
//! Does not live here: anything of the serving side. It speaks to a daemon only over its socket, so what it measures is
//! what any client would see.
//!
//! One task a session; each owns its socket and its counters. What they share is the clock, the masked frames and one
//! `record::Recorder`. An open loop is paced by a thread (`schedule::Metronome`).

// Nothing that a daemon or a file says may panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod args;
mod connect;
pub mod frames;
mod record;
pub mod reply;
pub mod report;
mod schedule;
mod session;
mod table;
mod tally;
mod times;
pub mod wire;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

pub use report::{LoadReport, jain};

use record::Recorder;
use schedule::{Metronome, Schedule};
use tally::{Clock, Common, Tally};

/// How frames are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Each session sends its next frame when the reply to the last one came.
    ClosedLoop,
    /// Each session sends this many frames a second by absolute deadlines and never waits for a reply.
    Fps(f64),
}

/// What to send, to whom, how fast and for how long.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// `ws://host:port/path?query` of the streaming endpoint.
    pub url: String,
    /// Number of sessions (connections), 1 to 10,000.
    pub sessions: usize,
    /// Closed or open loop.
    pub pace: Pace,
    /// How long to measure, after the warm-up.
    pub duration: Duration,
    /// How long to send before measuring.
    pub warm_up: Duration,
    /// JPEG files, sent in turn by every session; session `i` starts with frame `i`.
    pub frames: Arc<Vec<Bytes>>,
    /// Length of the report's windows; `None` for no windows.
    pub report_every: Option<Duration>,
    /// Sent as `Authorization: Bearer <token>` when set.
    pub token: Option<String>,
    /// How long to wait for outstanding replies after the last frame.
    pub answer_wait: Duration,
}

impl LoadPlan {
    /// A plan of one closed-loop session: 1 s of warm-up, 10 s measured, 10 s of waiting for the last replies.
    pub fn new(url: impl Into<String>, frames: Vec<Bytes>) -> Self {
        Self {
            url: url.into(),
            sessions: 1,
            pace: Pace::ClosedLoop,
            duration: Duration::from_secs(10),
            warm_up: Duration::from_secs(1),
            frames: Arc::new(frames),
            report_every: None,
            token: None,
            answer_wait: Duration::from_secs(10),
        }
    }

    /// Refuses what cannot be run or would overflow a clock.
    fn check(&self) -> Result<(), LoadError> {
        const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
        let wrong = |why: &str| Err(LoadError::Plan(why.to_owned()));
        if !(1..=10_000).contains(&self.sessions) {
            return wrong("sessions must be 1 to 10000");
        }
        if let Pace::Fps(fps) = self.pace
            && !(0.001..=100_000.0).contains(&fps)
        {
            return wrong("frames per second must be 0.001 to 100000");
        }
        if self.duration.is_zero() || self.duration > LONGEST || self.warm_up > LONGEST {
            return wrong("the duration must be above 0 s and, like the warm-up, at most one week");
        }
        if self.answer_wait > LONGEST {
            return wrong("the wait for replies must be at most one week");
        }
        if self.frames.is_empty() {
            return wrong("there is no frame to send");
        }
        if self.report_every.is_some_and(|every| every < Duration::from_millis(10)) {
            return wrong("a report window must be at least 10 ms");
        }
        Ok(())
    }
}

/// Why a load run gave no report.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A value of the plan is out of range.
    #[error("The load plan cannot be run: {0}.")]
    Plan(String),
    /// The URL is not a `ws://` address.
    #[error("The URL {url:?} cannot be used: {reason}.")]
    Url {
        /// The URL as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A frame file could not be read, or a picture not made.
    #[error("{0}")]
    Frames(String),
    /// No TCP connection.
    #[error("Cannot connect to {address}: {source}. Is the daemon running there?")]
    Connect {
        /// Host and port.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server answered the upgrade with an HTTP status other than 101.
    #[error("{address} refused the WebSocket upgrade with HTTP status {status}{}.", status_hint(*.status))]
    Refused {
        /// Host and port.
        address: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server's answer to the upgrade was not a WebSocket handshake.
    #[error("The WebSocket handshake with {address} failed: {reason}.")]
    Handshake {
        /// Host and port.
        address: String,
        /// What went wrong.
        reason: String,
    },
    /// Every session ended with the same error before one result came.
    #[error("{address} ended every session with `{code}`: {detail}")]
    Rejected {
        /// The URL.
        address: String,
        /// The protocol's error code.
        code: String,
        /// The daemon's sentence.
        detail: String,
    },
    /// A thread could not be started, a task died, or the report could not be written.
    #[error("The load generator failed: {0}.")]
    Internal(String),
}

/// What a user can do about a status.
fn status_hint(status: u16) -> &'static str {
    match status {
        401 | 403 => " (pass the right token with --token)",
        404 => " (check the path of the URL; the endpoint is /ws/video/stream)",
        503 => " (the daemon is not ready or full; see /readyz)",
        _ => "",
    }
}

/// Runs a plan to its end and reports. Needs a tokio runtime of any kind with I/O and time enabled.
///
/// All sessions are connected before the clock starts. Dropping the future stops everything at once.
///
/// # Errors
/// A plan out of range, or a session that cannot be connected. What happens to sessions later is in the report.
pub async fn run(plan: LoadPlan) -> Result<LoadReport, LoadError> {
    plan.check()?;
    let target = connect::Target::new(&plan.url, plan.token.as_deref())?;
    let frames = plan.frames.iter().map(wire::WireFrame::new).collect::<Result<Vec<_>, _>>()?;
    let mut connections = Vec::with_capacity(plan.sessions);
    for _ in 0..plan.sessions {
        connections.push(target.connect().await?);
    }

    let start = Instant::now();
    let clock = Clock { start, measure_from: start + plan.warm_up, end: start + plan.warm_up + plan.duration };
    let schedule = match plan.pace {
        Pace::ClosedLoop => None,
        Pace::Fps(fps) => Some(Schedule { fps, sessions: plan.sessions }),
    };
    let common = Arc::new(Common {
        frames,
        clock,
        schedule,
        answer_wait: plan.answer_wait,
        recorder: Mutex::new(Recorder::new(clock.measure_from, clock.end, plan.report_every)?),
    });
    let metronome = match schedule {
        Some(schedule) => Some(Metronome::start(schedule, start, plan.warm_up + plan.duration)?),
        None => None,
    };

    let mut tasks = JoinSet::new();
    for (index, connection) in connections.into_iter().enumerate() {
        let beats = metronome.as_ref().map(Metronome::beats);
        tasks.spawn(session::run(index, connection, Arc::clone(&common), beats));
    }
    let mut tallies: Vec<Tally> = Vec::with_capacity(plan.sessions);
    while let Some(done) = tasks.join_next().await {
        tallies.push(done.map_err(|e| LoadError::Internal(format!("a session's task died ({e})")))?);
    }
    tallies.sort_by_key(|tally| tally.index);
    drop(metronome);
    Ok(report::build(&plan, &common, &tallies))
}
