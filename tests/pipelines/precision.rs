//! Half precision and devices, for the engine and for a node: results stay near float32's, the log and `check` say how near
//! and whether it is faster, and what cannot run so is refused with a sentence.

use std::fs;

use forgesyted_tests::builder::measure_node;
use forgesyted_tests::modules::{detector, module};
use forgesyted_tests::{Builder, Daemon, frames, sources};
use serde_json::{Value, json};

/// libtorch's numbers for kinds of floats.
const KINDS: [(&str, i64); 3] = [("fp32", 6), ("fp16", 5), ("bf16", 15)];

/// Says what it is fed, and a number that half precision rounds: a convolution with weights of the input's kind.
fn rounding() -> String {
    module(
        "Dict[str, Any]",
        "weight = torch.full([4, 3, 3, 3], 0.0371, dtype=ops.prim.dtype(x))\n\
         y = torch.conv2d(x, weight, None, [2, 2], [1, 1], [1, 1], 1)\n\
         return annotate(Dict[str, Any], {\"kind\": ops.prim.dtype(x), \"mean\": torch.mean(y)})",
    )
}

/// Its weights are numbers in its code, as those of a frozen module: nothing turns them.
fn frozen() -> String {
    module("Tensor", "return torch.mean(torch.matmul(x, torch.ones([x.shape[3], 2], dtype=6)))")
}

fn builder() -> Builder {
    let sized = |more: &str| measure_node("rounding", &format!("input_size = [64, 48]\n{more}"));
    let own = KINDS.iter().fold(Daemon::builder().model("rounding", &rounding()), |builder, (precision, _)| {
        builder.pipeline(precision, &sized(&format!("precision = \"{precision}\"")))
    });
    own.pipeline("engines", &sized(""))
}

fn near(found: &Value, expected: &Value, within: f64) {
    let (found, expected) = (found["mean"].as_f64().unwrap(), expected["mean"].as_f64().unwrap());
    assert!((found - expected).abs() <= within * expected.abs(), "{found} is not near {expected}");
}

#[test]
fn a_node_runs_in_its_own_precision_or_in_the_engines() {
    let daemon = builder().setting("engine.precision", r#""bf16""#).start();
    let ask = |pipeline: &str| daemon.client(pipeline).ask(&frames::camera());
    let fp32 = ask("fp32");
    for (precision, kind) in KINDS {
        let found = ask(precision);
        assert_eq!(found["kind"], kind, "{precision}");
        near(&found, &fp32, 0.02);
    }
    assert_eq!(ask("engines"), ask("bf16"));
    // Half precision is compared with float32 at load, once for each node; float32 is not.
    let said = daemon.events().of_kind("precision");
    let of: Vec<&Value> = said.iter().map(|line| &line["pipeline_id"]).collect();
    assert_eq!(of, ["bf16", "engines", "fp16"]);
    for line in &said {
        assert_eq!(line["node"], "rounding");
        let difference = line["largest_difference"].as_f64().unwrap();
        assert!(difference > 0.0 && difference < 0.02, "rounded, and not wrong: {line}");
        assert!(line["took_ms"].as_f64().unwrap() > 0.0 && line["fp32_took_ms"].as_f64().unwrap() > 0.0, "{line}");
        let message = line["message"].as_str().unwrap();
        assert!(message.contains("from fp32 on the sample frame; ") && message.contains("ms in fp32"), "{message}");
    }
    // A change waits for a restart: what is loaded stays what it is.
    let config = std::fs::read_to_string(daemon.file("forgesyted.toml")).unwrap();
    std::fs::write(daemon.file("forgesyted.toml"), config.replace("\"bf16\"", "\"fp16\"")).unwrap();
    assert_eq!(daemon.reload("config_reloaded")["restart_needed"], "engine.precision");
    assert_eq!(ask("engines")["kind"], 15);
}

#[test]
fn a_module_that_writes_into_its_input_is_compared_on_the_same_picture() {
    let writes = module("Tensor", "_0 = torch.mul_(x, 0.5)\nreturn torch.mean(x, dtype=6)");
    let settings = "input_size = [64, 48]\nprecision = \"bf16\"";
    let daemon =
        Daemon::builder().model("writes", &writes).pipeline("writes", &measure_node("writes", settings)).start();
    let said = daemon.events().of_kind("precision").pop().unwrap();
    assert!(said["largest_difference"].as_f64().unwrap() < 0.02, "{said}");
    let half = daemon.client("writes").ask(&frames::white())["writes"].as_f64().unwrap();
    assert!((half - 0.5).abs() < 0.01, "{half}");
}

#[test]
fn check_says_what_half_precision_does() {
    let checked = builder().run("check");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}");
    for precision in ["fp16", "bf16"] {
        let start = format!("note     node \"rounding\" of pipeline {precision} in {precision}: at most ");
        assert_eq!(said.lines().filter(|line| line.starts_with(&start)).count(), 1, "{said}");
    }
    assert!(!said.contains("in fp32: at most"), "{said}");
}

