//! Opening a camera, whatever its frames come from.

use super::{Capture, Fault, replay, v4l2};
use crate::config::{CameraConfig, CameraDevice};

/// An open camera, and what is worth telling about how it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The camera.
    pub capture: Box<dyn Capture>,
    /// Sentences: what was agreed differently from what was asked, controls that were not set, a better name for the
    /// device. The same at every opening, unless something changed.
    pub notes: Vec<String>,
}

/// Opens a camera as configured.
///
/// # Errors
/// A [`Fault`] with the step that failed.
pub fn open(config: &CameraConfig) -> Result<Opened, Fault> {
    match &config.device {
        CameraDevice::Replay(path) => Ok(Opened { capture: replay::open(path, config.fps)?, notes: Vec::new() }),
        CameraDevice::Path(_) | CameraDevice::Usb { .. } => v4l2::open(config),
    }
}
