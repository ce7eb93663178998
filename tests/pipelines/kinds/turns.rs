//! When nodes run: `every` and `when`.

use forgesyted_tests::modules::{detector, module};
use forgesyted_tests::{Daemon, frames};
use serde_json::{Value, json};

use super::{find, node, rejection};

fn grey(level: u8) -> Vec<u8> {
    frames::solid(32, 32, [level; 3])
}

/// The frame's brightness in tenths, which no JPEG blurs.
fn tenths() -> String {
    module("int", "return int(float(torch.mean(x)) * 10.1)")
}

#[test]
fn a_node_runs_on_every_nth_frame_and_is_carried_between() {
    let slow = node("slow", "measure", "model = \"tenths.pt\"\nevery = 3");
    let fast = node("fast", "measure", "model = \"tenths.pt\"");
    let daemon = Daemon::builder().model("tenths", &tenths()).pipeline("yard", &format!("{slow}{fast}")).start();
    let mut client = daemon.client("yard");
    let levels: [u8; 7] = [0, 51, 102, 153, 204, 255, 51];
    let results: Vec<Value> = levels.iter().map(|level| client.ask(&grey(*level))).collect();
    let fresh = |slow: u64, fast: u64| json!({"slow": slow, "fast": fast});
    let carried = |slow: u64, fast: u64| json!({"slow": slow, "fast": fast, "carried": ["slow"]});
    assert_eq!(
        results,
        [fresh(0, 0), carried(0, 2), carried(0, 4), fresh(6, 6), carried(6, 8), carried(6, 10), fresh(2, 2)]
    );
    let metrics = daemon.metrics();
    assert_eq!((metrics.stage_count("yard", "slow"), metrics.stage_count("yard", "fast")), (3, 7));
    assert_eq!(metrics.stage_count("yard", "decode"), 7);
    // Another session has its own turns, and nothing of this one's.
    assert_eq!(daemon.client("yard").ask(&grey(102)), fresh(4, 4));
}

#[test]
fn a_frame_that_no_node_looks_at_is_not_decoded() {
    let slow = node("slow", "measure", "model = \"tenths.pt\"\nevery = 3");
    let daemon = Daemon::builder().model("tenths", &tenths()).pipeline("yard", &slow).start();
    let mut client = daemon.client("yard");
    let mut damaged = frames::synthetic(64, 48);
    damaged.truncate(damaged.len() / 2);
    damaged.extend([0xFF, 0xD9]);
    let slow = |result: Value| (result["slow"].as_u64(), result.get("carried").is_some());
    assert_eq!(slow(client.ask(&grey(102))), (Some(4), false));
    for _ in 0..2 {
        assert_eq!(slow(client.ask(&damaged)), (Some(4), true));
    }
    assert_eq!(slow(client.ask(&grey(204))), (Some(8), false));
    assert_eq!(daemon.metrics().stage_count("yard", "decode"), 2);
    (0..2).for_each(|_| drop(client.ask(&damaged)));
    client.send(&damaged);
    client.ends_in("invalid_frame", 1007);
}

