//! Scaling a picture, or a part of it, to the size that a module wants.

use std::fmt;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::{KEPT_BYTES, Picture, RGB, bilinear, room};
use crate::pipeline::detection::Bounds;

/// Scales pictures, reusing its buffers and filters. There is one of each, whatever sizes are asked for: frames' sizes are their
/// senders' choice.
#[derive(Default)]
pub struct Scaler {
    resizer: Resizer,
    output: Vec<u8>,
    part: Vec<u8>,
}

/// Where a frame lies in a letterboxed picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Pixels of the letterboxed picture for each of the frame's.
    scale: f32,
    /// Pixels left of the frame.
    left: f32,
    /// Pixels above the frame.
    top: f32,
}

impl Placement {
    /// Where a point of the letterboxed picture is in the frame.
    pub fn to_frame(&self, x: f32, y: f32) -> (f32, f32) {
        ((x - self.left) / self.scale, (y - self.top) / self.scale)
    }

    /// Where a box of the letterboxed picture is in the frame.
    pub fn bounds_to_frame(&self, bounds: Bounds) -> Bounds {
        let ((x1, y1), (x2, y2)) = (self.to_frame(bounds.x1, bounds.y1), self.to_frame(bounds.x2, bounds.y2));
        Bounds { x1, y1, x2, y2 }
    }
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
        let source = source(picture.rgb, picture.width, picture.height)?;
        let output = room(&mut self.output, width * height * RGB);
        resize(&mut self.resizer, &source, output, (width, height), ResizeAlg::Convolution(FilterType::Bilinear))?;
        Ok(output)
    }

    /// The picture scaled to fit into `width × height`, in the middle, with `fill` around it. The scale is kept, and the
    /// filter is OpenCV's `INTER_LINEAR`: two by two source pixels, however much smaller the result is, as
    /// ultralytics' `LetterBox` has it; to the bit, so that its numbers are ours.
    ///
    /// # Errors
    /// Only for sizes that make no picture (a width or height of 0).
    pub fn letterbox(
        &mut self,
        picture: &Picture<'_>,
        width: usize,
        height: usize,
        fill: u8,
    ) -> Result<(&[u8], Placement), String> {
        // Sides are far below the 16 million that f32 counts exactly.
        let ratio = |room: usize, side: usize| room as f64 / side.max(1) as f64;
        let (frame_width, frame_height) = picture.frame_size;
        let scale = ratio(width, frame_width).min(ratio(height, frame_height));
        let inner = |side: usize, room: usize| ((side as f64 * scale).round_ties_even() as usize).clamp(1, room.max(1));
        let (inner_width, inner_height) = (inner(frame_width, width), inner(frame_height, height));
        // Half of what is left over; an odd pixel goes to the right and below.
        let before =
            |room: usize, inner: usize| ((room.saturating_sub(inner)) as f64 / 2.0 - 0.1).round().max(0.0) as usize;
        let (left, top) = (before(width, inner_width), before(height, inner_height));
        let scaled: &[u8] = if (picture.width, picture.height) == (inner_width, inner_height) {
            picture.rgb
        } else {
            let part = room(&mut self.part, inner_width * inner_height * RGB);
            let (from, to) = ((picture.width, picture.height), (inner_width, inner_height));
            bilinear::scale(picture.rgb, from, part, to);
            part
        };
        let output = room(&mut self.output, width * height * RGB);
        output.fill(fill);
        let rows = output.chunks_exact_mut((width * RGB).max(1)).skip(top);
        for (row, line) in rows.zip(scaled.chunks_exact(inner_width * RGB)) {
            if let Some(middle) = row.get_mut(left * RGB..(left + inner_width) * RGB) {
                middle.copy_from_slice(line);
            }
        }
        Ok((output, Placement { scale: scale as f32, left: left as f32, top: top as f32 }))
    }

    /// A part of the frame, stretched to `width × height` (triangle filter over the part alone); none where `bounds`
    /// covers no pixel of the frame.
    ///
    /// # Errors
    /// Only for sizes that make no picture (a width or height of 0).
    pub fn crop(
        &mut self,
        picture: &Picture<'_>,
        bounds: Bounds,
        width: usize,
        height: usize,
    ) -> Result<Option<&[u8]>, String> {
        let Some([left, top, right, bottom]) = pixels_of(picture, bounds) else { return Ok(None) };
        let line = (right - left) * RGB;
        let part = room(&mut self.part, line * (bottom - top));
        let rows = picture.rgb.chunks_exact(picture.width * RGB).take(bottom).skip(top);
        for (to, row) in part.chunks_exact_mut(line).zip(rows) {
            to.copy_from_slice(row.get(left * RGB..right * RGB).unwrap_or_default());
        }
        let source = source(part, right - left, bottom - top)?;
        let output = room(&mut self.output, width * height * RGB);
        resize(&mut self.resizer, &source, output, (width, height), ResizeAlg::Convolution(FilterType::Bilinear))?;
        Ok(Some(output))
    }
}

