//! A four-cornered part of the picture, laid flat: the projective map from the unit square to four corners (Heckbert,
//! "Fundamentals of Texture Mapping and Image Warping", 1989), with bilinear samples. Outside the picture its border goes on.

use super::{Picture, RGB};
use crate::pipeline::quad::Quad;

/// Most samples on a side of a pixel. Where the source is wider or higher than the result, as many samples are averaged as it
/// has pixels there.
const MAX_DENSITY: usize = 8;

/// The part of the frame between the corners as `height × width × 3` bytes. Corners are in pixels of the frame.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped before
pub fn rectify(picture: &Picture<'_>, quad: &Quad, width: usize, height: usize) -> Vec<u8> {
    let (x_scale, y_scale) = (
        picture.width as f32 / picture.frame_size.0.max(1) as f32,
        picture.height as f32 / picture.frame_size.1.max(1) as f32,
    );
    let quad = quad.map(|[x, y]| [x * x_scale, y * y_scale]);
    let plane = Plane::of(&quad);
    let density = |source: f32, side: usize| ((source / side.max(1) as f32).ceil() as usize).clamp(1, MAX_DENSITY);
    let (source_width, source_height) = quad.size();
    let (across, down) = (density(source_width, width), density(source_height, height));
    let (columns, rows) = ((width * across) as f32, (height * down) as f32);
    let share = 1.0 / (across * down) as f32;
    let mut output = Vec::with_capacity(width * height * RGB);
    for y in 0..height {
        for x in 0..width {
            let mut sum = [0.0_f32; RGB];
            for sample in 0..across * down {
                let u = (x * across + sample % across) as f32 + 0.5;
                let v = (y * down + sample / across) as f32 + 0.5;
                let [at_x, at_y] = plane.at(u / columns, v / rows);
                add_sample(picture, at_x - 0.5, at_y - 0.5, &mut sum);
            }
            output.extend(sum.map(|channel| (channel * share + 0.5) as u8));
        }
    }
    output
}

/// Adds the four pixels about a point, each by how near it is.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to the picture; NaN becomes 0
fn add_sample(picture: &Picture<'_>, x: f32, y: f32, sum: &mut [f32; RGB]) {
    let (right, bottom) = (picture.width.saturating_sub(1), picture.height.saturating_sub(1));
    let (x, y) = (x.clamp(0.0, right as f32), y.clamp(0.0, bottom as f32));
    let (left, top) = (x as usize, y as usize);
    let (x_part, y_part) = (x - left as f32, y - top as f32);
    let (next, below) = ((left + 1).min(right), (top + 1).min(bottom));
    for (column, row, weight) in [
        (left, top, (1.0 - x_part) * (1.0 - y_part)),
        (next, top, x_part * (1.0 - y_part)),
        (left, below, (1.0 - x_part) * y_part),
        (next, below, x_part * y_part),
    ] {
        let at = (row * picture.width + column) * RGB;
        for (sum, &channel) in sum.iter_mut().zip(picture.rgb.get(at..at + RGB).unwrap_or_default()) {
            *sum += weight * f32::from(channel);
        }
    }
}

/// The map from the unit square to four corners.
struct Plane {
    x: [f32; 3],
    y: [f32; 3],
    w: [f32; 2],
}

impl Plane {
    fn of(&Quad([a, b, c, d]): &Quad) -> Plane {
        let [dx1, dy1] = [b[0] - c[0], b[1] - c[1]];
        let [dx2, dy2] = [d[0] - c[0], d[1] - c[1]];
        let [sx, sy] = [a[0] - b[0] + c[0] - d[0], a[1] - b[1] + c[1] - d[1]];
        let determinant = dx1 * dy2 - dy1 * dx2;
        // Corners on one line have no perspective.
        let (g, h) = if determinant.abs() < f32::EPSILON {
            (0.0, 0.0)
        } else {
            ((sx * dy2 - sy * dx2) / determinant, (dx1 * sy - dy1 * sx) / determinant)
        };
        Plane {
            x: [b[0] - a[0] + g * b[0], d[0] - a[0] + h * d[0], a[0]],
            y: [b[1] - a[1] + g * b[1], d[1] - a[1] + h * d[1], a[1]],
            w: [g, h],
        }
    }

