//! The examples of the log are lines that the daemon writes: the same message, level and target, and the same fields in the same
//! order.

use std::collections::BTreeSet;

use forgesyted_tests::{Daemon, frames};
use serde_json::Value;

use crate::markdown::{code, page};

/// The keys of a line in their order.
fn keys(line: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
    keys.sort_by_key(|key| line.find(&format!("\"{key}\":")));
    keys
}

#[test]
fn each_example_is_a_line_as_it_is_logged() {
    let daemon = Daemon::builder().start();
    let mut client = daemon.client("noop");
    client.ask(&frames::white());
    client.close(1000);
    daemon.events().wait_for("stream_disconnect");
    let logged = daemon.events().lines();
    let blocks = page("docs/metrics-and-logging.md").blocks("json");
    let examples: Vec<&str> = blocks.iter().flat_map(|block| block.lines()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        let shown: Value = serde_json::from_str(example).unwrap();
        let event = format!("\"event\":{}", shown["event"]);
        let line = logged.iter().find(|line| line.contains(&event)).unwrap_or_else(|| panic!("nothing logs {example}"));
        let wrote: Value = serde_json::from_str(line).unwrap();
        for key in ["level", "event", "message", "target"] {
            assert_eq!(shown[key], wrote[key], "{key} of {example}");
        }
        assert_eq!(keys(example), keys(line), "{example}\nis written as\n{line}");
        for (key, value) in wrote.as_object().unwrap() {
            let kind = |value: &Value| (value.is_string(), value.is_number(), value.is_boolean());
            assert_eq!(kind(&shown[key]), kind(value), "{key} of {example}");
        }
    }
}

#[test]
fn commands_that_read_the_log_name_what_is_in_it() {
    let page = page("docs/metrics-and-logging.md");
    let rows = page.table("event");
    let fields_of = |row: &[String]| -> BTreeSet<String> {
        let listed = row[3].split('`').skip(1).step_by(2).map(str::to_owned);
        listed
            .chain(["ts", "level", "event", "message", "target", "session_id", "pipeline_id"].map(str::to_owned))
            .collect()
    };
    let find =
        |event: &str| rows.iter().find(|row| code(&row[0]) == event).unwrap_or_else(|| panic!("no event {event}"));
    let all: BTreeSet<String> = rows.iter().flat_map(|row| fields_of(row)).collect();
    let commands = page.blocks("sh").concat();
    let mut named = 0;
    for word in commands.split_whitespace() {
        let is_field = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        let Some((field, value)) = word.split_once('=').filter(|(field, _)| is_field(field)) else { continue };
        assert!(all.contains(&field.to_lowercase()), "no line has the field {field}");
        if field == "EVENT" {
            find(value);
        }
        named += 1;
    }
    for command in commands.lines().filter(|line| line.starts_with("jq ")) {
        let (_, event) = command.split_once(".event == \"").unwrap();
        let (event, rest) = event.split_once('"').unwrap();
        let (list, _) = rest.split_once('[').unwrap().1.split_once(']').unwrap();
        let fields = fields_of(find(event));
        for field in list.split(", ") {
            assert!(fields.contains(field.trim_start_matches('.')), "{event} has no field {field}");
            named += 1;
        }
    }
    assert!(named >= 6, "{named}");
}