#[test]
fn nodes_run_on_what_is_carried() {
    let finds = detector("_0 = torch.append(found, self.found_one(0.0, 0.0, 9.0, 9.0, red, \"person\", 0))");
    let nodes = [
        node("find", "measure", "model = \"find.pt\"\nevery = 2"),
        node("sure", "filter", "inputs = [\"find\"]\nmin_score = 0.5"),
    ];
    let daemon = Daemon::builder().model("find", &finds).pipeline("yard", &nodes.concat()).start();
    let mut client = daemon.client("yard");
    let count = |result: &Value| result["detections"].as_array().unwrap().len();
    let results: Vec<Value> = [grey(200), grey(0), grey(0)].iter().map(|frame| client.ask(frame)).collect();
    assert_eq!(results.iter().map(count).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!((results[0].get("carried"), &results[1]["carried"]), (None, &json!(["find"])));
}

#[test]
fn a_node_runs_only_when_another_found_something() {
    let finds = detector(
        "if red > 0.5:\n  _0 = torch.append(found, self.found_one(0.0, 0.0, 9.0, 9.0, 0.9, \"traffic light\", 9))\n\
         if blue > 0.5:\n  _1 = torch.append(found, self.found_one(0.0, 0.0, 9.0, 9.0, 0.9, \"person\", 0))",
    );
    let nodes = [
        find(),
        node("any", "measure", "model = \"one.pt\"\ninputs = [\"find\"]\nwhen = \"find is not empty\""),
        node("light", "measure", "model = \"one.pt\"\ninputs = [\"find\"]\nwhen = \"find has traffic light\""),
        // Asks a node that it depends on by way of another; that one may be skipped.
        node("after", "measure", "model = \"one.pt\"\ninputs = [\"light\"]\nwhen = \"find has person\""),
        node("chain", "measure", "model = \"one.pt\"\ninputs = [\"light\"]\nwhen = \"light is not empty\""),
    ];
    let daemon = Daemon::builder()
        .model("find", &finds)
        .model("one", &module("int", "return 1"))
        .pipeline("yard", &nodes.concat())
        .start();
    let mut client = daemon.client("yard");
    let mut ran = |red: u8, blue: u8| {
        let result = client.ask(&frames::solid(32, 32, [red, 0, blue]));
        let ids = ["any", "light", "after", "chain"];
        ids.into_iter().filter(|id| result.get(*id).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(ran(0, 0), Vec::<&str>::new());
    assert_eq!(ran(255, 0), ["any", "light", "chain"]);
    assert_eq!(ran(0, 255), ["any", "after"]);
    assert_eq!(ran(255, 255), ["any", "light", "after", "chain"]);
    assert_eq!(ran(0, 0), Vec::<&str>::new());
    let metrics = daemon.metrics();
    let counts = ["find", "any", "light", "after", "chain"].map(|id| metrics.stage_count("yard", id));
    assert_eq!(counts, [5, 3, 2, 2, 2]);
}

#[test]
fn both_together_run_no_more_often_than_every_nth_frame() {
    let finds =
        detector("if red > 0.5:\n  _0 = torch.append(found, self.found_one(0.0, 0.0, 9.0, 9.0, 0.9, \"cat\", 9))");
    let gated =
        node("level", "measure", "model = \"tenths.pt\"\ninputs = [\"find\"]\nevery = 3\nwhen = \"find has cat\"");
    let daemon = Daemon::builder()
        .model("find", &finds)
        .model("tenths", &tenths())
        .pipeline("yard", &format!("{}{gated}", find()))
        .start();
    let mut client = daemon.client("yard");
    let mut level = |level: u8| {
        let result = client.ask(&grey(level));
        (result["level"].as_u64(), result.get("carried").is_some())
    };
    assert_eq!(level(51), (None, false), "no cat so far");
    assert_eq!(level(255), (Some(10), false), "at once");
    assert_eq!(level(51), (None, false), "no cat, and nothing is carried");
    assert_eq!(level(204), (Some(10), true), "a cat again, two frames after");
    assert_eq!(level(204), (Some(8), false), "three frames after");
}

#[test]
fn every_node_is_tried_at_load_whatever_its_turn() {
    let raises = module("int", "ops.prim.RaiseException(\"never works\")\nreturn 1");
    let finds = detector("red = green");
    let late =
        node("late", "measure", "model = \"raises.pt\"\ninputs = [\"find\"]\nevery = 1000\nwhen = \"find has cat\"");
    let builder = Daemon::builder().model("find", &finds).model("raises", &raises);
    let why = rejection(builder.pipeline("yard", &format!("{}{late}", find())));
    assert!(why.contains("node \"late\" fails on the sample frame") && why.contains("never works"), "{why}");
}

#[test]
fn what_is_no_turn_is_refused() {
    let why = |settings: &str| {
        let later = node("later", "noop", settings);
        rejection(Daemon::builder().pipeline("yard", &format!("{}{later}", node("find", "noop", ""))))
    };
    for (settings, says) in [
        ("every = 0", "node \"later\": every = 0: use 1 (each frame) to 1000000"),
        ("inputs = [\"find\"]\nwhen = \"find has\"", "\"<node> has <label>\" or \"<node> is not empty\""),
        ("when = \"find has cat\"", "\"find\" is no node before this one; name a node in `inputs` first"),
        ("inputs = [\"find\"]\nwhen = \"cat is not empty\"", "its inputs, and theirs, are: find"),
    ] {
        let found = why(settings);
        assert!(found.contains(says), "{settings}: {found}");
    }
}