    fn at(&self, u: f32, v: f32) -> [f32; 2] {
        let along = |row: &[f32; 3]| row[0] * u + row[1] * v + row[2];
        // Corners that make no convex region may come to 0 here; the sample is then somewhere on the border.
        let depth = (self.w[0] * u + self.w[1] * v + 1.0).max(1e-6);
        [along(&self.x) / depth, along(&self.y) / depth]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::detection::Bounds;

    /// Brightness grows by 10 a column and by 1 a row.
    fn ramp(width: u8, height: u8) -> Vec<u8> {
        (0..height).flat_map(|y| (0..width).flat_map(move |x| [x * 10 + y; 3])).collect()
    }

    fn picture(rgb: &[u8], width: usize, height: usize) -> Picture<'_> {
        Picture { rgb, width, height, frame_size: (width, height) }
    }

    fn grey(rgb: &[u8]) -> Vec<u8> {
        rgb.chunks_exact(3).map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn an_upright_part_of_the_same_size_is_copied() {
        let rgb = ramp(12, 6);
        let part = Quad::of_bounds(Bounds { x1: 2.0, y1: 1.0, x2: 5.0, y2: 3.0 });
        assert_eq!(grey(&rectify(&picture(&rgb, 12, 6), &part, 3, 2)), [21, 31, 41, 22, 32, 42]);
        let half = Picture { rgb: &rgb, width: 12, height: 6, frame_size: (24, 12) };
        let part = part.map(|[x, y]| [2.0 * x, 2.0 * y]);
        assert_eq!(grey(&rectify(&half, &part, 3, 2)), [21, 31, 41, 22, 32, 42], "decoded at half the size");
    }

    #[test]
    fn a_turned_part_is_laid_flat() {
        let rgb = ramp(20, 20);
        // Read downwards: columns of the result are rows of the picture.
        let part = Quad([[8.0, 2.0], [8.0, 6.0], [6.0, 6.0], [6.0, 2.0]]);
        assert_eq!(grey(&rectify(&picture(&rgb, 20, 20), &part, 4, 2)), [72, 73, 74, 75, 62, 63, 64, 65]);
    }

    #[test]
    fn a_smaller_result_averages_what_it_covers() {
        let rgb = ramp(12, 8);
        let part = Quad::of_bounds(Bounds { x1: 0.0, y1: 0.0, x2: 8.0, y2: 8.0 });
        // Columns 0 to 3 average 15, rows 0 to 3 average 1.5.
        assert_eq!(grey(&rectify(&picture(&rgb, 12, 8), &part, 2, 2)), [17, 57, 21, 61]);
    }

    #[test]
    fn each_side_averages_what_it_covers() {
        let rgb = ramp(12, 8);
        let part = Quad::of_bounds(Bounds { x1: 0.0, y1: 0.0, x2: 8.0, y2: 2.0 });
        // Squeezed in width alone: columns 0 to 3 average 15.
        assert_eq!(grey(&rectify(&picture(&rgb, 12, 8), &part, 2, 2)), [15, 55, 16, 56]);
        let lines: Vec<u8> = (0..8).flat_map(|x| [if x % 4 == 0 { 200_u8 } else { 0 }; 3]).collect();
        let part = Quad::of_bounds(Bounds { x1: 0.0, y1: 0.0, x2: 8.0, y2: 1.0 });
        assert_eq!(grey(&rectify(&picture(&lines, 8, 1), &part, 2, 1)), [50, 50], "thin strokes are not lost");
    }

    #[test]
    fn corners_of_any_kind_make_a_crop_of_the_asked_size() {
        let rgb = ramp(4, 4);
        let shapes = [
            [[-9.0, -9.0], [90.0, -9.0], [90.0, 90.0], [-9.0, 90.0]],
            [[1.0, 1.0]; 4],
            [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]],
            [[0.0, 0.0], [4.0, 4.0], [4.0, 0.0], [0.0, 4.0]],
            [[1e30, 0.0], [-1e30, 1.0], [1e30, 1e30], [0.0, -1e30]],
            [[f32::NAN; 2]; 4],
        ];
        for corners in shapes {
            assert_eq!(rectify(&picture(&rgb, 4, 4), &Quad(corners), 5, 3).len(), 45, "{corners:?}");
        }
        let one = [7_u8; 3];
        assert_eq!(rectify(&picture(&one, 1, 1), &Quad(shapes[0]), 2, 1), [7; 6]);
    }
}
