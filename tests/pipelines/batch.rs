//! Batches across sessions: only where the module was found to take them, and with the results that each frame would have
//! had alone.

use forgesyted_tests::builder::{Builder, measure_node};
use forgesyted_tests::modules::module;
use forgesyted_tests::{Daemon, frames, wait};
use serde_json::{Value, json};

/// One number a picture.
fn mean_of_each() -> String {
    module("Dict[str, Tensor]", "return annotate(Dict[str, Tensor], {\"mean\": torch.mean(x, [1, 2, 3])})")
}

fn with_batches(model: &str, source: &str, more: &str) -> Builder {
    let node = measure_node(model, &format!("input_size = [32, 32]\n{more}"));
    Daemon::builder().model(model, source).pipeline(model, &node)
}

/// Why the pipeline was refused at the start.
fn refusal(model: &str, source: &str, more: &str) -> String {
    let daemon = with_batches(model, source, more).start();
    daemon.events().wait_for("pipeline_rejected")["err"].as_str().unwrap().to_owned()
}

#[test]
fn frames_that_wait_run_as_one_batch_and_each_gets_its_own_result() {
    let (builder, gate) = with_batches("rows", &mean_of_each(), "max_batch = 3").held();
    let daemon = builder.start();
    let mut clients: Vec<_> = (0..4).map(|_| daemon.client("rows")).collect();
    // The only worker stands at the gate while frames of four sessions come.
    let mut holding = daemon.client("held");
    gate.close();
    let started = gate.started();
    holding.send(&frames::black());
    gate.wait_started(started, 1);
    for (client, grey) in clients.iter_mut().zip([0_u8, 51, 102, 204]) {
        client.send(&frames::solid(64, 48, [grey; 3]));
    }
    wait::until("four frames", || daemon.metrics().frames("received", "rows") == 4);
    gate.open();
    for (client, expected) in clients.iter_mut().zip([0.0, 0.2, 0.4, 0.8]) {
        let result = client.recv()["result"].clone();
        let mean = result["mean"][0].as_f64().unwrap_or_else(|| panic!("{result}"));
        assert!((mean - expected).abs() < 0.01, "{result}, not {expected}");
    }
    let metrics = daemon.metrics();
    assert_eq!(metrics.value("stream_batch_frames_sum{pipeline=\"rows\"}"), 4.0);
    assert_eq!(metrics.value("stream_batch_frames_count{pipeline=\"rows\"}"), 2.0, "three frames, then one");
    assert_eq!(metrics.frames("processed", "rows"), 4);
}

#[test]
fn a_module_that_mixes_pictures_is_found_out_at_load() {
    let mixes = module("Tensor", "return torch.sub(torch.amax(x, [1, 2, 3]), torch.mean(x))");
    let why = refusal("mixes", &mixes, "max_batch = 4");
    assert!(why.contains("max_batch = 4") && why.contains("other values"), "{why}");
    let whole = module("float", "return float(torch.mean(x))");
    let why = refusal("whole", &whole, "max_batch = 4");
    assert!(why.contains("not one row"), "{why}");
    let one = module("Tensor", "return torch.view(x, [1, 3072])");
    let why = refusal("one", &one, "max_batch = 4");
    assert!(why.contains("as a batch of 2"), "{why}");
    let why = refusal("rows", &mean_of_each(), "max_batch = 4\ninput = \"u8\"");
    assert!(why.contains("u8"), "{why}");
}

#[test]
fn a_module_that_fails_on_a_single_picture_is_not_told_to_leave_batches() {
    let fussy = module(
        "Tensor",
        "if x.size(3) != 64:\n  ops.prim.RaiseException(\"64 wanted\")\nreturn torch.mean(x, [1, 2, 3])",
    );
    let why = refusal("fussy", &fussy, "max_batch = 4");
    assert!(
        why.contains("the module fails on a picture of 32x32 (its input_size): ") && why.contains("64 wanted"),
        "{why}"
    );
    assert!(!why.contains("max_batch") && !why.contains("eave it out"), "{why}");
}

#[test]
fn without_max_batch_a_cpu_runs_frame_by_frame() {
    let daemon = with_batches("rows", &mean_of_each(), "").start();
    let result: Value = daemon.client("rows").ask(&frames::black());
    assert_eq!(result, json!({"mean": [0.0]}));
    let metrics = daemon.metrics();
    assert_eq!(metrics.value("stream_batch_frames_sum{pipeline=\"rows\"}"), 1.0);
}
