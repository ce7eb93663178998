//! Pictures: decoding a JPEG at the size that the nodes want, and scaling. TurboJPEG scales by eighths while it decodes
//! (in the DCT domain), which is cheaper than decoding all pixels and throwing most away.

use std::collections::HashMap;
use std::fmt;

use fast_image_resize::images::{Image as ResizeImage, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use thiserror::Error;
use turbojpeg::{Decompressor, Image, PixelFormat, ScalingFactor};

/// Scans of a progressive JPEG that are decoded; encoders write about 10 (libjpeg's own script has 10). A file of few bytes may hold thousands, each of
/// which costs a pass over the whole picture.
const MAX_SCANS: u32 = 20;
/// Bytes of a pixel, red, green and blue.
const RGB: usize = 3;

/// A decoder's buffer may stay this large for good; a larger one, from one huge frame, is given back by smaller frames.
const KEPT_BYTES: usize = 32 << 20;

/// How much of the picture a node needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageNeed {
    /// No picture: nothing is decoded.
    #[default]
    None,
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
    /// Width and height of the frame as the client sent it.
    pub frame_size: (usize, usize),
}

/// Why a JPEG cannot be decoded.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The decoder's own words.
    #[error("{0}")]
    Jpeg(String),
    /// The picture's data is damaged or incomplete.
    #[error("the picture data is damaged: {0}")]
    Damaged(String),
}

/// A decoder and its buffers, kept by each worker so that no frame allocates what the one before had.
#[derive(Default)]
pub struct Decoder {
    jpeg: Option<Decompressor>,
    pixels: Vec<u8>,
}

/// Scales pictures, reusing its buffers and filters.
#[derive(Default)]
pub struct Scaler {
    resizer: Resizer,
    outputs: HashMap<(usize, usize), Vec<u8>>,
}

impl ImageNeed {
    /// What serves both.
    pub fn and(self, other: ImageNeed) -> ImageNeed {
        match (self, other) {
            (ImageNeed::None, need) | (need, ImageNeed::None) => need,
            (ImageNeed::Whole, _) | (_, ImageNeed::Whole) => ImageNeed::Whole,
            (ImageNeed::AtLeast(w1, h1), ImageNeed::AtLeast(w2, h2)) => ImageNeed::AtLeast(w1.max(w2), h1.max(h2)),
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

impl Decoder {
    /// Decodes a JPEG at the smallest size that serves `need`.
    ///
    /// # Errors
    /// [`DecodeError`]; its text is for the client.
    pub fn decode(&mut self, jpeg: &[u8], need: ImageNeed) -> Result<Picture<'_>, DecodeError> {
        let broken = |error: turbojpeg::Error| DecodeError::Jpeg(error.to_string());
        if self.jpeg.is_none() {
            let mut decompressor = Decompressor::new().map_err(broken)?;
            decompressor.set_scan_limit(MAX_SCANS).map_err(broken)?;
            self.jpeg = Some(decompressor);
        }
        let Some(decompressor) = self.jpeg.as_mut() else { return Err(DecodeError::Jpeg("no decoder".into())) };
        let header = decompressor.read_header(jpeg).map_err(broken)?;
        if header.is_lossless {
            return Err(DecodeError::Jpeg("lossless JPEG is not supported".into()));
        }
        let scale = need.scale(header.width, header.height);
        decompressor.set_scaling_factor(scale).map_err(broken)?;
        let (width, height) = (scale.scale(header.width), scale.scale(header.height));
        let bytes = width * height * RGB;
        if self.pixels.capacity() > KEPT_BYTES && bytes < self.pixels.capacity() / 4 {
            self.pixels = Vec::new();
        }
        self.pixels.resize(bytes, 0);
        let pixels = self.pixels.as_mut_slice();
        let output = Image { pixels, width, pitch: width * RGB, height, format: PixelFormat::RGB };
        match decompressor.decompress(jpeg, output) {
            Err(error) if !is_harmless(&error.to_string()) => Err(DecodeError::Damaged(error.to_string())),
            _ => Ok(Picture { rgb: &self.pixels, width, height, frame_size: (header.width, header.height) }),
        }
    }
}

/// The warning of libjpeg after which the picture is whole all the same: padding before a marker, which some USB cameras
/// write before the end of every frame. TurboJPEG reports warnings as errors, with the pixels written, and only the first
/// of them, so damage behind padding inside the picture goes unnoticed.
fn is_harmless(message: &str) -> bool {
    message.contains("extraneous bytes before marker")
}

impl Scaler {
    /// The picture stretched to `width × height` (triangle filter over the whole source area); the picture itself where
    /// it has that size.
    ///
    /// # Errors
    /// Only for sizes that make no picture (a width or height of 0).
    pub fn stretch<'a>(&'a mut self, picture: &Picture<'a>, width: usize, height: usize) -> Result<&'a [u8], String> {
        if (picture.width, picture.height) == (width, height) {
            return Ok(picture.rgb);
        }
        let side = |pixels: usize| u32::try_from(pixels).map_err(|error| error.to_string());
        let source = ImageRef::new(side(picture.width)?, side(picture.height)?, picture.rgb, PixelType::U8x3)
            .map_err(|error| error.to_string())?;
        let output = self.outputs.entry((width, height)).or_default();
        output.resize(width * height * RGB, 0);
        let mut target =
            ResizeImage::from_slice_u8(side(width)?, side(height)?, output.as_mut_slice(), PixelType::U8x3)
                .map_err(|error| error.to_string())?;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        self.resizer.resize(&source, &mut target, &options).map_err(|error| error.to_string())?;
        if self.resizer.size_of_internal_buffers() > KEPT_BYTES {
            self.resizer.reset_internal_buffers();
        }
        Ok(output)
    }
}

impl fmt::Debug for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{} of {:?})", self.width, self.height, self.frame_size)
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

impl fmt::Debug for Scaler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scaler")
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_add_up() {
        use ImageNeed::{AtLeast, None, Whole};
        for (a, b, both) in [
            (None, None, None),
            (None, AtLeast(3, 4), AtLeast(3, 4)),
            (AtLeast(1, 9), AtLeast(3, 4), AtLeast(3, 9)),
            (AtLeast(1, 9), Whole, Whole),
        ] {
            assert_eq!((a.and(b), b.and(a)), (both, both));
        }
    }

