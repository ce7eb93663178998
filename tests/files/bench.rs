//! `forgesyted bench`: what it measures adds up, and what is unknown is said to be.

use forgesyted_tests::frames::solid;
use forgesyted_tests::modules;
use serde_json::Value;

use crate::ran::{builder, video};

#[test]
fn the_report_adds_up_and_says_what_it_was_measured_on() {
    let builder = builder().setting("engine.workers", 2);
    let words = ["--pipeline", "colour", "--frames", "40", "--sessions", "3", "--json", "--input"];
    let output = builder.words("bench", &[&words[..], &[&video("colours.mp4")]].concat()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
    assert_eq!(
        (report["pipeline"].as_str(), &report["frames"], &report["failed"]),
        (Some("colour"), &40.into(), &0.into())
    );
    assert!((number("/fps") * number("/seconds") - 40.0).abs() < 0.01, "{report}");
    assert_eq!((&report["input"]["frames"], &report["input"]["mean_bytes"]), (&16.into(), &(96 * 64 * 3).into()));
    let stages = report["stages"].as_array().unwrap();
    let names: Vec<&str> = stages.iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(names, ["wait", "decode", "colour", "total"]);
    for stage in stages {
        let times = ["p50_ms", "p99_ms", "max_ms"].map(|key| stage[key].as_f64().unwrap());
        assert!(times.is_sorted() && stage["count"].as_u64().unwrap() >= 30, "{stage}");
    }
    let in_batches = |batch: &Value| batch["frames"].as_u64().unwrap() * batch["runs"].as_u64().unwrap();
    let ran: u64 = report["batches"].as_array().unwrap().iter().map(in_batches).sum();
    assert!((38..=46).contains(&ran), "40 frames and those in hand: {report}");
    assert!(number("/memory/before_load_bytes") < number("/memory/peak_bytes"), "{report}");
    assert!(number("/memory/after_load_bytes") <= number("/memory/peak_bytes"), "{report}");
    let board = &report["board"];
    assert_eq!(
        (&board["device"], &board["workers"], &board["threads_per_worker"]),
        (&"cpu".into(), &2.into(), &1.into())
    );
    assert!(board["power"].get("mode").is_some() && board["after"].get("temperatures").is_some(), "{board}");
}

#[test]
fn the_table_is_the_default_and_made_pictures_are_the_input() {
    let builder = builder();
    let output = builder.words("bench", &["--pipeline", "colour", "--frames", "3"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.starts_with("pipeline colour, 1 session(s), "), "{table}");
    assert!(
        table.contains("made, like a camera's: 16 frame(s), ") && table.contains("\nfailed                   0\n"),
        "{table}"
    );
    assert!(table.lines().any(|line| line.starts_with("total ")), "{table}");
}

#[test]
fn what_cannot_be_measured_says_why() {
    let builder = builder()
        .measure("picky", &modules::raises_on_bright())
        .file("white.jpg", solid(16, 8, [255; 3]))
        .file("torn.mjpeg", [solid(16, 8, [9; 3]), vec![0xFF, 0xD8, 0xFF, 0xC0, 0, 3, 8]].concat())
        .file("text.txt", "no picture");
    let bench = |words: &[&str]| {
        let output = builder.words("bench", words).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (status, out, said) = bench(&["--pipeline", "picky", "--frames", "5", "--input", "white.jpg", "--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &report["frames"], &report["failed"]), (Some(1), &0.into(), &5.into()));
    assert!(report["first_failure"].as_str().unwrap().contains("picky") && said.contains("too bright"), "{said}");
    let (status, _, said) = bench(&["--pipeline", "yard"]);
    assert!(
        status == Some(1) && said.contains("there is no pipeline \"yard\": there are colour, noop, picky"),
        "{said}"
    );
    let (status, _, said) = bench(&["--pipeline", "noop", "--input", "text.txt"]);
    assert!(status == Some(1) && said.contains("text.txt is none of JPEG, PNG, "), "{said}");
    let (status, _, said) = bench(&["--pipeline", "noop", "--input", "torn.mjpeg"]);
    assert!(status == Some(1) && said.contains("damaged or cut off. Or give --input a file without damage"), "{said}");
}