#[test]
fn the_weights_of_a_shipped_model_are_turned_and_it_finds_the_same_lines() {
    let root = sources::root();
    let regions = fs::read_to_string(root.join("config/pipelines/text_regions.toml")).unwrap();
    let half = regions.replace("id = \"text_regions\"", "id = \"half\"") + "precision = \"bf16\"\n";
    let daemon = Daemon::builder()
        .file("models/text_detector.pt", fs::read(root.join("config/models/text_detector.pt")).unwrap())
        .file("pipelines/text_regions.toml", regions)
        .file("pipelines/half.toml", half)
        .start();
    let picture = fs::read(root.join("tests/pipelines/text.jpg")).unwrap();
    let lines = |pipeline: &str| daemon.client(pipeline).ask(&picture)["detections"].as_array().unwrap().clone();
    let (fp32, bf16) = (lines("text_regions"), lines("half"));
    assert_eq!((fp32.len(), bf16.len()), (5, 5));
    let numbers =
        |of: &Value| -> Vec<f64> { of["box"].as_array().unwrap().iter().map(|edge| edge.as_f64().unwrap()).collect() };
    for line in &fp32 {
        let near = |other: &&Value| numbers(line).iter().zip(numbers(other)).all(|(a, b)| (a - b).abs() < 5.0);
        assert_eq!(bf16.iter().filter(near).count(), 1, "{line} in {bf16:?}");
    }
    let said = daemon.events().of_kind("precision");
    assert_eq!(said.len(), 1, "{said:?}");
    let difference = said[0]["largest_difference"].as_f64().unwrap();
    assert!(difference > 0.0 && difference < 0.5, "rounded, and not wrong: {said:?}");
}

#[test]
fn a_model_with_nothing_to_run_on_in_the_sample_frame_is_not_compared() {
    let scores = module("Tensor", "return torch.mean(x, [2, 3])");
    let classify = "[[node]]\nid = \"kind\"\nkind = \"classify\"\ninputs = [\"find\"]\nmodel = \"scores.pt\"\n\
                    input_size = [16, 16]\nprecision = \"bf16\"\n";
    let found = "_0 = torch.append(found, self.found_one(0.0, 0.0, 90.0, 90.0, 0.9, \"box\", 0))";
    let pipeline = |builder: Builder, id: &str, body: &str| {
        let nodes = measure_node("find", "").replace("find.pt", &format!("{id}.pt")) + classify;
        builder.model(id, &detector(body)).pipeline(id, &nodes)
    };
    let builder = Daemon::builder().model("scores", &scores);
    let builder = pipeline(pipeline(builder, "nothing", ""), "something", found);
    let checked = builder.run("check");
    let told = String::from_utf8_lossy(&checked.stdout);
    assert!(told.contains("of pipeline nothing in bf16: not compared with fp32"), "{told}");
    assert!(told.contains("of pipeline something in bf16: at most "), "{told}");
    let said = builder.start().events().of_kind("precision");
    let line = |id: &str| said.iter().find(|line| line["pipeline_id"] == id).unwrap();
    for key in ["largest_difference", "took_ms", "fp32_took_ms"] {
        assert!(line("nothing")[key].is_null(), "{said:?}");
        assert!(line("something")[key].is_number(), "{said:?}");
    }
}

