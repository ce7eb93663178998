//! The smallest rectangle about points. It has a side along one of the convex hull's (H. Freeman and R. Shapira, 1975), so
//! every side of the hull is tried. Pure.

use crate::pipeline::quad::{Point, Quad, distance};

/// An upright rectangle is taken where the smallest is not smaller than this part of it: the direction of a blob that is as
/// good as upright is noise.
const UPRIGHT: f32 = 0.9;

/// A rectangle: its middle, its size along and across the direction in which it is read, and that direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rectangle {
    pub centre: Point,
    pub size: (f32, f32),
    /// A unit vector within 45° of the x axis.
    pub direction: Point,
}

impl Rectangle {
    /// The smallest one about the points; none without points.
    pub(super) fn about(points: &[Point]) -> Option<Rectangle> {
        let hull = convex_hull(points);
        let upright = spanned(&hull, [1.0, 0.0])?;
        let area = |rectangle: &Rectangle| rectangle.size.0 * rectangle.size.1;
        let next = hull.iter().skip(1).chain(hull.first());
        let turned = hull.iter().zip(next).filter_map(|(from, to)| spanned(&hull, reading_direction(*from, *to)?));
        let smallest = turned.min_by(|a, b| area(a).total_cmp(&area(b)));
        Some(smallest.filter(|smallest| area(smallest) < UPRIGHT * area(&upright)).unwrap_or(upright))
    }

    /// The same with this much more on every side.
    pub(super) fn grown(self, by: f32) -> Rectangle {
        Rectangle { size: (self.size.0 + 2.0 * by, self.size.1 + 2.0 * by), ..self }
    }

    /// Its corners, from the top left in reading direction.
    pub(super) fn corners(&self) -> Quad {
        Quad::turned(self.centre, self.size, self.direction)
    }
}

/// The direction of a side or of the side across it: whichever is within 45° of the x axis, to the right.
fn reading_direction(from: Point, to: Point) -> Option<Point> {
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let length = distance(dx, dy);
    let (dx, dy) = if dx.abs() >= dy.abs() { (dx, dy) } else { (dy, -dx) };
    let sign = if dx < 0.0 { -1.0 } else { 1.0 };
    (length > 0.0).then(|| [sign * dx / length, sign * dy / length])
}

/// The rectangle of this direction about the points.
fn spanned(points: &[Point], [dx, dy]: Point) -> Option<Rectangle> {
    let span = |axis: [f32; 2]| {
        points.iter().map(|point| point[0] * axis[0] + point[1] * axis[1]).fold(None, |span, at| {
            let (low, high) = span.unwrap_or((at, at));
            Some((f32::min(low, at), f32::max(high, at)))
        })
    };
    let (left, right) = span([dx, dy])?;
    let (top, bottom) = span([-dy, dx])?;
    let (along, across) = (f32::midpoint(left, right), f32::midpoint(top, bottom));
    Some(Rectangle {
        centre: [along * dx - across * dy, along * dy + across * dx],
        size: (right - left, bottom - top),
        direction: [dx, dy],
    })
}

/// The convex hull, by Andrew's monotone chain (1979).
fn convex_hull(points: &[Point]) -> Vec<Point> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    sorted.dedup();
    if sorted.len() < 3 {
        return sorted;
    }
    let mut hull = half_hull(sorted.iter());
    hull.extend(half_hull(sorted.iter().rev()));
    hull
}

/// The hull on one side, without its last point, which begins the other side.
fn half_hull<'a>(points: impl Iterator<Item = &'a Point>) -> Vec<Point> {
    let mut chain: Vec<Point> = Vec::new();
    for &point in points {
        while let [.., a, b] = chain[..] {
            if (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]) > 0.0 {
                break;
            }
            chain.pop();
        }
        chain.push(point);
    }
    chain.pop();
    chain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(a: f32, b: f32) -> bool {
        (a - b).abs() < 1e-2
    }

    #[test]
    fn a_turned_rectangle_is_found_again() {
        for degrees in [-44.0_f32, -15.0, -3.0, 0.0, 7.0, 15.0, 40.0] {
            let (dy, dx) = degrees.to_radians().sin_cos();
            for size in [(80.0, 10.0), (30.0, 28.0), (9.0, 40.0)] {
                let placed = Rectangle { centre: [100.0, 60.0], size, direction: [dx, dy] };
                let found = Rectangle::about(&placed.corners().0).unwrap();
                let upright = found.direction == [1.0, 0.0];
                let same = close(found.size.0, size.0) && close(found.size.1, size.1) && close(found.direction[1], dy);
                assert!(same || (upright && degrees.abs() < 5.0), "{degrees} {size:?}: {found:?}");
                assert!(close(found.centre[0], 100.0) && close(found.centre[1], 60.0), "{found:?}");
            }
        }
    }

    #[test]
    fn what_is_nearly_upright_is_upright() {
        let blob = [[0.0, 0.0], [10.0, 0.3], [10.0, 8.0], [0.2, 8.0]];
        assert_eq!(Rectangle::about(&blob).unwrap().direction, [1.0, 0.0]);
    }

    #[test]
    fn few_points_have_a_rectangle_too() {
        assert_eq!(Rectangle::about(&[]), None);
        assert_eq!(Rectangle::about(&[[3.0, 4.0]; 5]).unwrap().size, (0.0, 0.0));
        let line = Rectangle::about(&[[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]).unwrap();
        assert!(close(line.size.0.max(line.size.1), 10.0), "{line:?}");
        assert_eq!(Rectangle::about(&[[1.0, 1.0], [3.0, 2.0]]).unwrap().grown(1.0).size.0.floor(), 4.0);
    }

    proptest! {
        #[test]
        fn it_holds_all_points_and_is_not_larger_than_the_upright_one(
            points in proptest::collection::vec([0.0_f32..100.0, 0.0_f32..100.0], 1..40)
        ) {
            let found = Rectangle::about(&points).unwrap();
            let [dx, dy] = found.direction;
            prop_assert!(dx >= dy.abs() - 1e-5, "{found:?}");
            for [x, y] in &points {
                let (u, v) = (x - found.centre[0], y - found.centre[1]);
                prop_assert!((u * dx + v * dy).abs() <= found.size.0 / 2.0 + 0.01);
                prop_assert!((v * dx - u * dy).abs() <= found.size.1 / 2.0 + 0.01);
            }
            let upright = spanned(&points, [1.0, 0.0]).unwrap();
            prop_assert!(found.size.0 * found.size.1 <= upright.size.0 * upright.size.1 + 0.01);
        }
    }
}
