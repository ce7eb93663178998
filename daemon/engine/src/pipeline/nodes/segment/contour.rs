//! The outlines of a mask, as polygons: along the edges of its pixels, then with the corners that matter.

use crate::pipeline::quad::distance as apart;

/// A ring of corners, closed without the first one again. Outer rings and holes turn in opposite directions.
pub(super) type Ring = Vec<(f32, f32)>;

/// A mask of 0 and 1, row by row.
#[derive(Debug)]
pub(super) struct Mask {
    pub width: usize,
    pub height: usize,
    pub inside: Vec<bool>,
}

/// Directions of an edge, clockwise: right, down, left, up. What is inside lies to the right of it.
const STEPS: [(i64, i64); 4] = [(1, 0), (0, 1), (-1, 0), (0, -1)];

impl Mask {
    fn at(&self, x: i64, y: i64) -> bool {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return false };
        x < self.width && self.inside.get(y * self.width + x).copied().unwrap_or(false)
    }

    /// Every border of the mask: outer ones and those of holes. Pixels that touch at a corner only are apart.
    pub(super) fn rings(&self) -> Vec<Ring> {
        let mut walked = vec![false; self.inside.len()];
        let mut rings = Vec::new();
        for y in 0..side(self.height) {
            for x in 0..side(self.width) {
                // Each ring has an edge that goes right, above a pixel of the mask.
                if self.at(x, y) && !self.at(x, y - 1) && !self.was_walked(&walked, x, y) {
                    rings.push(self.walk(x, y, &mut walked));
                }
            }
        }
        rings
    }

    fn was_walked(&self, walked: &[bool], x: i64, y: i64) -> bool {
        self.place(x, y).and_then(|at| walked.get(at)).copied().unwrap_or(true)
    }

    fn place(&self, x: i64, y: i64) -> Option<usize> {
        Some(usize::try_from(y).ok()? * self.width + usize::try_from(x).ok()?)
    }

    /// Walks along one border, from the upper left corner of a pixel to the right until it is there again.
    fn walk(&self, from_x: i64, from_y: i64, walked: &mut [bool]) -> Ring {
        let (mut x, mut y, mut direction) = (from_x, from_y, 0_usize);
        let mut ring = Ring::new();
        loop {
            if direction == 0
                && let Some(edge) = self.place(x, y).and_then(|at| walked.get_mut(at))
            {
                *edge = true;
            }
            let (dx, dy) = STEPS.get(direction).copied().unwrap_or_default();
            (x, y) = (x + dx, y + dy);
            // The pixels ahead, to the right and to the left of the way.
            let (right, left) = match direction {
                0 => (self.at(x, y), self.at(x, y - 1)),
                1 => (self.at(x - 1, y), self.at(x, y)),
                2 => (self.at(x - 1, y - 1), self.at(x - 1, y)),
                _ => (self.at(x, y - 1), self.at(x - 1, y - 1)),
            };
            let turned = match (right, left) {
                (false, _) => (direction + 1) % 4,
                (true, true) => (direction + 3) % 4,
                (true, false) => direction,
            };
            if turned != direction {
                // Sides are far below the 16 million that f32 counts exactly.
                ring.push((x as f32, y as f32));
            }
            direction = turned;
            if (x, y, direction) == (from_x, from_y, 0) {
                return ring;
            }
        }
    }
}

fn side(pixels: usize) -> i64 {
    i64::try_from(pixels).unwrap_or(0)
}

/// The area that a ring encloses; negative for a hole. Products of places have twice the digits of a place.
pub(super) fn area(ring: &[(f32, f32)]) -> f64 {
    let wide = ring.iter().map(|&(x, y)| (f64::from(x), f64::from(y)));
    let next = wide.clone().cycle().skip(1);
    wide.zip(next).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum::<f64>() / 2.0
}

