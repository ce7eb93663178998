//! Detections, and how they are written under `detections`: a list, each
//! `{"box":[x1,y1,x2,y2],"score":0.93,"label":"person","class_id":0}` with whatever nodes added to it.

use serde_json::{Map, Value};

pub use super::bounds::{Bounds, rounded};
use super::quad::{POLYGON, Quad};

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
    /// Its outline, where the model gives one of four corners.
    pub outline: Option<Quad>,
    /// Every other key: what nodes added, kept by those that do not know it.
    pub more: Map<String, Value>,
}

impl Detection {
    /// Whether its box and its score are finite numbers; else it is nowhere.
    pub fn is_somewhere(&self) -> bool {
        self.bounds.is_finite() && self.score.is_finite()
    }
}

/// Detections that a module returned as JSON. One that is nowhere (`null` in its box, or as its score) is left out.
///
/// # Errors
/// One sentence: what is no detection.
pub fn read(value: &Value) -> Result<Vec<Detection>, String> {
    let list = value.as_array().ok_or_else(|| format!("`{DETECTIONS}` of its inputs is no list"))?;
    list.iter().map(read_one).filter(|read| read.as_ref().map_or(true, Detection::is_somewhere)).collect()
}

/// Detections as JSON: boxes to a hundredth of a pixel, scores to a ten-thousandth.
pub fn write(detections: &[Detection]) -> Value {
    detections.iter().map(write_one).collect()
}

#[allow(clippy::cast_possible_truncation)] // pixels and scores need no more than f32 has
fn read_one(value: &Value) -> Result<Detection, String> {
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
    let class_id = more.remove("class_id").as_ref().and_then(whole).unwrap_or(-1);
    let label = match more.remove("label") {
        Some(Value::String(label)) => label,
        _ => class_id.to_string(),
    };
    // A module's own outline stays as it is, among the rest.
    Ok(Detection { bounds, score, label, class_id, outline: None, more })
}

/// A whole number; modules of `measure` give them as 3 or as 3.0.
#[allow(clippy::cast_possible_truncation)] // checked to be whole and small
fn whole(value: &Value) -> Option<i64> {
    let float = || value.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 1e15).map(|value| value as i64);
    value.as_i64().or_else(float)
}

fn write_one(detection: &Detection) -> Value {
    let Bounds { x1, y1, x2, y2 } = detection.bounds;
    let edges: Value = [x1, y1, x2, y2].into_iter().map(|edge| rounded(edge, 2)).collect();
    let mut object = Map::from_iter([
        ("box".to_owned(), edges),
        ("score".to_owned(), rounded(detection.score, 4)),
        ("label".to_owned(), detection.label.as_str().into()),
        ("class_id".to_owned(), detection.class_id.into()),
    ]);
    object.extend(detection.outline.map(|outline| (POLYGON.to_owned(), outline.write())));
    object.extend(detection.more.clone());
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_detection_goes_through_nodes_with_all_it_has() {
        let value =
            json!([{"box": [1.5, 2.25, 3.0, 4.0], "score": 0.93, "label": "person", "class_id": 0, "track_id": 7}]);
        let detections = read(&value).unwrap();
        assert_eq!(detections[0].bounds, Bounds { x1: 1.5, y1: 2.25, x2: 3.0, y2: 4.0 });
        assert_eq!(detections[0].more["track_id"], 7);
        assert_eq!(write(&detections), value);
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
            assert!(read(&value).unwrap_err().contains("detection"), "{value}");
        }
        let terse = read(&json!([{"box": [1, 2, 3, 4], "score": 1, "class_id": 2.0}])).unwrap();
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
        let labels: Vec<String> = read(&found).unwrap().into_iter().map(|found| found.label).collect();
        assert_eq!(labels, ["cat"]);
    }

    #[test]
    fn numbers_that_json_lacks_are_null() {
        let odd = Detection { score: f32::NAN, ..Detection::default() };
        assert_eq!(write(&[odd])[0]["score"], Value::Null);
        assert_eq!((rounded(0.123_46_f32, 4), rounded(12.346, 2)), (json!(0.1235), json!(12.35)));
    }
}
