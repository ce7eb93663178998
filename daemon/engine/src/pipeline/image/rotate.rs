//! Turning a decoded picture by quarters.

use super::{Picture, RGB, room};
use base::frame::Rotation;

/// Rows of the source that are turned together. A column of them fits the first-level cache and its page table whatever
/// the picture's size.
const BLOCK: usize = 32;

/// The picture turned clockwise, in `turned`; the picture itself where it is not turned.
pub(super) fn rotate<'a>(picture: Picture<'a>, rotation: Rotation, turned: &'a mut Vec<u8>) -> Picture<'a> {
    let Picture { rgb, width, height, frame_size: (frame_width, frame_height) } = picture;
    if rotation == Rotation::None || rgb.is_empty() {
        return picture;
    }
    let (source, _) = rgb.as_chunks::<RGB>();
    let target = room(turned, rgb.len());
    let (pixels, _) = target.as_chunks_mut::<RGB>();
    match rotation {
        Rotation::None | Rotation::Half => pixels.iter_mut().rev().zip(source).for_each(|(to, from)| *to = *from),
        Rotation::Quarter => quarter(source, width, height, pixels),
        Rotation::ThreeQuarters => three_quarters(source, width, height, pixels),
    }
    match rotation {
        Rotation::None | Rotation::Half => Picture { rgb: target, ..picture },
        Rotation::Quarter | Rotation::ThreeQuarters => {
            Picture { rgb: target, width: height, height: width, frame_size: (frame_height, frame_width) }
        }
    }
}

/// A column, read upwards, becomes a row.
fn quarter(source: &[[u8; RGB]], width: usize, height: usize, target: &mut [[u8; RGB]]) {
    for (block_at, block) in source.chunks(width * BLOCK).enumerate() {
        let rows = block.len() / width;
        let first = height - block_at * BLOCK - rows;
        for (x, row) in target.chunks_exact_mut(height).enumerate() {
            let part = row.get_mut(first..first + rows).into_iter().flatten();
            for (to, from) in part.rev().zip(block.iter().skip(x).step_by(width)) {
                *to = *from;
            }
        }
    }
}

/// A column, read downwards, becomes a row; the last column is the first row.
fn three_quarters(source: &[[u8; RGB]], width: usize, height: usize, target: &mut [[u8; RGB]]) {
    for (block_at, block) in source.chunks(width * BLOCK).enumerate() {
        let (first, rows) = (block_at * BLOCK, block.len() / width);
        for (x, row) in target.chunks_exact_mut(height).rev().enumerate() {
            let part = row.get_mut(first..first + rows).into_iter().flatten();
            for (to, from) in part.zip(block.iter().skip(x).step_by(width)) {
                *to = *from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixel `n` is `[n, n, n]`, row by row.
    fn numbered(width: usize, height: usize) -> Vec<u8> {
        (0..width * height).flat_map(|n| [u8::try_from(n % 251).unwrap(); RGB]).collect()
    }

    fn turn(width: usize, height: usize, rotation: Rotation) -> (Vec<u8>, (usize, usize), (usize, usize)) {
        let rgb = numbered(width, height);
        let mut turned = Vec::new();
        let picture = Picture { rgb: &rgb, width, height, frame_size: (width * 8, height * 8) };
        let picture = rotate(picture, rotation, &mut turned);
        let firsts = picture.rgb.chunks_exact(RGB).map(|pixel| pixel[0]).collect();
        (firsts, (picture.width, picture.height), picture.frame_size)
    }

    #[test]
    fn turns_clockwise() {
        // 0 1 2
        // 3 4 5
        for (rotation, pixels, size) in [
            (Rotation::None, [0, 1, 2, 3, 4, 5], (3, 2)),
            (Rotation::Quarter, [3, 0, 4, 1, 5, 2], (2, 3)),
            (Rotation::Half, [5, 4, 3, 2, 1, 0], (3, 2)),
            (Rotation::ThreeQuarters, [2, 5, 1, 4, 0, 3], (2, 3)),
        ] {
            let expected = (pixels.to_vec(), size, (size.0 * 8, size.1 * 8));
            assert_eq!(turn(3, 2, rotation), expected, "{rotation:?}");
        }
    }

    #[test]
    fn every_pixel_arrives_whatever_the_size_is_to_the_block() {
        for (width, height) in [(1, 1), (1, 7), (7, 1), (5, BLOCK), (5, BLOCK + 1), (40, 2 * BLOCK - 1), (2, 3 * BLOCK)]
        {
            let source = turn(width, height, Rotation::None).0;
            let at = |x: usize, y: usize| source[y * width + x];
            let (quarter, ..) = turn(width, height, Rotation::Quarter);
            let (three_quarters, ..) = turn(width, height, Rotation::ThreeQuarters);
            for y in 0..height {
                for x in 0..width {
                    assert_eq!(quarter[x * height + (height - 1 - y)], at(x, y), "{width}x{height}: {x}, {y}");
                    assert_eq!(three_quarters[(width - 1 - x) * height + y], at(x, y), "{width}x{height}: {x}, {y}");
                }
            }
        }
    }
}
