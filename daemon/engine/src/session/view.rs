//! What is told of a session: in the sessions list, and in its last log line.

use std::time::Duration;

use serde::Serialize;

/// A session as the sessions list shows it.
#[derive(Debug, Serialize)]
pub struct SessionView {
    pub(super) session_id: String,
    pub(super) pipeline_id: String,
    pub(super) source: &'static str,
    pub(super) peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) camera: Option<String>,
    pub(super) frame_index: u64,
    pub(super) dropped_frames: u64,
    pub(super) drop_rate: f64,
    pub(super) recent_drop_rate: f64,
    pub(super) last_processed_ts: Option<u64>,
    pub(super) processing_time_ms: Option<f64>,
    pub(super) backpressure_state: &'static str,
    pub(super) drop_threshold: f64,
    pub(super) slowdown_threshold: f64,
    pub(super) waiting_frames: usize,
    pub(super) duration_s: f64,
}

/// The lifetime figures of a session, for its last log line.
#[derive(Clone, Copy, Debug)]
pub struct SessionTotals {
    /// Frames received.
    pub frame_index: u64,
    /// Frames dropped.
    pub dropped_frames: u64,
    /// `dropped_frames / frame_index`.
    pub drop_rate: f64,
    /// How long the session lasted.
    pub duration: Duration,
}