/// Leaves out corners from which the ring is nowhere farther than `tolerance` away (Douglas and Peucker).
pub(super) fn simplify(ring: &[(f32, f32)], tolerance: f32) -> Ring {
    let Some(&first) = ring.first() else { return Ring::new() };
    // A ring has no ends: it is cut at its first corner and at the one farthest from there.
    let away = |at: &(f32, f32)| (at.0 - first.0).powi(2) + (at.1 - first.1).powi(2);
    let far = (0..ring.len())
        .max_by(|&a, &b| ring.get(a).map(away).unwrap_or(0.0).total_cmp(&ring.get(b).map(away).unwrap_or(0.0)));
    let far = far.unwrap_or(0);
    let closed: Ring = ring.iter().copied().chain([first]).collect();
    let mut kept = vec![false; closed.len()];
    for end in [0, far, ring.len()] {
        if let Some(kept) = kept.get_mut(end) {
            *kept = true;
        }
    }
    let mut open = vec![(0, far), (far, ring.len())];
    while let Some((from, to)) = open.pop() {
        let (Some(&start), Some(&end)) = (closed.get(from), closed.get(to)) else { continue };
        let between = (from + 1..to).filter_map(|at| Some((at, distance(*closed.get(at)?, start, end))));
        if let Some((at, most)) = between.max_by(|a, b| a.1.total_cmp(&b.1))
            && most > tolerance
        {
            if let Some(kept) = kept.get_mut(at) {
                *kept = true;
            }
            open.extend([(from, at), (at, to)]);
        }
    }
    ring.iter().zip(kept).filter(|(_, kept)| *kept).map(|(&corner, _)| corner).collect()
}

/// From a point to the line through two others; to the first where they are one.
fn distance(point: (f32, f32), start: (f32, f32), end: (f32, f32)) -> f32 {
    let (dx, dy) = (end.0 - start.0, end.1 - start.1);
    let (px, py) = (point.0 - start.0, point.1 - start.1);
    let length = apart(dx, dy);
    if length == 0.0 { apart(px, py) } else { (dx * py - dy * px).abs() / length }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        let inside = rows.iter().flat_map(|row| row.chars().map(|pixel| pixel == '#')).collect();
        Mask { width: rows.first().map_or(0, |row| row.len()), height: rows.len(), inside }
    }

    #[test]
    fn a_square_has_four_corners_and_a_hole_turns_the_other_way() {
        assert_eq!(mask(&["....", ".##.", ".##."]).rings(), [[(3.0, 1.0), (3.0, 3.0), (1.0, 3.0), (1.0, 1.0)]]);
        let rings = mask(&["###", "#.#", "###"]).rings();
        let areas: Vec<f64> = rings.iter().map(|ring| area(ring)).collect();
        assert_eq!(areas, [9.0, -1.0]);
        assert_eq!(mask(&["#.", ".#"]).rings().len(), 2, "corners do not join");
        assert!(mask(&["..", ".."]).rings().is_empty() && mask(&[]).rings().is_empty());
    }

    #[test]
    fn the_area_of_a_small_ring_far_out_is_exact() {
        let square = |side: f32| {
            [(8000.0, 8000.0), (8000.0 + side, 8000.0), (8000.0 + side, 8000.0 + side), (8000.0, 8000.0 + side)]
        };
        assert_eq!([0.5, 3.0, 5.0].map(|side| area(&square(side))), [0.25, 9.0, 25.0]);
        assert_eq!(area(&[(0.0, 0.0), (8191.0, 0.0), (8191.0, 8191.0), (0.0, 8191.0)]), 67_092_481.0);
    }

    #[test]
    fn corners_that_matter_stay() {
        let stairs: Ring = vec![(0.0, 0.0), (10.0, 0.0), (10.0, 1.0), (20.0, 1.0), (20.0, 10.0), (0.0, 10.0)];
        assert_eq!(simplify(&stairs, 0.1), stairs);
        assert_eq!(simplify(&stairs, 1.5), [(0.0, 0.0), (20.0, 1.0), (20.0, 10.0), (0.0, 10.0)]);
        assert_eq!(simplify(&[], 1.0), []);
        assert_eq!(simplify(&[(1.0, 1.0)], 1.0), [(1.0, 1.0)]);
    }

    proptest! {
        #[test]
        fn rings_enclose_as_much_as_there_are_pixels(width in 1_usize..12, inside in proptest::collection::vec(any::<bool>(), 0..120)) {
            let height = inside.len() / width;
            let inside: Vec<bool> = inside.into_iter().take(width * height).collect();
            let pixels = inside.iter().filter(|inside| **inside).count();
            let rings = Mask { width, height, inside }.rings();
            prop_assert_eq!(rings.iter().map(|ring| area(ring)).sum::<f64>(), pixels as f64);
            for ring in &rings {
                prop_assert!(ring.len() >= 4 && simplify(ring, 0.5).len() <= ring.len());
            }
        }
    }
}
