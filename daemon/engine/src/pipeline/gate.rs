//! When a node runs: `every` (on every Nth frame) and `when` (only where an earlier node found something), the two settings
//! that every kind has. Pure.

use std::sync::Arc;

use serde_json::{Map, Value};
use thiserror::Error;

use super::detection::Detection;
use super::nodes::Payload;

/// Largest `every`: a day at 30 frames a second is more.
const MAX_EVERY: u64 = 1_000_000;

/// When a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Runs on one of so many frames; 1 for all.
    pub every: u64,
    /// Runs only where this holds.
    pub when: Option<Condition>,
}

/// What `when` asks of an earlier node's output on the same frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The earlier node's position.
    pub node: usize,
    /// The question.
    pub asks: Asks,
}

/// The two questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// `<node> has <label>`: something in its output has this `label`.
    Has(String),
    /// `<node> is not empty`: its output has anything but empty lists, objects and texts.
    NotEmpty,
}

/// Why a node has no gate.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum GateError {
    /// `every` is out of range.
    #[error("every = {0}: use 1 (each frame) to {MAX_EVERY}")]
    Every(u64),
    /// `when` is neither of the two forms.
    #[error("when = \"{0}\" is not understood: write \"<node> has <label>\" or \"<node> is not empty\"")]
    Syntax(String),
    /// `when` names a node that may run later.
    #[error("when = \"{text}\": \"{node}\" is no node before this one; {}", name_earlier(.earlier))]
    NotBefore {
        /// The setting.
        text: String,
        /// The node that it names.
        node: String,
        /// The nodes that it could name.
        earlier: Vec<String>,
    },
}

fn name_earlier(earlier: &[String]) -> String {
    if earlier.is_empty() {
        "name a node in `inputs` first".to_owned()
    } else {
        format!("its inputs, and theirs, are: {}", earlier.join(", "))
    }
}

impl Gate {
    /// Reads the settings; `earlier` has the id and position of each node that the node depends on, over however many.
    ///
    /// # Errors
    /// The first [`GateError`] found.
    pub fn new(every: Option<u64>, when: Option<&str>, earlier: &[(&str, usize)]) -> Result<Gate, GateError> {
        let every = every.unwrap_or(1);
        if !(1..=MAX_EVERY).contains(&every) {
            return Err(GateError::Every(every));
        }
        Ok(Gate { every, when: when.map(|text| Condition::read(text, earlier)).transpose()? })
    }

    /// Whether the condition holds. `outputs` are those of the nodes so far, by position.
    pub fn is_open(&self, outputs: &[Arc<Payload>]) -> bool {
        self.when.as_ref().is_none_or(|condition| {
            outputs.get(condition.node).is_some_and(|output| {
                let (found, rest) = output.parts();
                match &condition.asks {
                    Asks::Has(label) => {
                        let has = |one: &Detection| one.label == *label || object_has_label(&one.more, label);
                        found.iter().any(has) || object_has_label(rest, label)
                    }
                    Asks::NotEmpty => !found.is_empty() || rest.values().any(is_something),
                }
            })
        })
    }
}

impl Condition {
    fn read(text: &str, earlier: &[(&str, usize)]) -> Result<Condition, GateError> {
        let (name, asks) = parse(text).ok_or_else(|| GateError::Syntax(text.to_owned()))?;
        match earlier.iter().find(|(id, _)| *id == name) {
            Some(&(_, node)) => Ok(Condition { node, asks }),
            None => Err(GateError::NotBefore {
                text: text.to_owned(),
                node: name.to_owned(),
                earlier: earlier.iter().map(|(id, _)| (*id).to_owned()).collect(),
            }),
        }
    }
}

/// The node's id and the question. Ids have no blanks, so the first word is the id; a label may have some.
fn parse(text: &str) -> Option<(&str, Asks)> {
    let (node, question) = text.trim().split_once(char::is_whitespace)?;
    let question = question.trim_start();
    if question.split_whitespace().eq(["is", "not", "empty"]) {
        return Some((node, Asks::NotEmpty));
    }
    let (verb, label) = question.split_once(char::is_whitespace)?;
    (verb == "has").then(|| (node, Asks::Has(label.trim().to_owned())))
}

