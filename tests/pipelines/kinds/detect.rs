//! `detect`: what goes on in a stream though it would refuse a pipeline at load. What its formats mean is tested beside the code,
//! what it finds in `pipelines/reference`.

use forgesyted_tests::modules::module;
use forgesyted_tests::{Daemon, frames};
use serde_json::json;

use super::{node, rejection};

/// One box; its class is 0, and 7 on pictures that are bright, or dark.
fn finds(comparison: &str) -> String {
    module(
        "Tensor",
        &format!(
            "class_id = 0.\nif float(torch.mean(x)) {comparison}:\n  class_id = 7.\n\
             return torch.reshape(torch.tensor([4., 4., 20., 20., 0.9, class_id]), [1, 1, 6])"
        ),
    )
}

#[test]
fn a_class_without_a_label_has_its_number_for_a_name_and_ends_no_session() {
    let settings =
        "model = \"finds.pt\"\nformat = \"yolo-end2end\"\ninput_size = [64, 64]\nlabels = [\"cat\", \"dog\"]";
    let detect = |more: &str| node("look", "detect", &format!("{settings}\n{more}"));
    let daemon = Daemon::builder()
        .model("finds", &finds("> 0.8"))
        .pipeline("all", &detect(""))
        .pipeline("cats", &detect("classes = [\"cat\"]"))
        .start();
    let mut client = daemon.client("all");
    let white = frames::solid(64, 64, [255; 3]);
    for (frame, label, class_id) in [(&frames::black(), "cat", 0), (&white, "7", 7), (&frames::black(), "cat", 0)] {
        let found = client.ask(frame)["detections"][0].clone();
        assert_eq!((&found["label"], &found["class_id"]), (&json!(label), &json!(class_id)), "{found}");
    }
    assert_eq!(daemon.client("cats").ask(&white), json!({"detections": []}));
    // The sample frame, which is not bright, shows it at load.
    let builder = Daemon::builder().model("finds", &finds("< 0.8")).pipeline("all", &detect(""));
    let why = rejection(builder);
    assert!(why.contains("fails on the sample frame: the module found an object of class 7"), "{why}");
}
