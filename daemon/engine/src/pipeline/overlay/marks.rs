//! What is drawn for each detection, from the result's JSON. Pure.

use std::fmt::Write;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::Point;
use serde_json::{Map, Value};

use super::panel::{number, one_line};

/// Detections that are drawn; more could not be told apart.
const MAX_MARKS: usize = 500;
/// Corners of polygons that are drawn in all.
const MAX_CORNERS: usize = 4000;
/// Longest label, in characters.
const MAX_LABEL: usize = 48;
/// Coordinates beyond this, in pixels, are taken as this: products of larger ones leave the range in which an f64 is exact
/// enough to clip by.
const FAR: f64 = 1e6;
/// Colours that are told apart on most pictures.
const PALETTE: [Rgb888; 10] = [
    Rgb888::new(66, 214, 60),
    Rgb888::new(255, 112, 31),
    Rgb888::new(58, 151, 255),
    Rgb888::new(255, 56, 100),
    Rgb888::new(255, 214, 10),
    Rgb888::new(190, 88, 255),
    Rgb888::new(0, 224, 208),
    Rgb888::new(255, 148, 214),
    Rgb888::new(170, 196, 40),
    Rgb888::new(150, 120, 90),
];

/// One detection, clipped to the picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    /// The same for every detection of a class.
    pub(super) colour: Rgb888,
    /// Upper left and lower right pixel of its box.
    pub(super) corners: Option<(Point, Point)>,
    /// Edges of its polygons.
    pub(super) edges: Vec<(Point, Point)>,
    /// Where its label belongs.
    pub(super) anchor: Point,
    pub(super) label: String,
}

/// From the frame's pixels to the picture's.
#[derive(Clone, Copy)]
struct View {
    scale: (f64, f64),
    /// The last pixel of a row and the last row.
    last: (f64, f64),
}

/// The marks of a result on a picture of this size that is not empty.
pub(super) fn marks(result: &Value, size: (usize, usize), scale: (f64, f64)) -> Vec<Mark> {
    let view = View { scale, last: (size.0 as f64 - 1.0, size.1 as f64 - 1.0) };
    let detections = result.get("detections").and_then(Value::as_array).into_iter().flatten();
    let mut corners_left = MAX_CORNERS;
    detections.take(MAX_MARKS).filter_map(|detection| mark(detection.as_object()?, view, &mut corners_left)).collect()
}

fn mark(detection: &Map<String, Value>, view: View, corners_left: &mut usize) -> Option<Mark> {
    let corners = detection.get("box").and_then(|corners| view.corners(corners));
    // One outline under `polygon`, several under `polygons`.
    let several = detection.get("polygons").and_then(Value::as_array).into_iter().flatten().take(MAX_CORNERS);
    let mut edges = Vec::new();
    for polygon in detection.get("polygon").into_iter().chain(several).filter_map(Value::as_array) {
        if polygon.len() <= *corners_left {
            *corners_left -= polygon.len();
            edges.extend(view.edges(polygon));
        }
    }
    let anchor = corners.map(|(from, _)| from).or_else(|| edges.first().map(|&(from, _)| from))?;
    Some(Mark { colour: colour(detection), corners, edges, anchor, label: label(detection) })
}

impl View {
    /// A point of the frame on the picture; none where it is no pair of finite numbers.
    fn point(self, x: &Value, y: &Value) -> Option<(f64, f64)> {
        let (x, y) = (x.as_f64()? * self.scale.0, y.as_f64()? * self.scale.1);
        (x.is_finite() && y.is_finite()).then(|| (x.clamp(-FAR, FAR), y.clamp(-FAR, FAR)))
    }

    /// The corners of a box, in order, moved to the picture's edge where they lie outside. None for a box that is wholly
    /// outside.
    fn corners(self, corners: &Value) -> Option<(Point, Point)> {
        let [x1, y1, x2, y2] = corners.as_array()?.as_slice() else { return None };
        let ((x1, y1), (x2, y2)) = (self.point(x1, y1)?, self.point(x2, y2)?);
        let (left, top, right, bottom) = (x1.min(x2), y1.min(y2), x1.max(x2), y1.max(y2));
        if right < 0.0 || bottom < 0.0 || left > self.last.0 || top > self.last.1 {
            return None;
        }
        Some((self.pixel(left, top), self.pixel(right, bottom)))
    }

