//! The lines beside a picture: a result's own numbers and short texts, `key value` each. Pure.

use serde_json::{Number, Value};

/// Most lines.
const MAX_LINES: usize = 12;
/// Longest key and longest value, in characters.
const MAX_KEY: usize = 20;
const MAX_VALUE: usize = 36;
/// Numbers of a list that is still shown.
const MAX_NUMBERS: usize = 6;

/// The lines of a result, at most `most` and never more than 12; the last one says how many were left out.
pub(super) fn lines(result: &Value, most: usize) -> Vec<String> {
    let most = most.min(MAX_LINES);
    let shown = result.as_object().into_iter().flatten().filter(|(_, value)| is_shown(value));
    let all = shown.clone().count();
    let kept = if all > most { most.saturating_sub(1) } else { all };
    let mut lines: Vec<String> =
        shown.take(kept).map(|(key, value)| format!("{} {}", one_line(key, MAX_KEY), text(value))).collect();
    if all > kept && most > 0 {
        lines.push(format!("+{} more", all - kept));
    }
    lines
}

/// As many characters as fit, without line breaks and the like; two dots end what was cut.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let clean = |character: char| if character.is_control() { ' ' } else { character };
    match text.char_indices().nth(most) {
        None => text.chars().map(clean).collect(),
        Some(_) => text.chars().take(most.saturating_sub(2)).map(clean).chain("..".chars()).collect(),
    }
}

/// A number in at most about 10 characters.
pub(super) fn number(number: &Number) -> String {
    match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => whole.to_string(),
        (_, Some(value)) if value == 0.0 || (1e-3..1e6).contains(&value.abs()) => format!("{value:.3}"),
        (_, Some(value)) => format!("{value:.2e}"),
        _ => number.to_string(),
    }
}

fn is_shown(value: &Value) -> bool {
    match value {
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Null => true,
        Value::Array(list) => is_number_list(list),
        Value::Object(_) => false,
    }
}

fn is_number_list(list: &[Value]) -> bool {
    (1..=MAX_NUMBERS).contains(&list.len()) && list.iter().all(|item| item.is_number() || item.is_null())
}

fn text(value: &Value) -> String {
    let text = match value {
        // What a number that is none (NaN) becomes in JSON.
        Value::Null => "-".to_owned(),
        Value::Number(value) => number(value),
        Value::String(text) => return one_line(text, MAX_VALUE),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    one_line(&text, MAX_VALUE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_texts_and_short_lists_are_shown() {
        let result = json!({
            "brightness": 0.123_456, "count": 7, "covered": false, "large": 1.5e9, "small": -0.000_012, "zero": 0.0,
            "nan": null, "verdict": "dark\nand\tblurred", "rgb": [1, 0.5, null],
            "detections": [{ "box": [1, 2, 3, 4] }], "nested": [[1, 2]], "long": [1, 2, 3, 4, 5, 6, 7], "none": [],
            "object": {},
        });
        assert_eq!(
            lines(&result, 20),
            [
                "brightness 0.123",
                "count 7",
                "covered false",
                "large 1.50e9",
                "nan -",
                "rgb 1 0.500 -",
                "small -1.20e-5",
                "verdict dark and blurred",
                "zero 0.000"
            ]
        );
        assert_eq!(lines(&json!([1, 2]), 20), Vec::<String>::new());
    }

    #[test]
    fn what_is_too_much_is_cut_and_counted() {
        let many: serde_json::Map<String, Value> = (0..100).map(|at| (format!("k{at:02}"), json!(at))).collect();
        let many = Value::Object(many);
        let shown = lines(&many, 99);
        assert_eq!((shown.len(), shown[10].as_str(), shown[11].as_str()), (12, "k10 10", "+89 more"));
        assert_eq!(lines(&many, 2), ["k00 0", "+99 more"]);
        assert_eq!(lines(&many, 1), ["+100 more"]);
        assert_eq!(lines(&many, 0), Vec::<String>::new());
        let long = json!({ "k".repeat(10_000): "ü".repeat(10_000) });
        assert_eq!(lines(&long, 9)[0].chars().count(), MAX_KEY + 1 + MAX_VALUE);
    }

    #[test]
    fn lines_are_cut_by_characters() {
        for (text, most, expected) in [
            ("straße", 6, "straße"),
            ("straßen", 6, "stra.."),
            ("a\u{7}b\r\nc", 10, "a b  c"),
            ("", 0, ""),
            ("abc", 1, ".."),
        ] {
            assert_eq!(one_line(text, most), expected);
        }
    }
}
