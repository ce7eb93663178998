//! What nodes give and see: detections as they are, and everything else as JSON. Rounded and written once, when the last node is
//! done.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::pipeline::detection::{self, DETECTIONS, Detection};

/// What a node gives of a frame, or several, merged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Payload {
    /// What was found; none where nobody looked.
    found: Option<Vec<Detection>>,
    /// Everything else. A module may return `detections` of its own, in any form; they stay here as they are.
    rest: Map<String, Value>,
}

impl Payload {
    /// Detections, and what else there is.
    pub fn new(found: Vec<Detection>, rest: Map<String, Value>) -> Payload {
        Payload { found: Some(found), rest }
    }

    /// These outputs, merged; of what two have, the later one's counts.
    pub fn merged<'a>(outputs: impl Iterator<Item = &'a Payload>) -> Payload {
        let mut merged = Payload::default();
        for output in outputs {
            if output.has_detections() {
                merged.rest.remove(DETECTIONS);
                merged.found.clone_from(&output.found);
            }
            merged.rest.extend(output.rest.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        merged
    }

    /// These outputs as one JSON object, merged in the same way.
    pub fn to_json<'a>(outputs: impl Iterator<Item = &'a Payload>) -> BTreeMap<&'a str, Cow<'a, Value>> {
        let (mut object, mut last) = (BTreeMap::new(), None);
        for output in outputs {
            object.extend(output.rest.iter().map(|(key, value)| (key.as_str(), Cow::Borrowed(value))));
            if output.has_detections() {
                last = output.found.as_deref();
            }
        }
        object.extend(last.map(|found| (DETECTIONS, Cow::Owned(detection::write(found)))));
        object
    }

    /// The detections; none where nobody looked. One whose box or score is no finite number (`null` in JSON) is nowhere, and is
    /// left out.
    ///
    /// # Errors
    /// One sentence: what a module returned under `detections` that is no detection.
    pub fn detections(&self) -> Result<Option<Vec<Detection>>, String> {
        match &self.found {
            Some(found) => Ok(Some(found.iter().filter(|one| one.is_somewhere()).cloned().collect())),
            None => self.rest.get(DETECTIONS).map(detection::read).transpose(),
        }
    }

    /// The detections that nodes found, and everything else that there is, a module's own among it.
    pub fn parts(&self) -> (&[Detection], &Map<String, Value>) {
        (self.found.as_deref().unwrap_or_default(), &self.rest)
    }

    /// Whether nothing was given, not even an empty list.
    pub fn is_empty(&self) -> bool {
        self.found.is_none() && self.rest.is_empty()
    }

    fn has_detections(&self) -> bool {
        self.found.is_some() || self.rest.contains_key(DETECTIONS)
    }
}

impl From<Map<String, Value>> for Payload {
    fn from(rest: Map<String, Value>) -> Payload {
        Payload { found: None, rest }
    }
}

impl From<Vec<Detection>> for Payload {
    fn from(found: Vec<Detection>) -> Payload {
        Payload::new(found, Map::new())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: Value) -> Payload {
        value.as_object().unwrap().clone().into()
    }

    fn one(score: f32) -> Payload {
        vec![Detection { score, ..Detection::default() }].into()
    }

    fn text(outputs: &[&Payload]) -> String {
        serde_json::to_string(&Payload::to_json(outputs.iter().copied())).unwrap()
    }

    #[test]
    fn later_ones_count_whatever_their_form() {
        let (found, own, other) =
            (one(0.123_456), of(json!({"detections": 3, "a": 1})), of(json!({"a": 2, "b": null})));
        let written = r#"{"box":[0.0,0.0,0.0,0.0],"class_id":0,"label":"","score":0.1235}"#;
        for (outputs, expected, readable) in [
            (&[&found, &own, &other][..], r#"{"a":2,"b":null,"detections":3}"#.to_owned(), Err(())),
            (&[&own, &found, &other], format!(r#"{{"a":2,"b":null,"detections":[{written}]}}"#), Ok(Some(1))),
            (
                &[&own, &other, &one(0.5), &found],
                format!(r#"{{"a":2,"b":null,"detections":[{written}]}}"#),
                Ok(Some(1)),
            ),
            (&[&other], r#"{"a":2,"b":null}"#.to_owned(), Ok(None)),
            (&[], "{}".to_owned(), Ok(None)),
        ] {
            assert_eq!(text(outputs), expected);
            let merged = Payload::merged(outputs.iter().copied());
            assert_eq!(text(&[&merged]), expected);
            assert_eq!(merged.detections().map(|found| found.map(|found| found.len())).map_err(|_| ()), readable);
        }
    }

    #[test]
    fn what_is_nowhere_is_in_the_result_and_no_nodes_business() {
        let nowhere = one(f32::NAN);
        assert_eq!(nowhere.detections(), Ok(Some(vec![])));
        assert!(text(&[&nowhere]).contains(r#""score":null"#));
    }
}
