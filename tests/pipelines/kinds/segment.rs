//! `segment` with `format = "semantic"`: the runs, areas and classes of pictures whose masks are known. Masks of objects are in
//! `pipelines/reference`.

use forgesyted_tests::modules::module;
use forgesyted_tests::{Builder, Daemon, frames};
use serde_json::{Value, json};

use super::{node, rejection};

/// Class 0 where a pixel is red, class 1 where it is blue.
fn red_or_blue() -> String {
    module("Tensor", "return torch.stack([torch.select(x, 1, 0), torch.select(x, 1, 2)], 1)")
}

/// One class: 0.73 sure where a pixel is not red, 0.95 where it is.
fn red_rather_than_not() -> String {
    module("Tensor", "return torch.add(torch.mul(torch.slice(x, 1, 0, 1), 2.0), 1.0)")
}

/// Left half red, right half blue, twice as wide as it is high.
fn halves() -> Vec<u8> {
    frames::from_fn(200, 100, |x, _| if x < 100 { [250, 10, 10] } else { [10, 10, 250] })
}

fn semantic(model: &str, settings: &str) -> String {
    node("ground", "segment", &format!("model = \"{model}.pt\"\nformat = \"semantic\"\n{settings}"))
}

/// A mask as it stands in a result.
fn mask(label: &str, class_id: i64, area: f64, size: [i64; 2], counts: &[i64]) -> Value {
    json!({"label": label, "class_id": class_id, "area": area, "rle": {"size": size, "counts": counts}})
}

fn with(builder: Builder, pipelines: &[(&str, &str, &str)]) -> Builder {
    pipelines.iter().fold(builder, |builder, (id, model, settings)| builder.pipeline(id, &semantic(model, settings)))
}

#[test]
fn each_half_of_a_frame_has_its_class() {
    let labels = "labels = [\"red\", \"blue\"]";
    let (wide, high) = (format!("input_size = [20, 10]\n{labels}"), format!("input_size = [16, 32]\n{labels}"));
    let blue = format!("{wide}\nclasses = [\"blue\"]");
    let daemon = with(
        Daemon::builder().model("halves", &red_or_blue()),
        &[
            ("wide", "halves", &wide),
            ("high", "halves", &high),
            ("blue", "halves", &blue),
            ("numbers", "halves", "input_size = [20, 10]\nclasses = [0]"),
        ],
    )
    .start();
    let masks = |pipeline: &str| daemon.client(pipeline).ask(&halves())["masks"].clone();
    // Down the columns, outside first: the left half begins at once.
    let (left, right) = (&[0, 100, 100], &[100, 100]);
    let blue = mask("blue", 1, 10_000.0, [10, 20], right);
    assert_eq!(masks("wide"), json!([mask("red", 0, 10_000.0, [10, 20], left), blue]));
    assert_eq!(masks("blue"), json!([blue]));
    assert_eq!(masks("numbers"), json!([mask("0", 0, 10_000.0, [10, 20], left)]));
    // The areas are those of the frame, whatever the picture was stretched to.
    let stretched =
        [mask("red", 0, 10_000.0, [32, 16], &[0, 256, 256]), mask("blue", 1, 10_000.0, [32, 16], &[256, 256])];
    assert_eq!(masks("high"), json!(stretched));
}

#[test]
fn a_model_of_one_class_has_it_where_it_is_sure_enough() {
    let with_threshold = |threshold: &str| format!("input_size = [20, 10]\nmask_threshold = {threshold}");
    let (half, most, all) = (with_threshold("0.5"), with_threshold("0.9"), with_threshold("0.99"));
    let daemon = with(
        Daemon::builder().model("red", &red_rather_than_not()),
        &[("half", "red", &half), ("most", "red", &most), ("all", "red", &all)],
    )
    .start();
    let masks = |pipeline: &str| daemon.client(pipeline).ask(&halves())["masks"].clone();
    assert_eq!(masks("half"), json!([mask("0", 0, 20_000.0, [10, 20], &[0, 200])]));
    assert_eq!(masks("most"), json!([mask("0", 0, 10_000.0, [10, 20], &[0, 100, 100])]));
    assert_eq!(masks("all"), json!([]));
}

#[test]
fn a_wrong_input_size_is_told_as_such() {
    let fussy = module("Tensor", "if x.size(3) != 64:\n  ops.prim.RaiseException(\"64 wanted\")\nreturn x");
    for more in ["", "max_batch = 4"] {
        let settings = format!("input_size = [32, 16]\n{more}");
        let why = rejection(with(Daemon::builder().model("fussy", &fussy), &[("yard", "fussy", &settings)]));
        assert!(
            why.contains("the module fails on a picture of 32x16 (its input_size): ") && why.contains("64 wanted"),
            "{why}"
        );
        assert!(!why.contains("max_batch"), "{why}");
    }
}
