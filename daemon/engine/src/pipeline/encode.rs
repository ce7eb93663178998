//! The way back to a JPEG, for whoever looks at a camera.

use std::fmt;

use bytes::Bytes;
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use super::image::{Decoder, ImageNeed, Picture, RGB, room};
use base::frame::{Frame, FrameData, Rotation};

/// Chroma at half the width and height, as cameras write it.
const SUBSAMPLING: Subsamp = Subsamp::Sub2x2;

/// A compressor's buffer, kept between frames. libjpeg's handle is not: nothing of a picture reaches into the next one.
#[derive(Default)]
pub struct Encoder {
    buffer: Vec<u8>,
}

impl Encoder {
    /// The picture as a JPEG. `quality` is 1 to 100; what lies outside is taken as the nearer end.
    ///
    /// # Errors
    /// The encoder's words: a picture without pixels, or larger than a JPEG can be (65,500 pixels a side).
    pub fn jpeg(&mut self, picture: &Picture<'_>, quality: u8) -> Result<Bytes, String> {
        let Picture { rgb: pixels, width, height, .. } = *picture;
        let said = |error: turbojpeg::Error| error.to_string();
        // The binding asserts what is checked here.
        let bytes = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(RGB));
        if bytes.is_none_or(|bytes| bytes == 0 || bytes > pixels.len()) {
            return Err(format!("{} bytes are no picture of {width}x{height}", pixels.len()));
        }
        let mut compressor = Compressor::new().map_err(said)?;
        compressor.set_subsamp(SUBSAMPLING).map_err(said)?;
        compressor.set_quality(i32::from(quality.clamp(1, 100))).map_err(said)?;
        let most = turbojpeg::compressed_buf_len(width, height, SUBSAMPLING).map_err(said)?;
        let buffer = room(&mut self.buffer, most);
        let image = Image { pixels, width, pitch: width * RGB, height, format: PixelFormat::RGB };
        let written = compressor.compress_to_slice(image, buffer).map_err(said)?;
        buffer.get(..written).map(Bytes::copy_from_slice).ok_or_else(|| "the encoder wrote too much".to_owned())
    }

    /// A frame as a JPEG: the frame's own bytes where it is one and is not turned.
    ///
    /// Raw pictures go through RGB. TurboJPEG takes planes of Y, Cb and Cr too, but a JPEG's have the full range and a
    /// camera's the limited one: handed on as they are, they would come out pale.
    ///
    /// # Errors
    /// Why it cannot be decoded, or the encoder's words.
    pub fn frame_as_jpeg(&mut self, decoder: &mut Decoder, frame: &Frame, quality: u8) -> Result<Bytes, String> {
        match (&frame.data, frame.rotation) {
            (FrameData::Jpeg(jpeg), Rotation::None) => Ok(jpeg.clone()),
            _ => {
                let picture = decoder.decode(frame, ImageNeed::Whole).map_err(|error| error.to_string())?;
                self.jpeg(&picture, quality)
            }
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::image::sample_jpeg;
    use base::frame::{PixelLayout, RawPicture};

    /// Smooth colours, which survive a JPEG.
    fn gradient(width: usize, height: usize) -> Vec<u8> {
        let byte = |value: usize| u8::try_from(value % 256).unwrap();
        (0..width * height).flat_map(|at| [byte(at % width), byte(at / width), 128]).collect()
    }

    fn raw_frame(rgb: Vec<u8>, width: usize, height: usize, rotation: Rotation) -> Frame {
        let raw = RawPicture { layout: PixelLayout::Rgb3, width, height, stride: width * RGB, bytes: rgb.into() };
        Frame { data: FrameData::Raw(raw), rotation }
    }

    #[test]
    fn what_is_encoded_decodes_to_nearly_the_same() {
        let mut encoder = Encoder::default();
        let mut decoder = Decoder::default();
        for (width, height) in [(200, 120), (1, 1), (33, 17), (256, 256)] {
            let rgb = gradient(width, height);
            let picture = Picture { rgb: &rgb, width, height, frame_size: (width, height) };
            let frame = Frame::jpeg(encoder.jpeg(&picture, 95).unwrap());
            let decoded = decoder.decode(&frame, ImageNeed::Whole).unwrap();
            assert_eq!((decoded.width, decoded.height), (width, height));
            let worst = decoded.rgb.iter().zip(&rgb).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(worst <= 8, "{width}x{height}: {worst}");
        }
    }

    #[test]
    fn quality_is_obeyed_and_kept_within_its_range() {
        let rgb = gradient(320, 240);
        let picture = Picture { rgb: &rgb, width: 320, height: 240, frame_size: (320, 240) };
        let mut encoder = Encoder::default();
        let sizes = [0, 1, 50, 100, 255].map(|quality| encoder.jpeg(&picture, quality).unwrap().len());
        assert!(
            sizes[0] == sizes[1] && sizes[1] < sizes[2] && sizes[2] < sizes[3] && sizes[3] == sizes[4],
            "{sizes:?}"
        );
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let mut encoder = Encoder::default();
        for (bytes, width, height) in
            [(0, 0, 0), (30, 0, 10), (30, 10, 0), (29, 5, 2), (30, usize::MAX, 2), (196_503, 65_501, 1)]
        {
            let rgb = vec![0; bytes];
            let picture = Picture { rgb: &rgb, width, height, frame_size: (width, height) };
            assert!(encoder.jpeg(&picture, 80).is_err(), "{width}x{height}");
        }
        assert!(encoder.jpeg(&Picture { rgb: &[9; 30], width: 5, height: 2, frame_size: (5, 2) }, 80).is_ok());
    }

    #[test]
    fn a_jpeg_goes_through_untouched_unless_it_is_turned() {
        let jpeg = Bytes::from(sample_jpeg(64, 32).unwrap());
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let same = encoder.frame_as_jpeg(&mut decoder, &Frame::jpeg(jpeg.clone()), 80).unwrap();
        assert_eq!(same.as_ptr(), jpeg.as_ptr());
        let turned = Frame { rotation: Rotation::Quarter, ..Frame::jpeg(jpeg) };
        let turned = Frame::jpeg(encoder.frame_as_jpeg(&mut decoder, &turned, 80).unwrap());
        assert_eq!(decoder.decode(&turned, ImageNeed::Whole).unwrap().frame_size, (32, 64));
    }

    #[test]
    fn a_raw_frame_becomes_a_jpeg_and_a_broken_one_a_sentence() {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let frame = raw_frame(gradient(64, 32), 64, 32, Rotation::ThreeQuarters);
        let jpeg = Frame::jpeg(encoder.frame_as_jpeg(&mut decoder, &frame, 80).unwrap());
        assert_eq!(decoder.decode(&jpeg, ImageNeed::Whole).unwrap().frame_size, (32, 64));
        let broken = raw_frame(vec![0; 100], 64, 32, Rotation::None);
        let error = encoder.frame_as_jpeg(&mut decoder, &broken, 80).unwrap_err();
        assert!(error.contains("needs 6144 bytes"), "{error}");
    }
}