#[test]
fn what_cannot_run_so_is_refused_and_the_rest_serves() {
    let measure = |model: &str, more: &str| measure_node(model, more);
    let noop = |more: &str| format!("[[node]]\nid = \"n\"\nkind = \"noop\"\n{more}\n");
    let daemon = Daemon::builder()
        .model("frozen", &frozen())
        .pipeline("fine", &measure("frozen", "device = \"cpu\"\nprecision = \"fp32\""))
        .pipeline("auto", &measure("frozen", "device = \"auto\""))
        .pipeline("frozen", &measure("frozen", "precision = \"bf16\""))
        .pipeline("cuda", &measure("frozen", "device = \"cuda:1\""))
        .pipeline("unknown", &measure("frozen", "precision = \"fp8\""))
        .pipeline("gpu", &measure("frozen", "device = \"gpu\""))
        .pipeline("modelless", &noop("precision = \"bf16\""))
        .pipeline("placeless", &noop("device = \"cpu\""))
        .start();
    for pipeline in ["fine", "auto"] {
        assert!(daemon.client(pipeline).ask(&frames::camera())["frozen"].is_number(), "{pipeline}");
    }
    let rejected = daemon.events().of_kind("pipeline_rejected");
    for (pipeline, says) in [
        ("frozen", "fails on the sample frame: it runs in fp32, and not in bf16: "),
        ("cuda", "device = \"cuda:1\", and libtorch sees 0 CUDA devices"),
        ("unknown", "there is no precision \"fp8\"; use \"fp32\", \"fp16\" or \"bf16\""),
        ("gpu", "there is no device \"gpu\"; use \"auto\", \"cpu\" or \"cuda:N\""),
        ("modelless", "`precision` is for a node that runs a model"),
        ("placeless", "`device` is for a node that runs a model"),
    ] {
        let file = format!("/{pipeline}.toml");
        let line = rejected.iter().find(|line| line["file"].as_str().unwrap().ends_with(&file));
        let why = line.unwrap_or_else(|| panic!("{pipeline} is not refused"))["err"].as_str().unwrap();
        assert!(why.contains(says), "{pipeline}: {why}");
    }
    assert_eq!(rejected.len(), 6);
    assert_eq!(daemon.client("noop").ask(&frames::camera()), json!({}));
}

/// A machine of the tests has no CUDA, or at least no ninth device.
#[test]
fn an_engine_whose_device_is_not_there_is_refused_with_what_to_do() {
    let builder = Daemon::builder().setting("engine.device", "\"cuda:8\"");
    let checked = builder.run("check");
    let told = String::from_utf8_lossy(&checked.stdout);
    assert!(told.contains("install a libtorch with CUDA") && checked.status.code() == Some(1), "{told}");
    let served = builder.run("serve");
    let log = String::from_utf8_lossy(&served.stderr);
    assert!(log.contains("start_failed") && log.contains("install a libtorch with CUDA"), "{log}");
    assert_eq!(served.status.code(), Some(1), "a driver may come later");
}

#[test]
fn a_module_that_takes_bytes_turns_them_itself() {
    let bytes = module(
        "Dict[str, Any]",
        "y = torch.mul(torch.mean(torch.to(x, 15)), 1.)\n\
         return annotate(Dict[str, Any], {\"kind\": ops.prim.dtype(x), \"mean\": y})",
    );
    let node = |more: &str| measure_node("bytes", &format!("input = \"u8\"\n{more}"));
    let daemon = Daemon::builder()
        .model("bytes", &bytes)
        .pipeline("half", &node("precision = \"bf16\""))
        .pipeline("whole", &node(""))
        .start();
    let ask = |pipeline: &str| daemon.client(pipeline).ask(&frames::camera());
    assert_eq!(ask("half")["kind"], 0);
    assert_eq!(ask("half"), ask("whole"));
}
