//! `filter`: what is kept of a detector's finds.

use forgesyted_tests::modules::detector;
use forgesyted_tests::{Daemon, frames};
use serde_json::Value;

use super::{find, node, rejection};

/// In a frame of 200 x 100: a person on the left, a car on the right, a small and unsure bird in the middle.
fn zoo() -> String {
    detector(
        "_0 = torch.append(found, self.found_one(10.0, 10.0, 50.0, 90.0, 0.9, \"person\", 0))\n\
         _1 = torch.append(found, self.found_one(120.0, 50.0, 190.0, 99.0, 0.6, \"car\", 2))\n\
         _2 = torch.append(found, self.found_one(90.0, 10.0, 100.0, 20.0, 0.3, \"bird\", 14))",
    )
}

#[test]
fn keeps_by_class_score_size_and_place() {
    let cases = [
        ("names", "classes = [\"person\", \"bird\"]", vec!["person", "bird"]),
        ("ids", "classes = [2, \"cat\"]", vec!["car"]),
        ("score", "min_score = 0.5", vec!["person", "car"]),
        ("large", "min_area = 0.01", vec!["person", "car"]),
        ("small", "max_area = 0.01", vec!["bird"]),
        ("left", "zones = [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]]", vec!["person", "bird"]),
        ("feet", "zones = [[[0, 0.5], [1, 0.5], [1, 1], [0, 1]]]", vec!["person", "car"]),
        ("middles", "zones = [[[0, 0], [1, 0], [1, 0.6], [0, 0.6]]]\nanchor = \"center\"", vec!["person", "bird"]),
        ("all", "classes = [0, 14]\nmin_score = 0.5", vec!["person"]),
        ("nothing", "classes = [\"cat\"]", vec![]),
    ];
    let mut builder = Daemon::builder().model("find", &zoo());
    for (id, settings, _) in &cases {
        let keep = node("keep", "filter", &format!("inputs = [\"find\"]\n{settings}"));
        builder = builder.pipeline(id, &format!("{}{keep}", find()));
    }
    let daemon = builder.start();
    let frame = frames::solid(200, 100, [90; 3]);
    for (id, settings, kept) in cases {
        let result = daemon.client(id).ask(&frame);
        let labels: Vec<&Value> =
            result["detections"].as_array().unwrap().iter().map(|detection| &detection["label"]).collect();
        assert_eq!(labels, kept, "{settings}");
    }
}

#[test]
fn takes_detections_from_a_node_and_from_nothing_else() {
    let alone = Daemon::builder().pipeline("yard", &node("keep", "filter", "min_score = 0.5"));
    let why = rejection(alone);
    assert!(why.contains("node \"keep\": it has no `inputs`"), "{why}");
    let zone = "inputs = [\"find\"]\nzones = [[[0, 0], [320, 0], [0, 1]]]";
    let yard = format!("{}{}", find(), node("keep", "filter", zone));
    let why = rejection(Daemon::builder().model("find", &zoo()).pipeline("yard", &yard));
    assert!(why.contains("node \"keep\": zone 1: corner [320, 0]"), "{why}");
}
