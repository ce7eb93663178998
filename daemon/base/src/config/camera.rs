//! `[[camera]]`: the local cameras, as types and as text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

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
    /// A folder of JPEG files or an MJPEG file, looped. In a loaded configuration a relative path has been looked up: it
    /// starts from a folder that was searched.
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

/// Longest serial number that USB has room for, in characters.
const SERIAL_LENGTH: usize = 126;

impl CameraConfig {
    /// The defaults. Name and device have none: they are empty here.
    pub fn blank() -> Self {
        CameraConfig {
            name: String::new(),
            device: CameraDevice::Path(PathBuf::new()),
            pipeline: None,
            width: 640,
            height: 480,
            fps: 30.0,
            format: CameraFormat::Auto,
            controls: BTreeMap::new(),
            rotate: 0,
            always_on: true,
        }
    }
}

impl CameraDevice {
    /// The device that a text of the configuration means; a replay's path stays as written. `None` where it means none.
    pub fn parse(text: &str) -> Option<Self> {
        if text.chars().any(char::is_control) {
            return None;
        }
        if let Some(path) = text.strip_prefix("replay:") {
            return (!path.is_empty()).then(|| CameraDevice::Replay(path.into()));
        }
        if let Some(ids) = text.strip_prefix("usb:") {
            let mut parts = ids.splitn(3, ':');
            let (vendor, product) = (usb_id(parts.next()?)?, usb_id(parts.next()?)?);
            let serial = parts.next().map(str::to_owned);
            let fits = serial.as_ref().is_none_or(|s| (1..=SERIAL_LENGTH).contains(&s.chars().count()));
            return fits.then_some(CameraDevice::Usb { vendor, product, serial });
        }
        Path::new(text).is_absolute().then(|| CameraDevice::Path(text.into()))
    }
}

/// Four hex digits.
fn usb_id(text: &str) -> Option<u16> {
    let fits = text.len() == 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
    fits.then(|| u16::from_str_radix(text, 16).ok()).flatten()
}

impl CameraFormat {
    /// The V4L2 names of the formats that can be read; `JPEG` and `MJPG` are read alike.
    pub const KNOWN: [&'static str; 9] = ["MJPG", "JPEG", "YUYV", "UYVY", "NV12", "YU12", "GREY", "RGB3", "BGR3"];

    /// `auto`, or a format of [`CameraFormat::KNOWN`].
    pub fn parse(text: &str) -> Option<Self> {
        if text == "auto" {
            return Some(CameraFormat::Auto);
        }
        let known = CameraFormat::KNOWN.iter().find(|known| **known == text)?;
        known.as_bytes().try_into().ok().map(CameraFormat::Fourcc)
    }
}

/// As the configuration writes it.
impl fmt::Display for CameraDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CameraDevice::Path(path) => write!(f, "{}", path.display()),
            CameraDevice::Usb { vendor, product, serial: None } => write!(f, "usb:{vendor:04x}:{product:04x}"),
            CameraDevice::Usb { vendor, product, serial: Some(serial) } => {
                write!(f, "usb:{vendor:04x}:{product:04x}:{serial}")
            }
            CameraDevice::Replay(path) => write!(f, "replay:{}", path.display()),
        }
    }
}

/// As the configuration writes it.
impl fmt::Display for CameraFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CameraFormat::Auto => f.write_str("auto"),
            CameraFormat::Fourcc(name) => write!(f, "{}", name.escape_ascii()),
        }
    }
}

/// As TOML writes it.
impl fmt::Display for ControlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlValue::Integer(number) => number.fmt(f),
            ControlValue::Boolean(on) => on.fmt(f),
            ControlValue::Text(text) => toml::Value::from(text.as_str()).fmt(f),
        }
    }
}