/// The whole pixels of the picture that a box in the frame covers: left, top, right, bottom, the last two beyond it.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clipped to the picture before
fn pixels_of(picture: &Picture<'_>, bounds: Bounds) -> Option<[usize; 4]> {
    if !bounds.is_finite() {
        return None;
    }
    let (x_scale, y_scale) = (
        picture.width as f32 / picture.frame_size.0.max(1) as f32,
        picture.height as f32 / picture.frame_size.1.max(1) as f32,
    );
    let clipped = bounds.clipped(picture.frame_size);
    let edges = [
        (clipped.x1 * x_scale).floor() as usize,
        (clipped.y1 * y_scale).floor() as usize,
        ((clipped.x2 * x_scale).ceil() as usize).min(picture.width),
        ((clipped.y2 * y_scale).ceil() as usize).min(picture.height),
    ];
    let [left, top, right, bottom] = edges;
    (clipped.area() > 0.0 && left < right && top < bottom).then_some(edges)
}

fn side(pixels: usize) -> Result<u32, String> {
    u32::try_from(pixels).map_err(|error| error.to_string())
}

fn source(rgb: &[u8], width: usize, height: usize) -> Result<ImageRef<'_>, String> {
    ImageRef::new(side(width)?, side(height)?, rgb, PixelType::U8x3).map_err(|error| error.to_string())
}

fn resize(
    resizer: &mut Resizer,
    source: &ImageRef<'_>,
    output: &mut [u8],
    (width, height): (usize, usize),
    algorithm: ResizeAlg,
) -> Result<(), String> {
    let mut target = Image::from_slice_u8(side(width)?, side(height)?, output, PixelType::U8x3)
        .map_err(|error| error.to_string())?;
    let options = ResizeOptions::new().resize_alg(algorithm);
    resizer.resize(source, &mut target, &options).map_err(|error| error.to_string())?;
    if resizer.size_of_internal_buffers() > KEPT_BYTES {
        resizer.reset_internal_buffers();
    }
    Ok(())
}

