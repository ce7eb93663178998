//! Zones: polygons in a frame, and which points lie in them. Pure.

use crate::pipeline::quad::distance;

/// How near to an edge a point counts as on it, in parts of the frame: less than a tenth of a pixel.
const ON_EDGE: f32 = 1e-5;
/// Most corners of a zone.
const MAX_CORNERS: usize = 256;

/// A polygon in normalised coordinates: 0 to 1 from the left, and from the top.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Zone {
    corners: Vec<[f32; 2]>,
}

impl Zone {
    /// A zone with these corners, in order around it; the last is joined to the first. Edges may cross: then the even-odd rule
    /// says what is inside.
    ///
    /// # Errors
    /// What is wrong with the corners.
    pub(super) fn new(corners: Vec<[f32; 2]>) -> Result<Zone, String> {
        if !(3..=MAX_CORNERS).contains(&corners.len()) {
            return Err(format!("{} corners; a zone has 3 to {MAX_CORNERS}", corners.len()));
        }
        if let Some([x, y]) = corners.iter().find(|corner| !corner.iter().all(|at| (0.0..=1.0).contains(at))) {
            return Err(format!("corner [{x}, {y}]: coordinates are parts of the frame, 0 to 1"));
        }
        let zone = Zone { corners };
        if zone.area() < 1e-6 {
            return Err("the corners lie on a line; a zone has an area".to_owned());
        }
        Ok(zone)
    }

    /// Whether a point lies in it; its edges belong to it.
    pub(super) fn contains(&self, x: f32, y: f32) -> bool {
        // A ray to the right crosses the outline an odd number of times (Shimrat, 1962).
        let mut inside = false;
        for ([x1, y1], [x2, y2]) in self.edges() {
            if is_on(x, y, [x1, y1], [x2, y2]) {
                return true;
            }
            if (y1 > y) != (y2 > y) && x < (x2 - x1) * (y - y1) / (y2 - y1) + x1 {
                inside = !inside;
            }
        }
        inside
    }

    fn edges(&self) -> impl Iterator<Item = ([f32; 2], [f32; 2])> {
        self.corners.iter().copied().zip(self.corners.iter().copied().cycle().skip(1))
    }

    /// The area of the triangles that its corners make: 0 only where all lie on one line.
    fn area(&self) -> f32 {
        let Some((&[x0, y0], rest)) = self.corners.split_first() else { return 0.0 };
        let twice = |pair: &[[f32; 2]]| match *pair {
            [[x1, y1], [x2, y2]] => ((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)).abs(),
            _ => 0.0,
        };
        rest.windows(2).map(twice).sum::<f32>() / 2.0
    }
}

/// Whether a point lies on the line from one corner to the next.
fn is_on(x: f32, y: f32, [x1, y1]: [f32; 2], [x2, y2]: [f32; 2]) -> bool {
    let (dx, dy) = (x2 - x1, y2 - y1);
    let length = distance(dx, dy);
    if length < ON_EDGE {
        return distance(x - x1, y - y1) < ON_EDGE;
    }
    let (along, aside) = (((x - x1) * dx + (y - y1) * dy) / length, ((x - x1) * dy - (y - y1) * dx) / length);
    aside.abs() < ON_EDGE && (-ON_EDGE..=length + ON_EDGE).contains(&along)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(corners: &[[f32; 2]]) -> Zone {
        Zone::new(corners.to_vec()).unwrap()
    }

    #[test]
    fn a_hollow_is_outside_and_an_edge_inside() {
        // A U: two towers with a gap between.
        let hollow =
            zone(&[[0.0, 0.0], [0.3, 0.0], [0.3, 0.6], [0.7, 0.6], [0.7, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]);
        for ((x, y), inside) in [
            ((0.1, 0.1), true),
            ((0.5, 0.3), false),
            ((0.5, 0.8), true),
            ((0.9, 0.1), true),
            ((0.5, 1.0), true),
            ((1.0, 1.0), true),
            ((0.0, 0.5), true),
            ((0.3, 0.3), true),
            ((0.5, 0.6), true),
            ((0.31, 0.3), false),
            ((0.5, 1.01), false),
            ((-0.01, 0.5), false),
            ((f32::NAN, 0.5), false),
        ] {
            assert_eq!(hollow.contains(x, y), inside, "{x} {y}");
        }
    }

    #[test]
    fn says_what_is_no_zone() {
        for (corners, says) in [
            (vec![], "0 corners"),
            (vec![[0.0, 0.0], [1.0, 1.0]], "2 corners"),
            (vec![[0.5, 0.5]; 300], "300 corners"),
            (vec![[0.0, 0.0], [640.0, 0.0], [0.0, 480.0]], "corner [640, 0]"),
            (vec![[0.0, 0.0], [1.0, -0.1], [0.0, 1.0]], "corner [1, -0.1]"),
            (vec![[0.0, 0.0], [f32::NAN, 0.0], [0.0, 1.0]], "corner [NaN, 0]"),
            (vec![[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]], "on a line"),
        ] {
            let error = Zone::new(corners).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_triangle_contains_what_its_half_planes_do(
            corners in proptest::array::uniform3(proptest::array::uniform2(0_f32..1.0)),
            point in proptest::array::uniform2(0_f32..1.0),
        ) {
            let Ok(triangle) = Zone::new(corners.to_vec()) else { return Ok(()) };
            let side = |a: [f32; 2], b: [f32; 2]| {
                (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])
            };
            let sides = [side(corners[0], corners[1]), side(corners[1], corners[2]), side(corners[2], corners[0])];
            // Nearer to an edge than that, the two may differ.
            prop_assume!(sides.iter().all(|side| side.abs() > 1e-3));
            let inside = sides.iter().all(|&side| side > 0.0) || sides.iter().all(|&side| side < 0.0);
            prop_assert_eq!(triangle.contains(point[0], point[1]), inside);
        }
    }
}
