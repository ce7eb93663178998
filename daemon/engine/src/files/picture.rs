//! Files of one picture each: JPEG and PNG.

use std::io::{BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use png::{ColorType, Decoder, Limits, Transformations};

use super::{Found, Taker, open, unreadable};
use base::frame::split::{Piece, Splitter};
use base::frame::validator::{self, FrameLimits};
use base::frame::{Frame, FrameData, PixelLayout, RawPicture, Rotation};

/// Bytes of a pixel of a frame: red, green and blue.
const RGB: usize = 3;

/// The one frame of a JPEG file: its first picture, without what stands around it.
pub(super) fn jpeg(path: &Path, limits: FrameLimits, take: &mut Taker<'_>) -> Result<(), String> {
    let mut file = open(path)?;
    let read_bytes = file.metadata().map_or(0, |about| about.len());
    let mut make = || {
        let mut bytes = Vec::new();
        file.by_ref().take(limits.max_bytes as u64 + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        jpeg_frame(bytes.into(), limits)
    };
    let _ = take(Found { read_bytes, make: &mut make });
    Ok(())
}

/// A frame of the first whole JPEG in these bytes.
pub(super) fn jpeg_frame(bytes: Bytes, limits: FrameLimits) -> Result<Frame, String> {
    if bytes.len() > limits.max_bytes {
        return Err(too_many_bytes(limits));
    }
    let mut first = None;
    let mut keep = |piece| {
        first.get_or_insert(piece);
    };
    let mut splitter = Splitter::default();
    splitter.feed(&bytes, &mut keep);
    splitter.finish(&mut keep);
    let Some(Piece::Whole(range)) = first else { return Err("the JPEG is damaged or cut off".to_owned()) };
    // Offsets within bytes that are in memory.
    #[allow(clippy::cast_possible_truncation)]
    let jpeg = bytes.slice(range.start as usize..range.end as usize);
    validator::validate(&jpeg, limits).map_err(|error| error.to_string())?;
    Ok(Frame::jpeg(jpeg))
}

pub(super) fn too_many_bytes(limits: FrameLimits) -> String {
    format!("the frame has more than {} bytes; raise stream.max_frame_size_mb", limits.max_bytes)
}

/// Refuses more pixels than the configuration allows.
pub(super) fn check_pixels(width: u64, height: u64, limits: FrameLimits) -> Result<(), String> {
    match width.checked_mul(height) {
        Some(pixels) if pixels <= limits.max_pixels => Ok(()),
        _ => Err(format!(
            "it has {width}x{height} pixels, and at most {} are taken; raise stream.max_frame_pixels",
            limits.max_pixels
        )),
    }
}

/// A frame of RGB pixels without padding.
pub(super) fn rgb_frame(rgb: Vec<u8>, width: usize, height: usize) -> Frame {
    let layout = PixelLayout::Rgb3;
    let picture = RawPicture { layout, width, height, stride: width * RGB, bytes: rgb.into() };
    Frame { data: FrameData::Raw(picture), rotation: Rotation::None }
}

/// The one frame of a PNG file. What is transparent keeps its colour.
pub(super) fn png(path: &Path, limits: FrameLimits, take: &mut Taker<'_>) -> Result<(), String> {
    let file = open(path)?;
    let read_bytes = file.metadata().map_or(0, |about| about.len());
    let mut file = Some(file);
    let mut make = || {
        let file = file.take().ok_or("is read already")?;
        if read_bytes > limits.max_bytes as u64 {
            return Err(too_many_bytes(limits));
        }
        decode_png(BufReader::new(file), limits)
    };
    let _ = take(Found { read_bytes, make: &mut make });
    Ok(())
}

fn decode_png(from: impl std::io::BufRead + std::io::Seek, limits: FrameLimits) -> Result<Frame, String> {
    let broken = |error: png::DecodingError| format!("the PNG is damaged: {error}");
    let mut decoder = Decoder::new_with_limits(from, Limits::default());
    decoder.set_transformations(Transformations::normalize_to_color8());
    let (width, height) = decoder.read_header_info().map_err(broken)?.size();
    check_pixels(width.into(), height.into(), limits)?;
    let mut reader = decoder.read_info().map_err(broken)?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("the PNG is too large")?];
    let colour = reader.next_frame(&mut pixels).map_err(broken)?.color_type;
    let rgb = match colour {
        ColorType::Rgb => pixels,
        ColorType::Rgba => pixels.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect(),
        ColorType::Grayscale => pixels.iter().flat_map(|&grey| [grey; RGB]).collect(),
        ColorType::GrayscaleAlpha => pixels.as_chunks::<2>().0.iter().flat_map(|&[grey, _]| [grey; RGB]).collect(),
        ColorType::Indexed => return Err("the PNG's palette was not applied".to_owned()),
    };
    Ok(rgb_frame(rgb, width as usize, height as usize))
}