impl fmt::Debug for Scaler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scaler")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(rgb: &[u8], width: usize, height: usize) -> Picture<'_> {
        Picture { rgb, width, height, frame_size: (width, height) }
    }

    #[test]
    fn stretches_to_any_size() {
        let rgb: Vec<u8> = [[0_u8; 3], [200; 3]].iter().cycle().take(8).flatten().copied().collect();
        let picture = picture(&rgb, 4, 2);
        let mut scaler = Scaler::default();
        assert_eq!(scaler.stretch(&picture, 4, 2).unwrap(), rgb);
        let small = scaler.stretch(&picture, 1, 1).unwrap();
        assert!(small.iter().all(|&value| (90..=110).contains(&value)), "{small:?}");
        assert!(scaler.stretch(&picture, 9, 7).is_ok());
    }

    #[test]
    fn a_letterbox_keeps_the_scale_and_the_middle() {
        let rgb = vec![200; 40 * 10 * 3];
        let mut scaler = Scaler::default();
        let (boxed, placement) = scaler.letterbox(&picture(&rgb, 40, 10), 20, 20, 114).unwrap();
        // 20 x 5 in the middle of 20 x 20: 7 rows above, 8 below.
        let rows: Vec<u8> = boxed.chunks_exact(20 * 3).map(|row| row[30]).collect();
        assert_eq!(rows.iter().position(|&value| value == 200), Some(7));
        assert_eq!(rows.iter().filter(|&&value| value == 200).count(), 5);
        assert!(rows.iter().all(|value| [114, 200].contains(value)));
        assert_eq!(placement.to_frame(10.0, 7.0), (20.0, 0.0));
        assert_eq!(placement.to_frame(20.0, 12.0), (40.0, 10.0));
    }

    #[test]
    fn a_letterbox_of_extreme_pictures_has_its_size() {
        let mut scaler = Scaler::default();
        for (width, height) in [(1, 1), (4000, 1), (1, 3000), (640, 480)] {
            let rgb = vec![9; width * height * 3];
            let (boxed, placement) = scaler.letterbox(&picture(&rgb, width, height), 320, 320, 114).unwrap();
            assert_eq!(boxed.len(), 320 * 320 * 3);
            let (x, y) = placement.to_frame(160.0, 160.0);
            // The middle, but for a pixel and a half of the letterbox: a side of less than a pixel still has one.
            let off = |at: f32, side: usize| (at - side as f32 / 2.0).abs() * 320.0 / width.max(height) as f32;
            assert!(off(x, width) <= 1.5 && off(y, height) <= 1.5, "{width}x{height}: {x} {y}");
        }
    }

    #[test]
    fn many_sizes_take_the_memory_of_one() {
        let rgb = vec![9; 64 * 64 * 3];
        let mut scaler = Scaler::default();
        let bounds = Bounds { x1: 0.0, y1: 0.0, x2: 50.0, y2: 60.0 };
        for side in (1..=60).rev() {
            scaler.stretch(&picture(&rgb, 64, 64), side, 60).unwrap();
            scaler.letterbox(&picture(&rgb, 64, 64), 60, side, 114).unwrap();
            scaler.crop(&picture(&rgb, 64, 64), bounds, side, side).unwrap();
        }
        assert!(scaler.output.capacity() <= 60 * 60 * 3, "{}", scaler.output.capacity());
    }

    #[test]
    fn the_memory_of_one_huge_crop_is_given_back() {
        let rgb = vec![9; 8 * 4 * 3];
        let mut scaler = Scaler { part: vec![0; KEPT_BYTES + 1], ..Scaler::default() };
        let bounds = Bounds { x1: 0.0, y1: 0.0, x2: 4.0, y2: 4.0 };
        assert_eq!(scaler.crop(&picture(&rgb, 8, 4), bounds, 2, 2).unwrap().unwrap(), [9; 12]);
        assert!(scaler.part.capacity() < KEPT_BYTES);
    }

    #[test]
    fn a_crop_is_the_part_that_lies_in_the_frame() {
        // Columns 0 to 7, each of its own brightness.
        let rgb: Vec<u8> = (0..4).flat_map(|_| (0..8_u8).flat_map(|x| [x * 10; 3])).collect();
        let mut scaler = Scaler::default();
        let bounds = |x1, x2| Bounds { x1, y1: 1.0, x2, y2: 3.0 };
        let mut crop = |bounds| scaler.crop(&picture(&rgb, 8, 4), bounds, 2, 2).unwrap().map(<[u8]>::to_vec);
        assert_eq!(crop(bounds(2.0, 4.0)).unwrap(), [20, 20, 20, 30, 30, 30].repeat(2));
        assert_eq!(crop(bounds(6.0, 99.0)).unwrap(), [60, 60, 60, 70, 70, 70].repeat(2), "at the border");
        for nothing in [bounds(9.0, 12.0), bounds(4.0, 4.0), bounds(5.0, 2.0), bounds(f32::NAN, 4.0), bounds(-9.0, 0.0)]
        {
            assert_eq!(crop(nothing), None, "{nothing:?}");
        }
        // Decoded at half the frame's size.
        let half = Picture { rgb: &rgb, width: 8, height: 4, frame_size: (16, 8) };
        let bounds = Bounds { x1: 4.0, y1: 2.0, x2: 8.0, y2: 6.0 };
        assert_eq!(scaler.crop(&half, bounds, 2, 2).unwrap().unwrap(), [20, 20, 20, 30, 30, 30].repeat(2));
    }
}
