//! Raw pictures: from a camera's layout to RGB, with the SIMD of the `yuv` crate.
//!
//! Y'CbCr is taken as BT.601 with limited range (Y 16 to 235, Cb and Cr 16 to 240). That is what the V4L2 documentation
//! gives as default encoding and quantization for SDTV (`V4L2_COLORSPACE_SMPTE170M`), and what USB cameras deliver unless
//! they say otherwise. `GREY` is taken with its full range, 0 black and 255 white: sensors without colour use all of it.

use yuv::{
    YuvBiPlanarImage, YuvConversionMode, YuvError, YuvGrayImage, YuvPackedImage, YuvPlanarImage, YuvRange,
    YuvStandardMatrix,
};

use super::image::{DecodeError, Picture, RGB, room};
use base::frame::{PixelLayout, RawPicture};

const RANGE: YuvRange = YuvRange::Limited;
const MATRIX: YuvStandardMatrix = YuvStandardMatrix::Bt601;

/// A picture whose bytes hold all that its size asks for, in the numbers that the converters take.
struct Fitting<'a> {
    /// The first plane, or the only one: `stride × height` bytes.
    first: &'a [u8],
    /// The chroma of 4:2:0 behind it: half as many bytes.
    chroma: &'a [u8],
    stride: u32,
    width: u32,
    height: u32,
}

/// Converts a raw picture. RGB without padding stays where it is.
///
/// # Errors
/// A size, stride and bytes that do not fit together.
pub(super) fn to_rgb<'a>(raw: &'a RawPicture, pixels: &'a mut Vec<u8>) -> Result<Picture<'a>, DecodeError> {
    let RawPicture { layout, width, height, .. } = *raw;
    let fitting = Fitting::check(raw).map_err(DecodeError::Raw)?;
    let row = width * RGB;
    let rgb = if layout == PixelLayout::Rgb3 && raw.stride == row {
        fitting.first
    } else {
        let rgb = room(pixels, row * height);
        convert(layout, &fitting, rgb, fitting.width * 3).map_err(|error| DecodeError::Raw(error.to_string()))?;
        rgb
    };
    Ok(Picture { rgb, width, height, frame_size: (width, height) })
}

fn convert(layout: PixelLayout, picture: &Fitting<'_>, rgb: &mut [u8], rgb_stride: u32) -> Result<(), YuvError> {
    let Fitting { first, chroma, stride, width, height } = *picture;
    match layout {
        PixelLayout::Yuyv | PixelLayout::Uyvy => {
            let packed = YuvPackedImage { yuy: first, yuy_stride: stride, width, height };
            let convert = if layout == PixelLayout::Yuyv { yuv::yuyv422_to_rgb } else { yuv::uyvy422_to_rgb };
            convert(&packed, rgb, rgb_stride, RANGE, MATRIX)
        }
        PixelLayout::Nv12 => {
            let planes = YuvBiPlanarImage {
                y_plane: first,
                y_stride: stride,
                uv_plane: chroma,
                uv_stride: stride,
                width,
                height,
            };
            yuv::yuv_nv12_to_rgb(&planes, rgb, rgb_stride, RANGE, MATRIX, YuvConversionMode::Balanced)
        }
        PixelLayout::Yu12 => {
            let (u_plane, v_plane) = chroma.split_at(chroma.len() / 2);
            let (y_stride, u_stride, v_stride) = (stride, stride / 2, stride / 2);
            let planes =
                YuvPlanarImage { y_plane: first, y_stride, u_plane, u_stride, v_plane, v_stride, width, height };
            yuv::yuv420_to_rgb(&planes, rgb, rgb_stride, RANGE, MATRIX)
        }
        PixelLayout::Grey => {
            let plane = YuvGrayImage { y_plane: first, y_stride: stride, width, height };
            yuv::yuv400_to_rgb(&plane, rgb, rgb_stride, YuvRange::Full, MATRIX)
        }
        PixelLayout::Rgb3 => {
            for (from, to) in first.chunks_exact(stride as usize).zip(rgb.chunks_exact_mut(rgb_stride as usize)) {
                from.iter().zip(to).for_each(|(from, to)| *to = *from);
            }
            Ok(())
        }
        PixelLayout::Bgr3 => yuv::bgr_to_rgb(first, stride, rgb, rgb_stride, width, height),
    }
}

impl<'a> Fitting<'a> {
    fn check(raw: &'a RawPicture) -> Result<Fitting<'a>, String> {
        let RawPicture { layout, width, height, stride, ref bytes } = *raw;
        let what = format!("a {} picture of {width}x{height}", layout.fourcc());
        let huge = || format!("{what} is too large");
        let two_rows_share = matches!(layout, PixelLayout::Nv12 | PixelLayout::Yu12);
        let two_pixels_share = two_rows_share || matches!(layout, PixelLayout::Yuyv | PixelLayout::Uyvy);
        if width == 0 || height == 0 {
            return Err(format!("{what} has no pixels"));
        }
        if two_pixels_share && width % 2 == 1 {
            return Err(format!("{what} has an odd width, and every two pixels share their colour"));
        }
        if two_rows_share && height % 2 == 1 {
            return Err(format!("{what} has an odd height, and every two rows share their colour"));
        }
        if layout == PixelLayout::Yu12 && stride % 2 == 1 {
            return Err(format!("{what} has an odd stride of {stride}, and its colour planes have half of it"));
        }
        let row = width.checked_mul(bytes_of_first_plane(layout)).ok_or_else(huge)?;
        if stride < row {
            return Err(format!("{what} needs {row} bytes a row, and its stride is {stride}"));
        }
        let first = stride.checked_mul(height).ok_or_else(huge)?;
        let needed = if two_rows_share { first.checked_add(first / 2).ok_or_else(huge)? } else { first };
        let (Some(first), Some(chroma)) = (bytes.get(..first), bytes.get(first..needed)) else {
            let has = bytes.len();
            return Err(format!("{what} with a stride of {stride} needs {needed} bytes, and it has {has}"));
        };
        // A row of RGB has to be countable too; the whole is at most three times the bytes that are there.
        let number = |value: usize| u32::try_from(value).map_err(|_| huge());
        number(width.checked_mul(RGB).ok_or_else(huge)?)?;
        Ok(Fitting { first, chroma, stride: number(stride)?, width: number(width)?, height: number(height)? })
    }
}

/// Bytes of a pixel in the first plane, or the only one.
fn bytes_of_first_plane(layout: PixelLayout) -> usize {
    match layout {
        PixelLayout::Nv12 | PixelLayout::Yu12 | PixelLayout::Grey => 1,
        PixelLayout::Yuyv | PixelLayout::Uyvy => 2,
        PixelLayout::Rgb3 | PixelLayout::Bgr3 => RGB,
    }
}

#[cfg(test)]
#[path = "raw_tests.rs"]
mod tests;
