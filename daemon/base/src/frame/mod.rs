//! A frame before it is decoded: a JPEG, or a camera's raw picture, and how far it is turned.
//!
//! Lives here: all that is known of a JPEG from outside: its markers (`jpeg`), what a received one must have (`validator`), where it ends
//! in a camera's buffer (`padding`) and in a stream of bytes (`split`); and frames that are made (`synthetic`). Pure. Does not live here:
//! decoding, which is the engine's.

pub mod jpeg;
pub mod padding;
pub mod split;
pub mod synthetic;
pub mod validator;

use std::fmt;

use bytes::Bytes;

/// A frame as it came from its source.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its picture.
    pub data: FrameData,
    /// How far the picture is turned before anything else sees it; widths and boxes are those of the turned picture.
    pub rotation: Rotation,
}

/// The picture of a frame.
#[derive(Clone)]
pub enum FrameData {
    /// A JPEG.
    Jpeg(Bytes),
    /// A raw picture of a camera.
    Raw(RawPicture),
}

/// A picture as a camera delivers it without compression.
#[derive(Clone)]
pub struct RawPicture {
    /// How its bytes are laid out.
    pub layout: PixelLayout,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes from the start of a row (of the first plane) to the next; at least the row's own bytes.
    pub stride: usize,
    /// All planes, one after the other.
    pub bytes: Bytes,
}

/// Layouts of raw pictures, named as the V4L2 documentation names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelLayout {
    /// `YUYV`: 4:2:2, packed, Y0 U Y1 V.
    Yuyv,
    /// `UYVY`: 4:2:2, packed, U Y0 V Y1.
    Uyvy,
    /// `NV12`: 4:2:0, a plane of Y, then one of U and V interleaved, with the same stride.
    Nv12,
    /// `YU12`: 4:2:0, planes of Y, U and V; the chroma planes have half the stride.
    Yu12,
    /// `GREY`: one byte of brightness a pixel.
    Grey,
    /// `RGB3`: red, green, blue.
    Rgb3,
    /// `BGR3`: blue, green, red.
    Bgr3,
}

/// A turn, clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// Not turned.
    #[default]
    None,
    /// By 90 degrees.
    Quarter,
    /// By 180 degrees.
    Half,
    /// By 270 degrees.
    ThreeQuarters,
}

impl PixelLayout {
    /// Every layout.
    pub const ALL: [PixelLayout; 7] = [
        PixelLayout::Yuyv,
        PixelLayout::Uyvy,
        PixelLayout::Nv12,
        PixelLayout::Yu12,
        PixelLayout::Grey,
        PixelLayout::Rgb3,
        PixelLayout::Bgr3,
    ];

    /// Its V4L2 name of four letters.
    pub fn fourcc(self) -> &'static str {
        match self {
            PixelLayout::Yuyv => "YUYV",
            PixelLayout::Uyvy => "UYVY",
            PixelLayout::Nv12 => "NV12",
            PixelLayout::Yu12 => "YU12",
            PixelLayout::Grey => "GREY",
            PixelLayout::Rgb3 => "RGB3",
            PixelLayout::Bgr3 => "BGR3",
        }
    }
}

impl Frame {
    /// A JPEG as a client sent it.
    pub fn jpeg(jpeg: Bytes) -> Self {
        Frame { data: FrameData::Jpeg(jpeg), rotation: Rotation::None }
    }

    /// Its JPEG, where it is one as it stands, not turned.
    pub fn as_jpeg(&self) -> Option<&Bytes> {
        match &self.data {
            FrameData::Jpeg(jpeg) if self.rotation == Rotation::None => Some(jpeg),
            _ => None,
        }
    }

    /// Bytes of its picture, compressed or not.
    pub fn len(&self) -> usize {
        match &self.data {
            FrameData::Jpeg(bytes) | FrameData::Raw(RawPicture { bytes, .. }) => bytes.len(),
        }
    }

    /// Whether it has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for FrameData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameData::Jpeg(bytes) => write!(f, "Jpeg({} bytes)", bytes.len()),
            FrameData::Raw(raw) => raw.fmt(f),
        }
    }
}

impl fmt::Debug for RawPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}x{}, {} bytes)", self.layout.fourcc(), self.width, self.height, self.bytes.len())
    }
}