    #[test]
    fn decodes_at_the_smallest_size_that_serves() {
        let jpeg = sample_jpeg(640, 480).unwrap();
        let mut decoder = Decoder::default();
        for (need, expected) in [
            (ImageNeed::Whole, (640, 480)),
            (ImageNeed::AtLeast(640, 480), (640, 480)),
            (ImageNeed::AtLeast(321, 100), (640, 480)),
            (ImageNeed::AtLeast(320, 240), (320, 240)),
            (ImageNeed::AtLeast(32, 32), (80, 60)),
            (ImageNeed::AtLeast(2000, 10), (640, 480)),
        ] {
            let picture = decoder.decode(&jpeg, need).unwrap();
            assert_eq!((picture.width, picture.height), expected, "{need:?}");
            assert_eq!((picture.rgb.len(), picture.frame_size), (expected.0 * expected.1 * 3, (640, 480)));
        }
    }

    #[test]
    fn a_cut_picture_is_damaged_and_padding_before_the_end_is_not() {
        let jpeg = sample_jpeg(640, 480).unwrap();
        let mut decoder = Decoder::default();
        let cut = [&jpeg[..jpeg.len() / 2], &[0xFF, 0xD9]].concat();
        assert!(matches!(decoder.decode(&cut, ImageNeed::Whole), Err(DecodeError::Damaged(_))));
        let padded = [&jpeg[..jpeg.len() - 2], &[0, 0, 0, 0xFF, 0xD9]].concat();
        assert!(decoder.decode(&padded, ImageNeed::Whole).is_ok());
        assert!(decoder.decode(b"\xFF\xD8\xFF\xD9", ImageNeed::Whole).is_err());
    }

    #[test]
    fn stretches_to_any_size() {
        let rgb: Vec<u8> = [[0_u8; 3], [200; 3]].iter().cycle().take(8).flatten().copied().collect();
        let picture = Picture { rgb: &rgb, width: 4, height: 2, frame_size: (4, 2) };
        let mut scaler = Scaler::default();
        assert_eq!(scaler.stretch(&picture, 4, 2).unwrap(), rgb);
        let small = scaler.stretch(&picture, 1, 1).unwrap();
        assert!(small.iter().all(|&value| (90..=110).contains(&value)), "{small:?}");
        assert!(scaler.stretch(&picture, 9, 7).is_ok());
    }
}