    /// The closed outline of a polygon, without what lies outside.
    fn edges(self, polygon: &[Value]) -> Vec<(Point, Point)> {
        let point = |corner: &Value| match corner.as_array()?.as_slice() {
            [x, y] => self.point(x, y),
            _ => None,
        };
        let points: Vec<(f64, f64)> = polygon.iter().filter_map(point).collect();
        let next = points.iter().cycle().skip(1);
        points.iter().zip(next).filter_map(|(&from, &to)| self.clip(from, to)).collect()
    }

    /// The part of a line that lies in the picture (Liang and Barsky): the line is `from + t × (to - from)`, and each of
    /// the picture's four sides bounds `t` from below or above.
    fn clip(self, from: (f64, f64), to: (f64, f64)) -> Option<(Point, Point)> {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let sides = [(-dx, from.0), (dx, self.last.0 - from.0), (-dy, from.1), (dy, self.last.1 - from.1)];
        let (mut enters, mut leaves) = (0.0_f64, 1.0_f64);
        for (outward, distance) in sides {
            if outward == 0.0 && distance < 0.0 {
                return None;
            } else if outward < 0.0 {
                enters = enters.max(distance / outward);
            } else if outward > 0.0 {
                leaves = leaves.min(distance / outward);
            }
        }
        let at = |t: f64| self.pixel(from.0 + t * dx, from.1 + t * dy);
        (enters <= leaves).then(|| (at(enters), at(leaves)))
    }

    /// The nearest pixel of the picture.
    fn pixel(self, x: f64, y: f64) -> Point {
        Point::new(x.round().clamp(0.0, self.last.0) as i32, y.round().clamp(0.0, self.last.1) as i32)
    }
}

/// By class, the same in every frame; by label where there is no class.
fn colour(detection: &Map<String, Value>) -> Rgb888 {
    let class = match (detection.get("class_id"), detection.get("label")) {
        (Some(Value::Number(class)), _) => {
            class.as_i64().unwrap_or_else(|| class.as_f64().unwrap_or_default() as i64) as u64
        }
        // FNV-1a: any hash would do that stays the same from run to run.
        (_, Some(Value::String(label))) => label
            .bytes()
            .take(MAX_LABEL)
            .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)),
        _ => 0,
    };
    let at = usize::try_from(class % PALETTE.len() as u64).unwrap_or(0);
    PALETTE.get(at).copied().unwrap_or_default()
}

