//! `[[camera]]`: the local cameras.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// One `[[camera]]` table, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraConfig {
    /// Its name in URLs, logs and metrics: 1 to 32 letters, digits, `-` and `_`; unique.
    pub name: String,
    /// Which device.
    pub device: CameraDevice,
    /// The pipeline that its frames run through. `None`: pictures only.
    pub pipeline: Option<String>,
    /// Pixels in a row, asked for.
    pub width: u32,
    /// Rows, asked for.
    pub height: u32,
    /// Frames a second, asked for.
    pub fps: f64,
    /// The format that is asked for.
    pub format: CameraFormat,
    /// V4L2 controls by name, set in this order before streaming.
    pub controls: BTreeMap<String, ControlValue>,
    /// Degrees by which pictures are turned clockwise: 0, 90, 180 or 270.
    pub rotate: u16,
    /// Whether it is captured and run when nobody watches.
    pub always_on: bool,
}

/// What a camera's frames come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameraDevice {
    /// A device node or a link to one.
    Path(PathBuf),
    /// The capture device of a USB camera.
    Usb {
        /// Vendor id.
        vendor: u16,
        /// Product id.
        product: u16,
        /// Serial number, where several are alike.
        serial: Option<String>,
    },
    /// A folder of JPEG files or an MJPEG file, looped.
    Replay(PathBuf),
}

/// The format that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CameraFormat {
    /// The cheapest one that reaches the size and rate.
    #[default]
    Auto,
    /// The one of this V4L2 name.
    Fourcc([u8; 4]),
}

/// A control's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlValue {
    /// A number, or a menu's entry by number.
    Integer(i64),
    /// On or off.
    Boolean(bool),
    /// A text, or a menu's entry by name.
    Text(String),
}
