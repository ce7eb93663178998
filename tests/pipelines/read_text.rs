//! `read_text`: what it makes of detections, with modules of a few lines.

use forgesyted_tests::builder::measure_node;
use forgesyted_tests::modules::module;
use forgesyted_tests::{Builder, Daemon, frames};
use serde_json::{Value, json};
use turbojpeg::{Image, PixelFormat, Subsamp};

/// Reads a bright crop as "a" and a dark one as "b", in one step.
fn brightness_reader() -> String {
    module(
        "Tensor",
        "bright = torch.mean(x, [1, 2, 3])\n\
         steps = torch.stack([torch.zeros_like(bright), bright, torch.rsub(bright, 1)], 1)\n\
         return torch.unsqueeze(torch.mul(steps, 20), 1)",
    )
}

/// A module for `measure` that finds these boxes, whatever it sees.
fn finds(boxes: &[[i32; 4]]) -> String {
    let one = |edges: &[i32; 4]| {
        let edges: Vec<f32> = edges.iter().map(|&edge| edge as f32).collect();
        format!(
            "annotate(Dict[str, Any], {{\"box\": {edges:?}, \"score\": 0.5, \"class_id\": 7, \"label\": \"sign\"}})"
        )
    };
    let list: Vec<String> = boxes.iter().map(one).collect();
    module(
        "Dict[str, Any]",
        &format!(
            "found = annotate(List[Dict[str, Any]], [{}])\nreturn annotate(Dict[str, Any], {{\"detections\": found}})",
            list.join(", ")
        ),
    )
}

fn read_node(more: &str) -> String {
    format!(
        "[[node]]\nid = \"read\"\nkind = \"read_text\"\ninputs = [\"found\"]\nmodel = \"reader.pt\"\nalphabet = \"ab\"\n{more}\n"
    )
}

fn reading(boxes: &[[i32; 4]]) -> Builder {
    reading_with(&brightness_reader(), boxes)
}

fn reading_with(reader: &str, boxes: &[[i32; 4]]) -> Builder {
    let nodes = measure_node("found", "input_size = [8, 8]") + &read_node("widths = [16, 64]");
    Daemon::builder().model("found", &finds(boxes)).model("reader", reader).pipeline("signs", &nodes)
}

/// White on the left, black on the right.
fn half_white(width: usize, height: usize) -> Vec<u8> {
    let pixels: Vec<u8> =
        (0..width * height).flat_map(|at| [if at % width < width / 2 { 255 } else { 0 }; 3]).collect();
    let image = Image { pixels: pixels.as_slice(), width, pitch: width * 3, height, format: PixelFormat::RGB };
    turbojpeg::compress(image, 95, Subsamp::None).unwrap().to_vec()
}

fn texts(result: &Value) -> Vec<&str> {
    result["detections"].as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap()).collect()
}

#[test]
fn every_detection_gets_the_text_of_its_own_crop() {
    // Two widths of crops, so two batches; the order stays that of the detections.
    let boxes = [[100, 10, 120, 30], [0, 50, 60, 60], [10, 10, 30, 30], [70, 80, 128, 90]];
    let daemon = reading(&boxes).start();
    let result = daemon.client("signs").ask(&half_white(128, 96));
    assert_eq!(texts(&result), ["b", "a", "a", "b"]);
    assert_eq!(result["text"], "a b\na\nb", "rows from above, each from the left");
    let first = &result["detections"][0];
    assert_eq!(
        (&first["box"], &first["label"], &first["class_id"]),
        (&json!([100.0, 10.0, 120.0, 30.0]), &json!("sign"), &json!(7))
    );
    assert!(first["text_score"].as_f64().unwrap() > 0.9, "{first}");
}

#[test]
fn crops_go_together_only_to_readers_that_were_seen_to_take_them() {
    // What a reader does with more than one crop.
    let with_several = |more: &str| {
        brightness_reader().replace("    steps =", &format!("    if x.size(0) > 1:\n      {more}\n    steps ="))
    };
    let boxes = [[100, 10, 120, 30], [0, 50, 60, 60], [10, 10, 30, 30], [70, 80, 128, 90]];
    for (name, reader) in [
        ("mixes", with_several("bright = torch.sub(bright, torch.mul(torch.mean(bright), 1.2))")),
        ("was traced for one", with_several("bright = torch.slice(bright, 0, 0, 1)")),
        ("repeats", with_several("bright = torch.expand_as(torch.slice(bright, 0, 0, 1), bright)")),
        ("refuses", with_several("ops.prim.RaiseException(\"one at a time\")")),
    ] {
        let daemon = reading_with(&reader, &boxes).start();
        assert_eq!(daemon.events().of_kind("pipeline_rejected"), Vec::<Value>::new(), "{name}");
        let result = daemon.client("signs").ask(&half_white(128, 96));
        assert_eq!(texts(&result), ["b", "a", "a", "b"], "{name}");
    }
}

#[test]
fn crops_at_the_border_and_beyond_it_have_what_is_there() {
    let boxes = [[-20, -20, 20, 20], [120, 80, 400, 300], [200, 10, 240, 30], [10, 10, 10, 30], [60, 40, 20, 50]];
    let daemon = reading(&boxes).start();
    let mut client = daemon.client("signs");
    let result = client.ask(&half_white(128, 96));
    assert_eq!(texts(&result), ["a", "b", "", "", ""]);
    assert_eq!(result["detections"][2]["text_score"], 0.0);
    assert_eq!(texts(&client.ask(&half_white(1, 1))).len(), 5, "a frame of one pixel");
}

#[test]
fn no_detection_and_three_hundred() {
    let daemon = reading(&[]).start();
    let result = daemon.client("signs").ask(&frames::camera());
    assert_eq!((&result["detections"], &result["text"]), (&json!([]), &json!("")));
    let boxes: Vec<[i32; 4]> =
        (0..300).map(|at| [at % 100, at / 100 * 30, at % 100 + 28, at / 100 * 30 + 20]).collect();
    let daemon = reading(&boxes).start();
    let result = daemon.client("signs").ask(&half_white(256, 96));
    assert_eq!(texts(&result), vec!["a"; 300]);
}

#[test]
fn a_reader_whose_output_does_not_fit_is_refused_at_load() {
    let reader = |body: &str| module("Tensor", body);
    let nodes = measure_node("found", "input_size = [8, 8]") + &read_node("widths = [16]");
    for (body, found) in [
        ("return x", "[1, 3, 32, 16]"),
        ("return torch.mean(x, [2])", "[1, 3, 16]"),
        ("return torch.zeros([5, 1, 3])", "[5, 1, 3]"),
        ("return torch.zeros([1, 4, 4])", "[1, 4, 4]"),
    ] {
        let builder =
            Daemon::builder().model("found", &finds(&[])).model("reader", &reader(body)).pipeline("signs", &nodes);
        let output = builder.run("check");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_ne!(output.status.code(), Some(0), "{body}");
        assert!(said.contains(found) && said.contains("T, 3]"), "{body}: {said}");
    }
}
