//! Opening a camera, whatever its frames come from.

use super::{Fault, Opened, replay, v4l2};
use crate::config::{CameraConfig, CameraDevice};

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
