//! Detections, as nodes pass them on: the list under `detections`, each
//! `{"box":[x1,y1,x2,y2],"score":0.93,"label":"person","class_id":0}` with whatever nodes added to it.

use serde_json::{Map, Value};

/// The key under which a node gives its detections.
pub const DETECTIONS: &str = "detections";

/// One found object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detection {
    /// Where it is.
    pub bounds: Bounds,
    /// How sure the model is, 0 to 1.
    pub score: f32,
    /// The name of its class.
    pub label: String,
    /// The number of its class, as the model counts.
    pub class_id: i64,
    /// Every other key: what nodes added, kept by those that do not know it.
    pub more: Map<String, Value>,
}

/// An upright box in pixels of the frame as the client sent it; `x2` and `y2` are the first beyond it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// Left edge.
    pub x1: f32,
    /// Upper edge.
    pub y1: f32,
    /// Right edge.
    pub x2: f32,
    /// Lower edge.
    pub y2: f32,
}

impl Bounds {
    /// Pixels from left to right; 0 for a box that is turned inside out.
    pub fn width(&self) -> f32 {
        (self.x2 - self.x1).max(0.0)
    }

    /// Pixels from top to bottom; 0 for a box that is turned inside out.
    pub fn height(&self) -> f32 {
        (self.y2 - self.y1).max(0.0)
    }

    /// Pixels that it covers.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// Intersection over union (the Jaccard index), 0 to 1; 0 where neither has an area.
    pub fn iou(&self, other: &Bounds) -> f32 {
        let both = Bounds {
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
            x2: self.x2.min(other.x2),
            y2: self.y2.min(other.y2),
        };
        let union = self.area() + other.area() - both.area();
        if union > 0.0 { both.area() / union } else { 0.0 }
    }

    /// The part of it that lies in a frame of this size.
    #[must_use]
    pub fn clipped(&self, (width, height): (usize, usize)) -> Bounds {
        // Frames are far smaller than the 16 million that f32 counts exactly.
        let (width, height) = (width as f32, height as f32);
        Bounds {
            x1: self.x1.clamp(0.0, width),
            y1: self.y1.clamp(0.0, height),
            x2: self.x2.clamp(0.0, width),
            y2: self.y2.clamp(0.0, height),
        }
    }

    /// Whether all four edges are numbers.
    pub fn is_finite(&self) -> bool {
        [self.x1, self.y1, self.x2, self.y2].into_iter().all(f32::is_finite)
    }
}

/// The detections of a node's inputs; none where no input gives any. One whose box or score is no finite number (`null` in
/// JSON) is nowhere, and is left out.
///
/// # Errors
/// One sentence: what under `detections` is no detection.
pub fn read(upstream: &Map<String, Value>) -> Result<Vec<Detection>, String> {
    match upstream.get(DETECTIONS) {
        None => Ok(Vec::new()),
        Some(Value::Array(list)) => list.iter().filter_map(|value| read_one(value).transpose()).collect(),
        Some(_) => Err(format!("`{DETECTIONS}` of its inputs is no list")),
    }
}

/// Detections as JSON: boxes to a hundredth of a pixel, scores to a ten-thousandth.
pub fn write(detections: Vec<Detection>) -> Value {
    detections.into_iter().map(write_one).collect()
}

/// A node's whole output, when it gives detections and nothing else.
pub fn output(detections: Vec<Detection>) -> Map<String, Value> {
    Map::from_iter([(DETECTIONS.to_owned(), write(detections))])
}

/// A number with at most this many decimals; null for none that JSON knows.
pub fn rounded(value: impl Into<f64>, decimals: i32) -> Value {
    let scale = 10_f64.powi(decimals);
    Value::from((value.into() * scale).round() / scale)
}

#[allow(clippy::cast_possible_truncation)] // pixels and scores need no more than f32 has
fn read_one(value: &Value) -> Result<Option<Detection>, String> {
    let wrong =
        || format!("`{DETECTIONS}` of its inputs holds something that is no detection (box, score, label, class_id)");
    let mut more = value.as_object().ok_or_else(wrong)?.clone();
    let number = |value: &Value| match value {
        Value::Null => Some(f32::NAN),
        value => value.as_f64().map(|number| number as f32),
    };
    let edges: Option<Vec<f32>> = match more.remove("box") {
        Some(Value::Array(edges)) => edges.iter().map(number).collect(),
        _ => return Err(wrong()),
    };
    let [x1, y1, x2, y2] = edges.and_then(|edges| edges.try_into().ok()).ok_or_else(wrong)?;
    let bounds = Bounds { x1, y1, x2, y2 };
    let score = more.remove("score").as_ref().and_then(number).ok_or_else(wrong)?;
    if !(bounds.is_finite() && score.is_finite()) {
        return Ok(None);
    }
    let class_id = more.remove("class_id").as_ref().and_then(whole).unwrap_or(-1);
    let label = match more.remove("label") {
        Some(Value::String(label)) => label,
        _ => class_id.to_string(),
    };
    Ok(Some(Detection { bounds, score, label, class_id, more }))
}

