//! The frame validator: what a frame must be before anything is spent on it. Of a JPEG: size, the markers at both ends (what follows
//! the last one is ignored), and the pixels that its header announces. Pure; it reads marker segments and never the picture.

use std::ops::Deref;

use thiserror::Error;

use crate::config::StreamConfig;
use crate::frame::jpeg::{self, SOS};
use crate::frame::{Frame, FrameData};
use crate::protocol::{ErrorCode, StreamError};

/// The limits of one frame; from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// Most bytes of a frame.
    pub max_bytes: usize,
    /// Most pixels (width × height) that a frame may announce.
    pub max_pixels: u64,
}

/// Width and height in pixels, from the frame header (SOF) of a JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSize {
    /// Samples per line.
    pub width: u16,
    /// Lines.
    pub height: u16,
}

/// Why a frame is refused. The text is the `detail` that the client gets.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// No bytes at all.
    #[error("The frame is empty; send one JPEG a message.")]
    Empty,
    /// More bytes than the limit.
    #[error("The frame has {bytes} bytes, and at most {limit} are accepted; lower the JPEG quality or the resolution.")]
    TooLarge {
        /// Bytes of the frame.
        bytes: usize,
        /// Most bytes accepted.
        limit: usize,
    },
    /// It does not start with FF D8.
    #[error("The frame does not start with the JPEG marker FF D8; send one whole JPEG a message.")]
    NoStartOfImage,
    /// It has no FF D9.
    #[error("The frame has no JPEG marker FF D9, which ends a picture; it is cut off.")]
    NoEndOfImage,
    /// Marker segments that do not parse, or a picture without a frame header.
    #[error("The frame's JPEG header is damaged: no readable picture size before the picture data.")]
    DamagedHeader,
    /// More pixels than the limit.
    #[error("The frame announces {width}x{height} pixels, and at most {limit} pixels are accepted.")]
    TooManyPixels {
        /// Announced width.
        width: usize,
        /// Announced height.
        height: usize,
        /// Most pixels accepted.
        limit: u64,
    },
}

impl From<FrameError> for StreamError {
    fn from(error: FrameError) -> Self {
        let code = match error {
            FrameError::TooLarge { .. } => ErrorCode::FrameTooLarge,
            _ => ErrorCode::InvalidFrame,
        };
        StreamError::new(code, error.to_string())
    }
}

/// A frame within the limits: only the validator makes one, and sessions take no other.
#[derive(Clone, Debug)]
pub struct ValidFrame(Frame);

impl ValidFrame {
    /// Checks a JPEG by [`validate`], and of a raw picture the pixels.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn new(frame: Frame, limits: FrameLimits) -> Result<ValidFrame, FrameError> {
        match &frame.data {
            FrameData::Jpeg(jpeg) => _ = validate(jpeg, limits)?,
            FrameData::Raw(raw) => check_pixels(raw.width, raw.height, limits)?,
        }
        Ok(ValidFrame(frame))
    }

    /// The frame, for whoever does not ask any more.
    pub fn into_frame(self) -> Frame {
        self.0
    }
}

impl Deref for ValidFrame {
    type Target = Frame;

    fn deref(&self) -> &Frame {
        &self.0
    }
}

impl From<&StreamConfig> for FrameLimits {
    fn from(config: &StreamConfig) -> Self {
        FrameLimits { max_bytes: config.max_frame_bytes, max_pixels: config.max_frame_pixels }
    }
}

/// Checks a JPEG against the limits.
///
/// # Errors
/// The first [`FrameError`] found, in the order of its variants.
pub fn validate(frame: &[u8], limits: FrameLimits) -> Result<FrameSize, FrameError> {
    if frame.is_empty() {
        return Err(FrameError::Empty);
    }
    if frame.len() > limits.max_bytes {
        return Err(FrameError::TooLarge { bytes: frame.len(), limit: limits.max_bytes });
    }
    if !jpeg::starts(frame) {
        return Err(FrameError::NoStartOfImage);
    }
    let whole = jpeg::up_to_last_end(frame).ok_or(FrameError::NoEndOfImage)?;
    let size = announced_size(whole).ok_or(FrameError::DamagedHeader)?;
    check_pixels(size.width.into(), size.height.into(), limits)?;
    Ok(size)
}

fn check_pixels(width: usize, height: usize, limits: FrameLimits) -> Result<(), FrameError> {
    match (width as u64).checked_mul(height as u64) {
        Some(pixels) if pixels <= limits.max_pixels => Ok(()),
        _ => Err(FrameError::TooManyPixels { width, height, limit: limits.max_pixels }),
    }
}

