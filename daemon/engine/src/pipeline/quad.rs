//! Four-cornered regions of a frame: what a line of text is cut out by. In JSON a list of four `[x, y]`, under `polygon`.

use serde_json::Value;

use super::bounds::{Bounds, rounded};

/// The key of a detection under which its outline stands.
pub const POLYGON: &str = "polygon";

/// A point: x and y.
pub type Point = [f32; 2];

/// Four corners, clockwise as seen, from the top left in reading direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quad(pub [Point; 4]);

impl Quad {
    /// The corners of an upright box.
    pub fn of_bounds(bounds: Bounds) -> Quad {
        let Bounds { x1, y1, x2, y2 } = bounds;
        Quad([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    }

    /// A rectangle about `centre`, of a size along and across the direction in which it is read (a unit vector).
    pub fn turned(centre: Point, (along, across): (f32, f32), [dx, dy]: Point) -> Quad {
        let corner = |u: f32, v: f32| {
            let (right, down) = (u * along / 2.0, v * across / 2.0);
            [centre[0] + right * dx - down * dy, centre[1] + right * dy + down * dx]
        };
        Quad([corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)])
    }

    /// From JSON: a list of exactly four pairs of finite numbers; none for anything else.
    #[allow(clippy::cast_possible_truncation)] // pixels need no more than f32 has
    pub fn read(value: &Value) -> Option<Quad> {
        let point = |value: &Value| {
            let numbers: Vec<f32> = value.as_array()?.iter().filter_map(Value::as_f64).map(|at| at as f32).collect();
            <Point>::try_from(numbers).ok().filter(|point| point.iter().all(|at| at.is_finite()))
        };
        let corners: Vec<Point> = value.as_array()?.iter().map(point).collect::<Option<_>>()?;
        corners.try_into().ok().map(Quad)
    }

    /// As JSON, to a hundredth of a pixel.
    pub fn write(&self) -> Value {
        let pair = |point: &Point| Value::from_iter(point.iter().map(|&at| rounded(at, 2)));
        self.0.iter().map(pair).collect()
    }

    /// Each corner moved by `to`.
    #[must_use]
    pub fn map(&self, to: impl FnMut(Point) -> Point) -> Quad {
        Quad(self.0.map(to))
    }

    /// The upright box about it.
    pub fn bounds(&self) -> Bounds {
        let edge =
            |axis: fn(&Point) -> f32, pick: fn(f32, f32) -> f32, start: f32| self.0.iter().map(axis).fold(start, pick);
        Bounds {
            x1: edge(|point| point[0], f32::min, f32::INFINITY),
            y1: edge(|point| point[1], f32::min, f32::INFINITY),
            x2: edge(|point| point[0], f32::max, f32::NEG_INFINITY),
            y2: edge(|point| point[1], f32::max, f32::NEG_INFINITY),
        }
    }

    /// Its width and height, each the mean of the two opposite sides.
    pub fn size(&self) -> (f32, f32) {
        let [a, b, c, d] = self.0;
        let length = |from: Point, to: Point| distance(to[0] - from[0], to[1] - from[1]);
        (f32::midpoint(length(a, b), length(d, c)), f32::midpoint(length(a, d), length(b, c)))
    }

    /// The point amid its corners.
    pub fn centre(&self) -> Point {
        let mean = |axis: fn(&Point) -> f32| self.0.iter().map(axis).sum::<f32>() / 4.0;
        [mean(|point| point[0]), mean(|point| point[1])]
    }
}

/// How far it is from one point to another that is so far to the right and so far down. Not `f32::hypot`: that is `hypotf`
/// of the C library, which a program that is linked on glibc 2.35 or newer gets from no older one.
pub fn distance(dx: f32, dy: f32) -> f32 {
    (dx * dx + dy * dy).sqrt()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn corners_go_through_json_and_nothing_else_does() {
        let value = json!([[1.0, 2.0], [9.5, 2.25], [9.0, 7.0], [1.0, 6.0]]);
        let quad = Quad::read(&value).unwrap();
        assert_eq!(quad.write(), value);
        assert_eq!(quad.bounds(), Bounds { x1: 1.0, y1: 2.0, x2: 9.5, y2: 7.0 });
        for other in [
            json!(null),
            json!([]),
            json!([[1, 2], [3, 4], [5, 6]]),
            json!([[1, 2], [3, 4], [5, 6], [7]]),
            json!([[1, 2], [3, 4], [5, 6], [7, null]]),
            json!([[1, 2], [3, 4], [5, 6], [7, 1e300]]),
            json!([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]),
        ] {
            assert_eq!(Quad::read(&other), None, "{other}");
        }
    }

    #[test]
    fn a_turned_rectangle_keeps_its_size_and_its_centre() {
        for degrees in [-40.0_f32, -5.0, 0.0, 12.0, 45.0] {
            let (dy, dx) = degrees.to_radians().sin_cos();
            let quad = Quad::turned([50.0, 30.0], (20.0, 8.0), [dx, dy]);
            let ((width, height), [x, y]) = (quad.size(), quad.centre());
            for (found, expected) in [(width, 20.0), (height, 8.0), (x, 50.0), (y, 30.0)] {
                assert!((found - expected).abs() < 1e-3, "{degrees}: {quad:?}");
            }
            let [first, second, ..] = quad.0;
            assert!((second[1] - first[1] - 20.0 * dy).abs() < 1e-3, "{quad:?}");
        }
        let upright = Bounds { x1: 1.0, y1: 2.0, x2: 5.0, y2: 4.0 };
        assert_eq!(Quad::turned([3.0, 3.0], (4.0, 2.0), [1.0, 0.0]), Quad::of_bounds(upright));
    }
}