fn has_label(value: &Value, label: &str) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|value| has_label(value, label)),
        Value::Object(object) => object_has_label(object, label),
        _ => false,
    }
}

fn object_has_label(object: &Map<String, Value>, label: &str) -> bool {
    object.get("label").and_then(Value::as_str) == Some(label) || object.values().any(|value| has_label(value, label))
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const EARLIER: [(&str, usize); 2] = [("find", 0), ("kind.1", 2)];

    fn gate(when: &str) -> Result<Gate, GateError> {
        Gate::new(None, Some(when), &EARLIER)
    }

    #[test]
    fn reads_both_questions() {
        let has = |label: &str| Asks::Has(label.to_owned());
        for (text, node, asks) in [
            ("find has person", 0, has("person")),
            ("  find   has   traffic light ", 0, has("traffic light")),
            ("find has is not empty", 0, has("is not empty")),
            ("find has has", 0, has("has")),
            ("kind.1 has 7", 2, has("7")),
            ("find is not empty", 0, Asks::NotEmpty),
            ("kind.1  is  not\tempty", 2, Asks::NotEmpty),
        ] {
            assert_eq!(gate(text).unwrap().when, Some(Condition { node, asks }), "{text}");
        }
    }

    #[test]
    fn shows_the_grammar_where_it_is_not_kept() {
        for text in [
            "",
            "find",
            "find has",
            "find has ",
            "find is empty",
            "find is not empty now",
            "find HAS person",
            "not find has person",
            "find contains person",
            "has person",
        ] {
            let error = gate(text).unwrap_err();
            assert_eq!(error, GateError::Syntax(text.to_owned()));
            assert!(error.to_string().contains("\"<node> has <label>\" or \"<node> is not empty\""));
        }
    }

    #[test]
    fn only_what_ran_before_can_be_asked() {
        assert_eq!(
            gate("later has person").unwrap_err().to_string(),
            "when = \"later has person\": \"later\" is no node before this one; its inputs, and theirs, are: find, kind.1"
        );
        let alone = Gate::new(None, Some("find is not empty"), &[]).unwrap_err().to_string();
        assert!(alone.ends_with("name a node in `inputs` first"), "{alone}");
    }

    #[test]
    fn every_has_a_range() {
        for every in [0, MAX_EVERY + 1] {
            assert_eq!(Gate::new(Some(every), None, &[]), Err(GateError::Every(every)));
        }
        assert_eq!(Gate::new(Some(3), None, &[]), Ok(Gate { every: 3, when: None }));
        assert_eq!(Gate::new(None, None, &[]), Ok(Gate { every: 1, when: None }));
    }

    #[test]
    fn asks_the_output() {
        let person =
            json!({"detections": [{"label": "car"}, {"label": "traffic light", "classes": [{"label": "red"}]}]});
        for (when, output, open) in [
            ("find has car", person.clone(), true),
            ("find has traffic light", person.clone(), true),
            ("find has red", person.clone(), true),
            ("find has light", person.clone(), false),
            ("find has detections", person.clone(), false),
            ("find is not empty", person, true),
            ("find is not empty", json!({"detections": []}), false),
            ("find is not empty", json!({"text": "", "more": {}, "none": null}), false),
            ("find is not empty", json!({"brightness": 0.0}), true),
            ("find is not empty", json!({}), false),
            ("find has day", json!({"label": "day"}), true),
            ("find has day", json!({"day": 1, "name": "day", "label": 7}), false),
        ] {
            let outputs = [Arc::new(output.as_object().unwrap().clone().into())];
            assert_eq!(gate(when).unwrap().is_open(&outputs), open, "{when}: {output}");
        }
        assert!(!gate("kind.1 is not empty").unwrap().is_open(&[Arc::default()]), "no output of it");
        assert!(Gate::new(Some(3), None, &[]).unwrap().is_open(&[]));
    }
}