/// A whole number; modules of `measure` give them as 3 or as 3.0.
#[allow(clippy::cast_possible_truncation)] // checked to be whole and small
fn whole(value: &Value) -> Option<i64> {
    let float = || value.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 1e15).map(|value| value as i64);
    value.as_i64().or_else(float)
}

fn write_one(detection: Detection) -> Value {
    let Bounds { x1, y1, x2, y2 } = detection.bounds;
    let edges: Value = [x1, y1, x2, y2].into_iter().map(|edge| rounded(edge, 2)).collect();
    let mut object = Map::from_iter([
        ("box".to_owned(), edges),
        ("score".to_owned(), rounded(detection.score, 4)),
        ("label".to_owned(), detection.label.into()),
        ("class_id".to_owned(), detection.class_id.into()),
    ]);
    object.extend(detection.more);
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn upstream(value: Value) -> Map<String, Value> {
        Map::from_iter([(DETECTIONS.to_owned(), value)])
    }

    #[test]
    fn a_detection_goes_through_nodes_with_all_it_has() {
        let value =
            json!([{"box": [1.5, 2.25, 3.0, 4.0], "score": 0.93, "label": "person", "class_id": 0, "track_id": 7}]);
        let detections = read(&upstream(value.clone())).unwrap();
        assert_eq!(detections[0].bounds, Bounds { x1: 1.5, y1: 2.25, x2: 3.0, y2: 4.0 });
        assert_eq!(detections[0].more["track_id"], 7);
        assert_eq!(write(detections), value);
        assert_eq!(read(&Map::new()), Ok(vec![]));
    }

    #[test]
    fn what_is_no_detection_is_said() {
        for value in [
            json!(3),
            json!([3]),
            json!([{"score": 1}]),
            json!([{"box": [1, 2, 3], "score": 1}]),
            json!([{"box": [1, 2, 3, 4]}]),
            json!([{"box": [1, 2, 3, "4"], "score": 1}]),
            json!([{"box": [1, 2, 3, null, 4], "score": 1}]),
            json!([{"box": null, "score": 1}]),
        ] {
            assert!(read(&upstream(value.clone())).unwrap_err().contains("detection"), "{value}");
        }
        let terse = read(&upstream(json!([{"box": [1, 2, 3, 4], "score": 1, "class_id": 2.0}]))).unwrap();
        assert_eq!((terse[0].label.as_str(), terse[0].class_id), ("2", 2));
    }

    #[test]
    fn what_is_nowhere_is_left_out() {
        let found = json!([
            {"box": [1, 2, null, 4], "score": 1},
            {"box": [1, 2, 3, 4], "score": null},
            {"box": [1, 2, 3, 4], "score": 1e300},
            {"box": [1, 2, 3, 4], "score": 1, "label": "cat"},
        ]);
        let labels: Vec<String> = read(&upstream(found)).unwrap().into_iter().map(|found| found.label).collect();
        assert_eq!(labels, ["cat"]);
    }

    #[test]
    fn numbers_that_json_lacks_are_null() {
        let odd = Detection { score: f32::NAN, ..Detection::default() };
        assert_eq!(write(vec![odd])[0]["score"], Value::Null);
        assert_eq!((rounded(0.123_46_f32, 4), rounded(12.346, 2)), (json!(0.1235), json!(12.35)));
    }

    #[test]
    fn overlap_is_the_jaccard_index() {
        let at = |x1: f32, x2: f32| Bounds { x1, y1: 0.0, x2, y2: 10.0 };
        for (a, b, expected) in [
            (at(0.0, 10.0), at(0.0, 10.0), 1.0),
            (at(0.0, 10.0), at(5.0, 15.0), 1.0 / 3.0),
            (at(0.0, 10.0), at(10.0, 20.0), 0.0),
            (at(10.0, 0.0), at(0.0, 10.0), 0.0),
            (at(3.0, 3.0), at(3.0, 3.0), 0.0),
        ] {
            assert!((a.iou(&b) - expected).abs() < 1e-6, "{a:?} {b:?}");
        }
        let outside = Bounds { x1: -5.0, y1: -5.0, x2: 700.0, y2: 20.0 }.clipped((640, 480));
        assert_eq!(outside, Bounds { x1: 0.0, y1: 0.0, x2: 640.0, y2: 20.0 });
    }
}
