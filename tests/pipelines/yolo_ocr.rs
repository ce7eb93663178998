//! The shipped `yolo_ocr` and `text_regions`, with their own models, on a rendered picture.

use std::fs;

use forgesyted_tests::{Builder, Daemon, frames, sources};
use serde_json::{Value, json};

/// Pipelines of `config/`, with the models.
fn shipped(ids: &[&str]) -> Builder {
    let config = sources::root().join("config");
    let copy = |builder: Builder, name: &str| builder.file(name, fs::read(config.join(name)).unwrap());
    let builder = copy(copy(Daemon::builder(), "models/text_detector.pt"), "models/text_reader.pt");
    ids.iter().fold(builder, |builder, id| copy(builder, &format!("pipelines/{id}.toml")))
}

fn texts(result: &Value) -> Vec<&str> {
    result["detections"].as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap()).collect()
}

/// Five lines in fonts that the models never saw, two of them slanting; `evaluate.py fixture` made it.
fn picture() -> Vec<u8> {
    fs::read(sources::root().join("tests/pipelines/text.jpg")).unwrap()
}

const LINES: [&str; 5] = ["Platform 9", "Next train 14:35", "Gate B12 closed", "TICKETS", "Total: 12.50"];

#[test]
fn the_shipped_yolo_ocr_reads_a_rendered_picture() {
    let daemon = shipped(&["yolo_ocr", "text_regions"]).setting("log.level", r#""debug""#).start();
    // The reader takes its crops together, or it would be several times as slow.
    assert_eq!(daemon.events().of_kind("no_batches"), Vec::<Value>::new());
    let result = daemon.client("yolo_ocr").ask(&picture());
    let mut found = texts(&result);
    let mut expected = LINES;
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{result:#}");
    assert_eq!(result["text"], LINES.join("\n"));
    for line in result["detections"].as_array().unwrap() {
        assert_eq!((line["polygon"].as_array().unwrap().len(), &line["label"]), (4, &json!("text")));
        assert!(line["text_score"].as_f64().unwrap() > 0.5, "{line}");
    }
    // The same regions without the reader.
    let regions = daemon.client("text_regions").ask(&picture());
    let boxes = |result: &Value| -> Vec<Value> {
        result["detections"].as_array().unwrap().iter().map(|line| line["polygon"].clone()).collect()
    };
    assert_eq!(boxes(&regions), boxes(&result));
    assert!(regions["detections"][0].get("text").is_none());
}

#[test]
fn the_shipped_yolo_ocr_takes_any_frame() {
    let daemon = shipped(&["yolo_ocr"]).start();
    let mut client = daemon.client("yolo_ocr");
    for jpeg in [
        frames::solid(640, 480, [255; 3]),
        frames::solid(1, 1, [0; 3]),
        frames::solid(4000, 3000, [90, 120, 30]),
        frames::solid(2000, 3, [200; 3]),
    ] {
        let result = client.ask(&jpeg);
        assert_eq!((&result["detections"], &result["text"]), (&json!([]), &json!("")));
    }
    assert_eq!(texts(&client.ask(&picture())).len(), LINES.len(), "and serves on");
}

#[test]
fn the_example_of_the_page_loads() {
    let page = fs::read_to_string(sources::root().join("docs/nodes-text.md")).unwrap();
    let example = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let example = example.into_iter().find(|text| text.contains("\"read_text\"")).unwrap();
    let shipped_file = fs::read_to_string(sources::root().join("config/pipelines/yolo_ocr.toml")).unwrap();
    let table: toml::Table = toml::from_str(&shipped_file).unwrap();
    let alphabet = table["node"][1]["alphabet"].as_str().unwrap();
    let daemon = shipped(&[])
        .file("pipelines/signs.toml", example)
        .file("models/text_alphabet.txt", alphabet.to_owned() + "\n")
        .start();
    assert_eq!(texts(&daemon.client("signs").ask(&picture())).len(), LINES.len());
}
