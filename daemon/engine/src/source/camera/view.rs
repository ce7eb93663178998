//! A camera as `/v1/cameras` shows it.

use serde::Serialize;

use base::capture::{Agreed, Fault};
use base::config::CameraConfig;

/// A camera, as the list of cameras shows it.
#[derive(Debug, Serialize)]
pub struct CameraView {
    pub(super) name: String,
    /// `starting`, `up`, `slowed` (up, and read less often because its session is in `critical`), `down` or `idle`.
    pub(super) state: &'static str,
    pub(super) pipeline_id: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) asked: AskedView,
    pub(super) agreed: Option<AgreedView>,
    pub(super) notes: Vec<String>,
    /// Frames a second that came in the last three seconds.
    pub(super) fps: f64,
    /// Frames a second that are offered to the session while the camera is slowed.
    pub(super) reading_fps: Option<f64>,
    pub(super) frames: u64,
    pub(super) lost_frames: u64,
    pub(super) bad_frames: u64,
    pub(super) skipped_frames: u64,
    pub(super) reconnects: u64,
    pub(super) last_frame_ts: Option<u64>,
    /// Why it is down.
    pub(super) last_error: Option<FaultView>,
    /// Why its frames run through no pipeline.
    pub(super) pipeline_error: Option<String>,
}

impl CameraView {
    /// Whether it delivers frames.
    pub fn is_up(&self) -> bool {
        matches!(self.state, "up" | "slowed")
    }
}

/// What the configuration asks for.
#[derive(Debug, Serialize)]
pub(super) struct AskedView {
    device: String,
    format: String,
    width: u32,
    height: u32,
    fps: f64,
    rotate: u16,
    always_on: bool,
}

/// What the device agreed to.
#[derive(Debug, Serialize)]
pub(super) struct AgreedView {
    card: String,
    driver: String,
    format: &'static str,
    width: u32,
    height: u32,
    fps: f64,
}

/// A fault in words.
#[derive(Debug, Serialize)]
pub(super) struct FaultView {
    reason: &'static str,
    detail: String,
}

impl From<&CameraConfig> for AskedView {
    fn from(config: &CameraConfig) -> Self {
        AskedView {
            device: config.device.to_string(),
            format: config.format.to_string(),
            width: config.width,
            height: config.height,
            fps: config.fps,
            rotate: config.rotate,
            always_on: config.always_on,
        }
    }
}

impl From<&Agreed> for AgreedView {
    fn from(agreed: &Agreed) -> Self {
        AgreedView {
            card: agreed.card.clone(),
            driver: agreed.driver.clone(),
            format: agreed.encoding.fourcc(),
            width: agreed.width,
            height: agreed.height,
            fps: agreed.fps,
        }
    }
}

impl From<&Fault> for FaultView {
    fn from(fault: &Fault) -> Self {
        FaultView { reason: fault.reason.as_str(), detail: fault.detail.clone() }
    }
}
