//! From a frame to its picture. TurboJPEG scales by eighths while it decodes (in the DCT domain), which is cheaper than
//! decoding all pixels and throwing most away. Raw pictures are converted whole: that costs less than any JPEG.

use std::borrow::Cow;
use std::fmt;

use turbojpeg::{Colorspace, DecompressHeader, Decompressor, Image, PixelFormat};

use super::oddities::{leaves_picture_whole, without_oddities};
use super::rotate::rotate;
use super::{DecodeError, ImageNeed, Picture, RGB, room};
use crate::pipeline::raw;
use base::frame::{Frame, FrameData, Rotation};

/// Scans of a progressive JPEG that are decoded; encoders write about 10 (libjpeg's own script has 10). A file of few
/// bytes may hold thousands, each of which costs a pass over the whole picture.
const MAX_SCANS: u32 = 20;

/// A decoder's buffers, kept by each worker so that no frame allocates what the one before had. Nothing else is kept: libjpeg's
/// handle holds the tables of the last picture, and after some errors it refuses every later one, so each JPEG gets its own.
#[derive(Default)]
pub struct Decoder {
    pixels: Vec<u8>,
    turned: Vec<u8>,
}

impl Decoder {
    /// Decodes a frame at the smallest size that serves `need`, and turns it. The size that is needed is the turned
    /// picture's. The picture lies in the decoder's buffers, or in the frame where it is RGB already.
    ///
    /// # Errors
    /// [`DecodeError`]; its text is for the client.
    pub fn decode<'a>(&'a mut self, frame: &'a Frame, need: ImageNeed) -> Result<Picture<'a>, DecodeError> {
        let picture = match &frame.data {
            FrameData::Jpeg(jpeg) => decode_jpeg(jpeg, need.before(frame.rotation), &mut self.pixels)?,
            FrameData::Raw(picture) => raw::to_rgb(picture, &mut self.pixels)?,
        };
        Ok(rotate(picture, frame.rotation, &mut self.turned))
    }

    /// Bytes of its buffers.
    pub fn kept_bytes(&self) -> usize {
        self.pixels.capacity() + self.turned.capacity()
    }
}

/// Width and height of a frame, turned as it asks for. Of a JPEG the header is read, and not the picture.
///
/// # Errors
/// [`DecodeError`], where the header is refused.
pub fn size_of(frame: &Frame) -> Result<(usize, usize), DecodeError> {
    let (width, height) = match &frame.data {
        FrameData::Jpeg(jpeg) => {
            let (_, _, header) = opened(jpeg)?;
            (header.width, header.height)
        }
        FrameData::Raw(picture) => (picture.width, picture.height),
    };
    Ok(match frame.rotation {
        Rotation::None | Rotation::Half => (width, height),
        Rotation::Quarter | Rotation::ThreeQuarters => (height, width),
    })
}

fn broken(error: turbojpeg::Error) -> DecodeError {
    DecodeError::Jpeg(error.to_string())
}

/// The JPEG without oddities, a handle for it, and what its header says.
fn opened(jpeg: &[u8]) -> Result<(Cow<'_, [u8]>, Decompressor, DecompressHeader), DecodeError> {
    let jpeg = without_oddities(jpeg);
    let mut decompressor = Decompressor::new().map_err(broken)?;
    decompressor.set_scan_limit(MAX_SCANS).map_err(broken)?;
    let header = decompressor.read_header(&jpeg).map_err(broken)?;
    if header.is_lossless {
        return Err(DecodeError::Jpeg("lossless JPEG is not supported".into()));
    }
    Ok((jpeg, decompressor, header))
}

fn decode_jpeg<'a>(jpeg: &[u8], need: ImageNeed, pixels: &'a mut Vec<u8>) -> Result<Picture<'a>, DecodeError> {
    let (jpeg, mut decompressor, header) = opened(jpeg)?;
    let scale = need.scale(header.width, header.height);
    decompressor.set_scaling_factor(scale).map_err(broken)?;
    let (width, height) = (scale.scale(header.width), scale.scale(header.height));
    // libjpeg converts neither of these to RGB.
    let four_inks = matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK);
    let (format, bytes) = if four_inks { (PixelFormat::CMYK, CMYK) } else { (PixelFormat::RGB, RGB) };
    let decoded = room(pixels, width * height * bytes);
    let output = Image { pixels: &mut *decoded, width, pitch: width * bytes, height, format };
    match decompressor.decompress(&jpeg, output) {
        // Warnings are reported as errors, with the pixels written.
        Err(error) if !leaves_picture_whole(&error.to_string()) => return Err(DecodeError::Damaged(error.to_string())),
        _ => {}
    }
    if four_inks {
        cmyk_to_rgb(decoded);
    }
    let rgb = decoded.get(..width * height * RGB).unwrap_or_default();
    Ok(Picture { rgb, width, height, frame_size: (header.width, header.height) })
}

