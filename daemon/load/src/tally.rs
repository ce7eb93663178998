//! What sessions share, and what each counts.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::record::Recorder;
use super::schedule::Schedule;
use super::wire::WireFrame;

/// The three instants of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Sending starts.
    pub start: Instant,
    /// The warm-up is over.
    pub measure_from: Instant,
    /// Sending ends.
    pub end: Instant,
}

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Common {
    /// The masked frames; not empty.
    pub frames: Vec<WireFrame>,
    /// The run's instants.
    pub clock: Clock,
    /// The deadlines of an open loop; `None` for a closed one.
    pub schedule: Option<Schedule>,
    /// How long to wait for outstanding replies.
    pub answer_wait: Duration,
    /// Times of all sessions.
    pub recorder: Mutex<Recorder>,
}

/// What one session counted. Frames and their outcomes are those due inside the measurement:
/// `sent = results + dropped + unanswered`. Errors count at any time.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub index: usize,
    pub sent: u64,
    /// Frames due that were never begun, because the connection was blocked or had ended.
    pub unsent: u64,
    /// Frames that were due while the socket was full.
    pub blocked: u64,
    pub bytes: u64,
    pub results: u64,
    pub dropped: u64,
    pub unanswered: u64,
    pub slow_downs: u64,
    pub protocol_errors: u64,
    /// Why the session ended early: code and detail.
    pub error: Option<(String, String)>,
    /// The first protocol error, in words.
    pub first_protocol_error: Option<String>,
    /// The close frame from the daemon: its code, 1005 for none.
    pub close_code: Option<u16>,
    /// When the session ended early, by its error.
    pub stopped: Option<Instant>,
}
