//! What a session is made from.

use std::sync::Arc;

use bytes::Bytes;
use prometheus::IntCounter;
use tokio::sync::{OnceCell, watch};

use super::backpressure::Thresholds;
use super::peer::Peer;
use crate::pipeline::Pipeline;
use crate::sink::watch::Results;
use crate::telemetry::metrics::{SessionMetrics, Source};
use base::frame::Frame;

/// What a session starts from.
#[derive(Debug)]
pub struct SessionStart {
    /// Where its frames come from.
    pub source: Source,
    /// The client's address; none for a camera.
    pub peer: Option<Peer>,
    /// The pipeline that its frames run through, kept until the session ends.
    pub pipeline: Arc<Pipeline>,
    /// The session's series.
    pub metrics: SessionMetrics,
    /// The backpressure thresholds.
    pub thresholds: Thresholds,
    /// The camera that is the client; none for a session over the network.
    pub camera: Option<CameraTie>,
}

/// What ties a session to the camera that is its client.
#[derive(Clone, Debug)]
pub struct CameraTie {
    /// The camera's name.
    pub name: String,
    /// Where its results go, in this session and the next.
    pub results: Arc<Results>,
    /// Where frames with their results go while somebody looks.
    pub shown: watch::Sender<Option<Arc<Shown>>>,
    /// Counts frames that could not be decoded; they cost the frame, not the session.
    pub bad_frames: IntCounter,
}

/// A frame and what came of it.
#[derive(Debug)]
pub struct Shown {
    /// The frame.
    pub frame: Frame,
    /// Its number in its session.
    pub frame_index: u64,
    /// Its result, as JSON text.
    pub result: String,
    /// The frame with its result drawn on it, as a JPEG, made once for all who look.
    pub picture: OnceCell<Result<Bytes, String>>,
}