/// The size in the first frame header, as a decoder finds it.
fn announced_size(jpeg: &[u8]) -> Option<FrameSize> {
    let header = jpeg::segments(jpeg).find(|segment| segment.code == SOS || jpeg::is_frame_header(segment.code))?;
    if header.code == SOS {
        return None;
    }
    let number = |at: usize| header.body.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
    let (height, width) = (number(1)?, number(3)?);
    // A height of 0 is announced after the first scan (DNL); no camera does that, and it hides the size.
    (width > 0 && height > 0).then_some(FrameSize { width, height })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::frame::jpeg::{EOI, SOI};
    use crate::frame::{PixelLayout, RawPicture, Rotation};

    const LIMITS: FrameLimits = FrameLimits { max_bytes: 1 << 20, max_pixels: 640 * 480 };

    fn jpeg(width: u16, height: u16, before: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xFF, SOI];
        bytes.extend_from_slice(before);
        bytes.extend_from_slice(&[0xFF, 0xC0, 0, 17, 8]);
        bytes.extend_from_slice(&height.to_be_bytes());
        bytes.extend_from_slice(&width.to_be_bytes());
        bytes.extend_from_slice(&[3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
        bytes.extend_from_slice(&[0xFF, SOS, 0, 2, 1, 2, 3, 0xFF, EOI]);
        bytes
    }

    #[test]
    fn accepts_frames_within_the_limits() {
        let app1 = [0xFF, 0xE1, 0, 6, 0xFF, 0xC0, 1, 2];
        let fill = [0xFF, 0xFF, 0xFF, 0xFE, 0, 2];
        for before in [&[][..], &app1, &fill] {
            assert_eq!(validate(&jpeg(640, 480, before), LIMITS), Ok(FrameSize { width: 640, height: 480 }));
        }
    }

    #[test]
    fn refuses_what_is_no_whole_jpeg() {
        let whole = jpeg(64, 48, &[]);
        let cut = &whole[..whole.len() - 1];
        for (frame, expected) in [
            (&b""[..], FrameError::Empty),
            (b"\x89PNG", FrameError::NoStartOfImage),
            (b"\xFF", FrameError::NoStartOfImage),
            (b"\xFF\xD8\xFF", FrameError::NoEndOfImage),
            (b"\xFF\xD8\xD9", FrameError::NoEndOfImage),
            (cut, FrameError::NoEndOfImage),
            (b"\xFF\xD8\xFF\xD9", FrameError::DamagedHeader),
            (b"\xFF\xD8\x00\xFF\xD9", FrameError::DamagedHeader),
            (b"\xFF\xD8\xFF\xE0\xFF\xFF\xFF\xD9", FrameError::DamagedHeader),
            (b"\xFF\xD8\xFF\xE0\x00\x01\xFF\xD9", FrameError::DamagedHeader),
            (b"\xFF\xD8\xFF\xDA\x00\x02\xFF\xD9", FrameError::DamagedHeader),
            (b"\xFF\xD8\xFF\xC0\x00\x02\xFF\xD9", FrameError::DamagedHeader),
            (&jpeg(64, 0, &[]), FrameError::DamagedHeader),
        ] {
            assert_eq!(validate(frame, LIMITS), Err(expected), "{frame:?}");
        }
    }

    #[test]
    fn what_follows_the_end_is_ignored_and_stray_bytes_between_segments_too() {
        let whole = jpeg(64, 48, &[0, 7, 0xFF, 0, 9]);
        for after in [&b"\n"[..], &[0], &[0xFF], &[0; 512], b"\0\0\0\x18ftypmp42"] {
            let size = validate(&[&whole, after].concat(), LIMITS);
            assert_eq!(size, Ok(FrameSize { width: 64, height: 48 }), "{after:?}");
        }
    }

    #[test]
    fn refuses_what_is_too_large() {
        let limits = FrameLimits { max_bytes: 3, ..LIMITS };
        assert_eq!(validate(&[0; 4], limits), Err(FrameError::TooLarge { bytes: 4, limit: 3 }));
        let error = validate(&jpeg(65535, 65535, &[]), LIMITS);
        assert_eq!(error, Err(FrameError::TooManyPixels { width: 65535, height: 65535, limit: 640 * 480 }));
        assert!(validate(&jpeg(641, 480, &[]), LIMITS).is_err());
    }

    #[test]
    fn a_valid_frame_is_within_the_limits_whatever_its_picture_is() {
        let raw = |width, height| {
            let picture = RawPicture { layout: PixelLayout::Grey, width, height, stride: width, bytes: Bytes::new() };
            Frame { data: FrameData::Raw(picture), rotation: Rotation::Quarter }
        };
        let made = |frame: Frame| ValidFrame::new(frame, LIMITS).map(|frame| frame.rotation);
        assert_eq!(made(raw(640, 480)), Ok(Rotation::Quarter));
        for (width, height) in [(641, 480), (usize::MAX, 2)] {
            assert_eq!(made(raw(width, height)), Err(FrameError::TooManyPixels { width, height, limit: 640 * 480 }));
        }
        assert_eq!(made(Frame::jpeg(jpeg(64, 48, &[]).into())), Ok(Rotation::None));
        assert_eq!(made(Frame::jpeg(Bytes::from_static(b"GIF89a"))), Err(FrameError::NoStartOfImage));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let framed = [&[0xFF, SOI][..], &bytes, &[0xFF, EOI]].concat();
            let _ = validate(&bytes, LIMITS);
            let _ = validate(&framed, LIMITS);
        }
    }
}