/// Bytes of a pixel of four inks.
const CMYK: usize = 4;

/// Makes RGB of CMYK where it stands, at its start. Nearly all such JPEGs come from Adobe's programs, which write ink the other
/// way round, 0 for all of it, so a colour is its light times that of black. Ink profiles are not applied.
fn cmyk_to_rgb(pixels: &mut [u8]) {
    let count = pixels.len() / CMYK;
    for at in 0..count {
        let Some(&[c, m, y, k]) = pixels.get(at * CMYK..).and_then(<[u8]>::first_chunk) else { return };
        let light = |ink: u8| u8::try_from((u16::from(ink) * u16::from(k) + 127) / 255).unwrap_or(u8::MAX);
        if let Some(rgb) = pixels.get_mut(at * RGB..).and_then(<[u8]>::first_chunk_mut) {
            *rgb = [light(c), light(m), light(y)];
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::sample_jpeg;
    use super::*;
    use base::frame::{PixelLayout, RawPicture, Rotation};

    fn jpeg_frame(jpeg: &[u8]) -> Frame {
        Frame::jpeg(Bytes::copy_from_slice(jpeg))
    }

    fn decoded_whole(jpeg: &[u8]) -> Result<(), DecodeError> {
        Decoder::default().decode(&jpeg_frame(jpeg), ImageNeed::Whole).map(|_| ())
    }

    #[test]
    fn decodes_at_the_smallest_size_that_serves() {
        let frame = jpeg_frame(&sample_jpeg(640, 480).unwrap());
        let mut decoder = Decoder::default();
        for (need, expected) in [
            (ImageNeed::Whole, (640, 480)),
            (ImageNeed::AtLeast(640, 480), (640, 480)),
            (ImageNeed::AtLeast(321, 100), (640, 480)),
            (ImageNeed::AtLeast(320, 240), (320, 240)),
            (ImageNeed::AtLeast(32, 32), (80, 60)),
            (ImageNeed::AtLeast(2000, 10), (640, 480)),
        ] {
            let picture = decoder.decode(&frame, need).unwrap();
            assert_eq!((picture.width, picture.height), expected, "{need:?}");
            assert_eq!((picture.rgb.len(), picture.frame_size), (expected.0 * expected.1 * 3, (640, 480)));
        }
    }

    #[test]
    fn a_need_is_that_of_the_turned_picture() {
        let jpeg = Bytes::from(sample_jpeg(640, 480).unwrap());
        let mut decoder = Decoder::default();
        for (rotation, need, size, frame_size) in [
            (Rotation::None, ImageNeed::AtLeast(320, 240), (320, 240), (640, 480)),
            (Rotation::Half, ImageNeed::AtLeast(320, 240), (320, 240), (640, 480)),
            (Rotation::Quarter, ImageNeed::AtLeast(240, 320), (240, 320), (480, 640)),
            (Rotation::Quarter, ImageNeed::AtLeast(320, 240), (480, 640), (480, 640)),
            (Rotation::ThreeQuarters, ImageNeed::AtLeast(60, 80), (60, 80), (480, 640)),
            (Rotation::ThreeQuarters, ImageNeed::Whole, (480, 640), (480, 640)),
        ] {
            let frame = Frame { rotation, ..Frame::jpeg(jpeg.clone()) };
            assert_eq!(size_of(&frame).unwrap(), frame_size, "{rotation:?}");
            let picture = decoder.decode(&frame, need).unwrap();
            assert_eq!((picture.width, picture.height), size, "{rotation:?} {need:?}");
            assert_eq!((picture.rgb.len(), picture.frame_size), (size.0 * size.1 * 3, frame_size), "{rotation:?}");
        }
    }

    #[test]
    fn the_corners_of_a_jpeg_are_turned() {
        // Corners, clockwise from the upper left: black, red, green, blue.
        let (width, height) = (64, 48);
        let pixel = |x: usize, y: usize| match (x < width / 2, y < height / 2) {
            (true, true) => [0, 0, 0],
            (false, true) => [255, 0, 0],
            (false, false) => [0, 255, 0],
            (true, false) => [0, 0, 255],
        };
        let pixels: Vec<u8> = (0..width * height).flat_map(|at| pixel(at % width, at / width)).collect();
        let image = Image { pixels: pixels.as_slice(), width, pitch: width * 3, height, format: PixelFormat::RGB };
        let jpeg = Bytes::from(turbojpeg::compress(image, 95, turbojpeg::Subsamp::None).unwrap().to_vec());
        let name = |rgb: &[u8]| match rgb.iter().position(|&value| value > 128) {
            None => "black",
            Some(0) => "red",
            Some(1) => "green",
            Some(_) => "blue",
        };
        let mut decoder = Decoder::default();
        for (rotation, expected) in [
            (Rotation::None, ["black", "red", "green", "blue"]),
            (Rotation::Quarter, ["blue", "black", "red", "green"]),
            (Rotation::Half, ["green", "blue", "black", "red"]),
            (Rotation::ThreeQuarters, ["red", "green", "blue", "black"]),
        ] {
            let frame = Frame { rotation, ..Frame::jpeg(jpeg.clone()) };
            let picture = decoder.decode(&frame, ImageNeed::Whole).unwrap();
            let (right, bottom) = (picture.width - 1, picture.height - 1);
            let corner = |x: usize, y: usize| name(&picture.rgb[(y * picture.width + x) * 3..][..3]);
            assert_eq!([corner(0, 0), corner(right, 0), corner(right, bottom), corner(0, bottom)], expected);
        }
    }

    #[test]
    fn grey_and_cmyk_become_rgb() {
        let (width, height) = (32, 16);
        let encode = |pixel: &[u8], format, subsampling| {
            let pixels = pixel.repeat(width * height);
            let image = Image { pixels: pixels.as_slice(), width, pitch: width * pixel.len(), height, format };
            jpeg_frame(&turbojpeg::compress(image, 95, subsampling).unwrap())
        };
        let mut decoder = Decoder::default();
        for (frame, expected) in [
            (encode(&[200], PixelFormat::GRAY, turbojpeg::Subsamp::Gray), [200, 200, 200]),
            // Inks the other way round: all light of red, half of green, none of blue; then the same at half the light.
            (encode(&[255, 128, 0, 255], PixelFormat::CMYK, turbojpeg::Subsamp::None), [255, 128, 0]),
            (encode(&[255, 128, 0, 128], PixelFormat::CMYK, turbojpeg::Subsamp::None), [128, 64, 0]),
        ] {
            for (need, size) in [(ImageNeed::Whole, (32, 16)), (ImageNeed::AtLeast(16, 8), (16, 8))] {
                let picture = decoder.decode(&frame, need).unwrap();
                assert_eq!((picture.width, picture.height, picture.rgb.len()), (size.0, size.1, size.0 * size.1 * RGB));
                assert_eq!(picture.frame_size, (32, 16));
                let near = |pixel: &[u8]| pixel.iter().zip(expected).all(|(a, b): (&u8, u8)| a.abs_diff(b) <= 3);
                assert!(picture.rgb.chunks(RGB).all(near), "{expected:?}: {:?}", &picture.rgb[..RGB]);
            }
        }
    }

    #[test]
    fn rgb_without_padding_is_not_copied() {
        let bytes = Bytes::from((0..36).collect::<Vec<u8>>());
        let raw = RawPicture { layout: PixelLayout::Rgb3, width: 4, height: 3, stride: 12, bytes: bytes.clone() };
        let frame = Frame { data: FrameData::Raw(raw), rotation: Rotation::None };
        let mut decoder = Decoder::default();
        let picture = decoder.decode(&frame, ImageNeed::AtLeast(1, 1)).unwrap();
        assert_eq!(picture.rgb.as_ptr(), bytes.as_ptr());
        assert_eq!((picture.rgb, picture.frame_size), (&bytes[..], (4, 3)));
        let turned = Frame { rotation: Rotation::Quarter, ..frame };
        let picture = decoder.decode(&turned, ImageNeed::Whole).unwrap();
        assert_eq!((picture.width, picture.height, picture.frame_size), (3, 4, (3, 4)));
        assert_eq!((&picture.rgb[..3], &picture.rgb[6..9]), (&bytes[24..27], &bytes[..3]));
    }

    #[test]
    fn a_cut_picture_is_damaged_and_padding_before_the_end_is_not() {
        let jpeg = sample_jpeg(640, 480).unwrap();
        let cut = [&jpeg[..jpeg.len() / 2], &[0xFF, 0xD9]].concat();
        assert!(matches!(decoded_whole(&cut), Err(DecodeError::Damaged(_))));
        assert_eq!(size_of(&jpeg_frame(&cut)).unwrap(), (640, 480), "only the header is read");
        let padded = [&jpeg[..jpeg.len() - 2], &[0, 0, 0, 0xFF, 0xD9]].concat();
        assert!(decoded_whole(&padded).is_ok());
        assert!(decoded_whole(b"\xFF\xD8\xFF\xD9").is_err());
    }
}
