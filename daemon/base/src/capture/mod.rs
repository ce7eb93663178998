//! Where hardware begins: what a supervisor sees of a camera, be it a V4L2 device (`v4l2`) or a replay of files (`replay`).

mod open;
pub mod replay;
pub mod v4l2;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::frame::PixelLayout;

pub use open::open;

/// An open camera that delivers frames. Dropping it closes the device.
pub trait Capture: Send + fmt::Debug {
    /// What the device agreed to.
    fn agreed(&self) -> &Agreed;

    /// Waits at most `patience` for a frame, drains what has come, and gives the newest complete frame, where one came.
    ///
    /// # Errors
    /// A [`Fault`]: the camera is to be dropped and opened anew.
    fn next(&mut self, patience: Duration) -> Result<(Option<Held<'_>>, Drained), Fault>;
}

/// A frame in the driver's buffer, which goes back to the driver when this is dropped: copy what is wanted, and drop it.
pub struct Held<'a> {
    buffer: Box<dyn AsRef<[u8]> + 'a>,
    /// When the kernel had it, or the replay made it due.
    pub captured_at: Instant,
}

/// An open camera, and what is worth telling about how it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The camera.
    pub capture: Box<dyn Capture>,
    /// Sentences: what was agreed differently from what was asked, controls that were not set, a better name for the
    /// device. The same at every opening, unless something changed.
    pub notes: Vec<String>,
}

/// What one look at the camera's queue came to. Frames captured = held (0 or 1) + skipped + bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Complete frames that gave way to a newer one in the queue.
    pub skipped: u64,
    /// Frames thrown away because they were damaged or incomplete.
    pub bad: u64,
    /// Frames that the driver lost: gaps in its sequence numbers.
    pub lost: u64,
}

/// What a device agreed to; it may differ from what was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreed {
    /// The device node, links resolved; for a replay its file or folder.
    pub path: PathBuf,
    /// What the device calls itself.
    pub card: String,
    /// Its driver; `replay` for files.
    pub driver: String,
    /// How pictures come.
    pub encoding: Encoding,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bytes a row (of the first plane) takes; 0 for JPEG.
    pub stride: u32,
    /// Frames a second; 0 where the driver does not say.
    pub fps: f64,
}

/// How pictures come from a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// A JPEG each (`MJPG` or `JPEG`).
    Jpeg,
    /// Raw.
    Raw(PixelLayout),
}

/// Why a camera does not deliver. The label `reason` of `camera_reconnects_total` and of the event `camera_down`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There is no such device (or file).
    NoSuchDevice,
    /// The daemon's user may not open it.
    PermissionDenied,
    /// Another program captures from it.
    Busy,
    /// It was there and is gone.
    Disconnected,
    /// It is there and sends nothing.
    NoFrames,
    /// It has no format that can be used, or refuses the one asked for.
    BadFormat,
    /// The USB bus has no room for its stream (`ENOSPC`).
    UsbBandwidth,
    /// Anything else that the driver reports.
    IoError,
}

/// A camera's fault, in words for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct Fault {
    /// What kind of fault.
    pub reason: Reason,
    /// What was tried, what the system said and what to do: one or two sentences.
    pub detail: String,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 8] = [
        Reason::NoSuchDevice,
        Reason::PermissionDenied,
        Reason::Busy,
        Reason::Disconnected,
        Reason::NoFrames,
        Reason::BadFormat,
        Reason::UsbBandwidth,
        Reason::IoError,
    ];

    /// The name in logs, metrics and lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::NoSuchDevice => "no_such_device",
            Reason::PermissionDenied => "permission_denied",
            Reason::Busy => "busy",
            Reason::Disconnected => "disconnected",
            Reason::NoFrames => "no_frames",
            Reason::BadFormat => "bad_format",
            Reason::UsbBandwidth => "usb_bandwidth",
            Reason::IoError => "io_error",
        }
    }
}

impl Fault {
    /// A fault with its words.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Fault { reason, detail: detail.into() }
    }
}

impl<'a> Held<'a> {
    /// A frame that was captured then. Dropping `buffer` gives it back.
    pub fn new(buffer: impl AsRef<[u8]> + 'a, captured_at: Instant) -> Self {
        Held { buffer: Box::new(buffer), captured_at }
    }

    /// The picture: one complete JPEG without trailing padding, or all rows of a raw picture.
    pub fn bytes(&self) -> &[u8] {
        (*self.buffer).as_ref()
    }
}

impl Encoding {
    /// Every encoding.
    pub const ALL: [Encoding; 8] = [
        Encoding::Jpeg,
        Encoding::Raw(PixelLayout::Yuyv),
        Encoding::Raw(PixelLayout::Uyvy),
        Encoding::Raw(PixelLayout::Nv12),
        Encoding::Raw(PixelLayout::Yu12),
        Encoding::Raw(PixelLayout::Grey),
        Encoding::Raw(PixelLayout::Rgb3),
        Encoding::Raw(PixelLayout::Bgr3),
    ];

    /// The format's V4L2 name of four letters.
    pub fn fourcc(self) -> &'static str {
        match self {
            Encoding::Jpeg => "MJPG",
            Encoding::Raw(layout) => layout.fourcc(),
        }
    }
}

impl fmt::Display for Agreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{} at {} frames/s", self.encoding.fourcc(), self.width, self.height, self.fps)
    }
}

impl fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({} bytes)", self.bytes().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CameraFormat;

    #[test]
    fn the_configuration_knows_every_encoding() {
        // V4L2 has two names for a JPEG.
        let known: Vec<&str> = CameraFormat::KNOWN.into_iter().filter(|name| *name != "JPEG").collect();
        assert_eq!(known, Encoding::ALL.map(Encoding::fourcc));
    }
}
