//! Pictures: decoding a frame at the size that the nodes want, turning it and scaling it. Lives here: what a picture is and
//! how much of it is needed (this file), and what is done to it, a file each. Does not live here: the layouts of raw
//! pictures (`raw`) and the way back to a JPEG (`encode`).

mod bilinear;
mod decoder;
mod oddities;
mod rectify;
mod rotate;
mod scaler;

use std::fmt;

use thiserror::Error;
use turbojpeg::{Image, PixelFormat, ScalingFactor};

use base::frame::{Frame, Rotation};
pub use decoder::{Decoder, size_of};
pub use rectify::rectify;
pub use scaler::{Placement, Scaler};

/// Bytes of a pixel: red, green and blue.
pub(super) const RGB: usize = 3;

/// Width and height of the sample frame that pipelines are tried with at load.
pub const SAMPLE_SIZE: (usize, usize) = (640, 480);

/// A buffer may stay this large for good; a larger one, from one huge frame, is given back by smaller frames.
const KEPT_BYTES: usize = 32 << 20;

/// How much of the picture a node needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageNeed {
    /// No picture: nothing is decoded.
    #[default]
    None,
    /// How large the frame is: its header is read.
    Size,
    /// At least this width and height, where the frame has them.
    AtLeast(usize, usize),
    /// The frame's own size.
    Whole,
}

/// A decoded picture: RGB, 8 bits, rows without padding, and how large the frame was before scaling.
#[derive(Clone, Copy)]
pub struct Picture<'a> {
    /// `height × width × 3` bytes.
    pub rgb: &'a [u8],
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Width and height of the frame as its source sent it, turned as it asks for.
    pub frame_size: (usize, usize),
}

/// Why a frame has no picture.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The JPEG decoder's own words.
    #[error("{0}")]
    Jpeg(String),
    /// The picture's data is damaged or incomplete.
    #[error("the picture data is damaged: {0}")]
    Damaged(String),
    /// A raw picture whose size, stride and bytes do not fit together.
    #[error("{0}")]
    Raw(String),
}

impl ImageNeed {
    /// What serves both.
    pub fn and(self, other: ImageNeed) -> ImageNeed {
        match (self, other) {
            (ImageNeed::None, need) | (need, ImageNeed::None) => need,
            (ImageNeed::Whole, _) | (_, ImageNeed::Whole) => ImageNeed::Whole,
            (ImageNeed::Size, need) | (need, ImageNeed::Size) => need,
            (ImageNeed::AtLeast(w1, h1), ImageNeed::AtLeast(w2, h2)) => ImageNeed::AtLeast(w1.max(w2), h1.max(h2)),
        }
    }

    /// The need before the picture is turned.
    fn before(self, rotation: Rotation) -> ImageNeed {
        match (self, rotation) {
            (ImageNeed::AtLeast(width, height), Rotation::Quarter | Rotation::ThreeQuarters) => {
                ImageNeed::AtLeast(height, width)
            }
            (need, _) => need,
        }
    }

    /// The smallest scale that keeps at least the needed size: 1/8 to 8/8.
    fn scale(self, width: usize, height: usize) -> ScalingFactor {
        let ImageNeed::AtLeast(needed_width, needed_height) = self else { return ScalingFactor::ONE };
        // Powers of two only: libjpeg-turbo has SIMD for these and plain C for the eighths between.
        [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF]
            .into_iter()
            .find(|scale| scale.scale(width) >= needed_width && scale.scale(height) >= needed_height)
            .unwrap_or(ScalingFactor::ONE)
    }
}

impl fmt::Debug for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{} of {:?})", self.width, self.height, self.frame_size)
    }
}

/// This many bytes of a kept buffer, with whatever was in them before.
pub(super) fn room(buffer: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    if buffer.capacity() > KEPT_BYTES && bytes < buffer.capacity() / 4 {
        *buffer = Vec::new();
    }
    if buffer.len() < bytes {
        buffer.resize(bytes, 0);
    }
    buffer.get_mut(..bytes).unwrap_or_default()
}

/// A JPEG with structure (gradients and edges), for trial runs at load.
///
/// # Errors
/// The encoder's words.
pub fn sample_jpeg(width: usize, height: usize) -> Result<Vec<u8>, String> {
    let byte = |value: usize| u8::try_from(value % 256).unwrap_or(0);
    let pixel = |at: usize| {
        let (x, y) = (at % width, at / width);
        [byte(x), byte(y), if (x / 32 + y / 32) % 2 == 0 { 40 } else { 210 }]
    };
    let pixels: Vec<u8> = (0..width * height).flat_map(pixel).collect();
    let image = Image { pixels: pixels.as_slice(), width, pitch: width * RGB, height, format: PixelFormat::RGB };
    turbojpeg::compress(image, 85, turbojpeg::Subsamp::Sub2x2)
        .map(|jpeg| jpeg.to_vec())
        .map_err(|error| error.to_string())
}

/// The frame that pipelines are tried with at load.
///
/// # Errors
/// The encoder's words.
pub fn sample_frame() -> Result<Frame, String> {
    let (width, height) = SAMPLE_SIZE;
    sample_jpeg(width, height).map(|jpeg| Frame::jpeg(jpeg.into()))
}

#[cfg(test)]
mod isolation_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_add_up() {
        use ImageNeed::{AtLeast, None, Size, Whole};
        for (a, b, both) in [
            (None, None, None),
            (None, Size, Size),
            (Size, AtLeast(3, 4), AtLeast(3, 4)),
            (Size, Whole, Whole),
            (None, AtLeast(3, 4), AtLeast(3, 4)),
            (AtLeast(1, 9), AtLeast(3, 4), AtLeast(3, 9)),
            (AtLeast(1, 9), Whole, Whole),
        ] {
            assert_eq!((a.and(b), b.and(a)), (both, both));
        }
    }

    #[test]
    fn the_memory_of_one_huge_frame_is_given_back() {
        let mut buffer = Vec::new();
        assert_eq!(room(&mut buffer, KEPT_BYTES + 1).len(), KEPT_BYTES + 1);
        assert_eq!(room(&mut buffer, KEPT_BYTES / 2).len(), KEPT_BYTES / 2);
        assert!(buffer.capacity() > KEPT_BYTES, "not for a frame of half its size");
        assert_eq!(room(&mut buffer, 100).len(), 100);
        assert!(buffer.capacity() < KEPT_BYTES);
    }
}