/// Label (or class), score, track and the text that was read: `plate 0.93 #7 AB 123`.
fn label(detection: &Map<String, Value>) -> String {
    let mut parts = String::new();
    match (detection.get("label"), detection.get("class_id")) {
        (Some(Value::String(label)), _) => parts.push_str(&one_line(label, MAX_LABEL / 2)),
        (_, Some(Value::Number(class))) => _ = write!(parts, "class {class}"),
        _ => {}
    }
    if let Some(score) = detection.get("score").and_then(Value::as_f64) {
        _ = write!(parts, " {score:.2}");
    }
    match detection.get("track_id") {
        Some(Value::Number(track)) => _ = write!(parts, " #{}", number(track)),
        Some(Value::String(track)) => _ = write!(parts, " #{}", one_line(track, 12)),
        _ => {}
    }
    if let Some(Value::String(text)) = detection.get("text") {
        _ = write!(parts, " {}", one_line(text, MAX_LABEL));
    }
    one_line(parts.trim(), MAX_LABEL)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(detection: Value) -> Option<Mark> {
        marks(&json!({ "detections": [detection] }), (100, 80), (1.0, 0.5)).pop()
    }

    fn corners(corners: Value) -> Option<[i32; 4]> {
        of(json!({ "box": corners })).and_then(|mark| mark.corners).map(|(from, to)| [from.x, from.y, to.x, to.y])
    }

    #[test]
    fn boxes_are_scaled_put_in_order_and_clipped() {
        for (given, expected) in [
            (json!([10, 20, 30.4, 40]), Some([10, 10, 30, 20])),
            (json!([30.4, 40, 10, 20]), Some([10, 10, 30, 20])),
            (json!([-5, -5, 1000, 1e300]), Some([0, 0, 99, 79])),
            (json!([10, 20, 10, 20]), Some([10, 10, 10, 10])),
            (json!([-20, 20, -10, 40]), None),
            (json!([120, 20, 130, 40]), None),
            (json!([20, -40, 30, -1]), None),
            (json!([20, 200, 30, 300]), None),
            (json!([null, 20, 30, 40]), None),
            (json!(["10", 20, 30, 40]), None),
            (json!([10, 20, 30]), None),
            (json!([10, 20, 30, 40, 50]), None),
            (json!({ "x": 1 }), None),
        ] {
            assert_eq!(corners(given.clone()), expected, "{given}");
        }
        for scale in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let result = json!({ "detections": [{ "box": [1, 2, 3, 4] }] });
            assert_eq!(marks(&result, (100, 80), (scale, 1.0)), []);
        }
    }

    #[test]
    fn labels_say_what_there_is() {
        for (given, expected) in [
            (json!({ "label": "person", "score": 0.934, "class_id": 0 }), "person 0.93"),
            (json!({ "class_id": 7, "score": 1 }), "class 7 1.00"),
            (json!({ "label": "plate", "score": 0.5, "track_id": 12, "text": "AB\n123" }), "plate 0.50 #12 AB 123"),
            (json!({ "text": "STOP", "track_id": "x" }), "#x STOP"),
            (json!({ "score": null, "label": 7 }), ""),
        ] {
            assert_eq!(label(given.as_object().unwrap()), expected, "{given}");
        }
        let long = json!({ "label": "x".repeat(10_000), "text": "ü".repeat(10_000), "track_id": "y".repeat(10_000) });
        assert_eq!(label(long.as_object().unwrap()).chars().count(), MAX_LABEL);
    }

    #[test]
    fn a_class_has_one_colour() {
        let of = |detection: Value| colour(detection.as_object().unwrap());
        assert_eq!(of(json!({ "class_id": 3, "label": "a" })), of(json!({ "class_id": 3, "label": "b" })));
        assert_ne!(of(json!({ "class_id": 3 })), of(json!({ "class_id": 4 })));
        assert_eq!(of(json!({ "label": "car" })), of(json!({ "label": "car" })));
        assert_ne!(of(json!({ "label": "car" })), of(json!({ "label": "person" })));
        for odd in [json!({ "class_id": -1 }), json!({ "class_id": u64::MAX }), json!({ "class_id": 1e300 }), json!({})]
        {
            assert!(PALETTE.contains(&of(odd)));
        }
    }

    #[test]
    fn polygons_are_closed_and_clipped_without_bending() {
        let edges = |polygon: Value| {
            let mark = of(json!({ "polygon": polygon }));
            mark.map_or_else(Vec::new, |mark| mark.edges).iter().map(|(a, b)| [a.x, a.y, b.x, b.y]).collect::<Vec<_>>()
        };
        assert_eq!(
            edges(json!([[10, 20], [50, 20], [50, 60]])),
            [[10, 10, 50, 10], [50, 10, 50, 30], [50, 30, 10, 10]]
        );
        // On the picture from -50, -50 to 150, 150: it enters and leaves on the same diagonal.
        assert_eq!(edges(json!([[-50, -100], [150, 300]])), [[0, 0, 79, 79], [79, 79, 0, 0]]);
        assert_eq!(edges(json!([[-1, -1], [-1, 300]])), Vec::<[i32; 4]>::new());
        assert_eq!(edges(json!([[1e308, 0], [-1e308, 0], "x", [1], [null, 2]])), [[99, 0, 0, 0], [0, 0, 99, 0]]);
    }

    #[test]
    fn every_outline_of_a_mask_is_drawn() {
        let (outer, hole) = (json!([[0, 0], [50, 0], [50, 50]]), json!([[20, 10], [30, 10], [30, 20]]));
        let mark = of(json!({ "polygons": [outer, hole, "x", [1]], "polygon": hole })).unwrap();
        assert_eq!((mark.edges.len(), mark.anchor), (9, Point::new(20, 5)));
    }

    #[test]
    fn only_so_many_are_drawn() {
        let square = json!({ "box": [1, 2, 3, 4], "polygon": vec![[1, 2]; 1000] });
        let marks = marks(&json!({ "detections": vec![square; 600] }), (100, 80), (1.0, 1.0));
        assert_eq!(marks.len(), MAX_MARKS);
        assert_eq!(marks.iter().map(|mark| mark.edges.len()).sum::<usize>(), MAX_CORNERS);
    }
}
