//! `classify`: the frame or each crop, in batches where the module takes them.

use forgesyted_tests::modules::{detector, module};
use forgesyted_tests::{Daemon, frames};
use serde_json::{Value, json};

use super::{find, node, rejection};

/// Scores of `[N, 3]`: how red, green and blue each picture is.
fn colours() -> String {
    module("Tensor", "return torch.mean(x, [2, 3])")
}

const SETTINGS: &str =
    "model = \"colours.pt\"\ninput_size = [16, 16]\nlabels = [\"red\", \"green\", \"blue\"]\nsoftmax = false";

fn classify(more: &str) -> String {
    node("kind", "classify", &format!("{SETTINGS}\n{more}"))
}

/// Left half red, right half blue.
fn halves() -> Vec<u8> {
    frames::from_fn(200, 100, |x, _| if x < 100 { [250, 10, 10] } else { [10, 10, 250] })
}

fn best(detection: &Value) -> &str {
    detection["classes"][0]["label"].as_str().unwrap_or("nothing")
}

#[test]
fn the_whole_frame() {
    let daemon = Daemon::builder()
        .model("colours", &colours())
        .pipeline("one", &classify(""))
        .pipeline("all", &classify("top_k = 5\nkey = \"colours\""))
        .pipeline("soft", &classify("top_k = 3").replace("softmax = false", "softmax = true"))
        .pipeline("centred", &classify("mean = [0, 1, 0]\nstd = [0.5, 0.5, 0.5]\ntop_k = 3"))
        .start();
    let green = frames::solid(64, 48, [0, 255, 51]);
    let near = |result: &Value, key: &str, expected: &[(&str, f64)]| {
        let classes = result[key].as_array().unwrap();
        assert_eq!(classes.len(), expected.len(), "{result}");
        for (class, (label, score)) in classes.iter().zip(expected) {
            assert_eq!(class["label"], *label, "{result}");
            assert_eq!(class["class_id"], ["red", "green", "blue"].iter().position(|name| name == label).unwrap());
            assert!((class["score"].as_f64().unwrap() - score).abs() < 0.02, "{label} is {score}: {result}");
        }
    };
    near(&daemon.client("one").ask(&green), "classes", &[("green", 1.0)]);
    near(&daemon.client("all").ask(&green), "colours", &[("green", 1.0), ("blue", 0.2), ("red", 0.0)]);
    let parts = [1.0_f64, 0.2, 0.0].map(f64::exp);
    let sum: f64 = parts.iter().sum();
    let soft = [("green", parts[0] / sum), ("blue", parts[1] / sum), ("red", parts[2] / sum)];
    near(&daemon.client("soft").ask(&green), "classes", &soft);
    near(&daemon.client("centred").ask(&green), "classes", &[("blue", 0.4), ("red", 0.0), ("green", 0.0)]);
}

#[test]
fn each_crop_also_at_the_border_and_none_that_shows_nothing() {
    let finds = detector(
        "_0 = torch.append(found, self.found_one(10.0, 10.0, 90.0, 90.0, 0.9, \"box\", 0))\n\
         _1 = torch.append(found, self.found_one(150.0, -20.0, 260.0, 40.0, 0.8, \"box\", 0))\n\
         _2 = torch.append(found, self.found_one(-40.0, 10.0, -10.0, 30.0, 0.7, \"box\", 0))\n\
         _3 = torch.append(found, self.found_one(50.0, 50.0, 50.0, 50.0, 0.6, \"box\", 0))",
    );
    let yard = format!("{}{}", find(), classify("inputs = [\"find\"]"));
    let whole = format!("{}{}", find(), classify("inputs = [\"find\"]\nof = \"frame\""));
    let daemon = Daemon::builder()
        .model("find", &finds)
        .model("colours", &colours())
        .pipeline("yard", &yard)
        .pipeline("whole", &whole)
        .start();
    let result = daemon.client("yard").ask(&halves());
    let detections = result["detections"].as_array().unwrap();
    let kinds: Vec<&str> = detections.iter().map(best).collect();
    assert_eq!(kinds, ["red", "blue", "nothing", "nothing"], "{result}");
    assert_eq!((&detections[2]["classes"], &detections[0]["label"]), (&json!([]), &json!("box")));
    assert!(result.get("classes").is_none(), "{result}");
    let result = daemon.client("whole").ask(&frames::solid(64, 64, [0, 0, 255]));
    assert_eq!(best(&result), "blue");
    assert_eq!(result["detections"].as_array().unwrap().len(), 4);
}

#[test]
fn as_many_crops_as_there_are() {
    // Columns of one pixel in turn, from the left: none in a black frame.
    let many = detector(
        "count = 300\nif red < 0.01:\n  count = 0\nfor i in range(count):\n  \
         x1 = float(i % 200)\n  \
         _0 = torch.append(found, self.found_one(x1, 0.0, x1 + 1.0, 100.0, 0.5, \"column\", 0))",
    );
    let daemon = Daemon::builder()
        .model("find", &many)
        .model("colours", &colours())
        .pipeline("yard", &format!("{}{}", find(), classify("inputs = [\"find\"]")))
        .start();
    let mut client = daemon.client("yard");
    let result = client.ask(&halves());
    let detections = result["detections"].as_array().unwrap();
    assert_eq!(detections.len(), 300);
    for (at, detection) in detections.iter().enumerate() {
        // A JPEG's blocks are of 8 pixels: at the edge of the halves the colours mix.
        if !(90..110).contains(&(at % 200)) {
            assert_eq!(best(detection), if at % 200 < 100 { "red" } else { "blue" }, "{at}: {detection}");
        }
    }
    assert_eq!(client.ask(&frames::black()), json!({"detections": []}));
}

#[test]
fn batches_go_only_to_modules_that_were_seen_to_take_them() {
    let finds = detector(
        "_0 = torch.append(found, self.found_one(0.0, 0.0, 90.0, 90.0, 0.9, \"box\", 0))\n\
         _1 = torch.append(found, self.found_one(110.0, 0.0, 190.0, 90.0, 0.9, \"box\", 0))",
    );
    let shown = |body: &str| module("Tensor", &format!("scores = torch.mean(x, [2, 3])\n{body}\nreturn scores"));
    // The second class shows whether the picture came with another; the difference is small enough to pass for rounding.
    let tells = "one = torch.div(torch.sum(torch.mul(x, 0.0), [1, 2, 3]), 1.0)\n\
                 size = torch.mul(torch.add(one, float(x.size(0))), 0.001)\n\
                 scores = torch.stack([torch.add(one, 1.0015), torch.add(size, 1.0), torch.mul(one, 0.0)], 1)";
    let refuses = "if x.size(0) > 1:\n  ops.prim.RaiseException(\"one at a time\")";
    let mixes = "scores = torch.sub(scores, torch.mean(scores, [0], True))\n\
                 if x.size(0) == 1:\n  scores = torch.mean(x, [2, 3])";
    let forgets = "scores = torch.slice(scores, 0, 0, 1)";
    // Every row is that of the first picture, which is right for the first.
    let repeats = "scores = torch.expand_as(torch.slice(scores, 0, 0, 1), scores)";
    let models = [("takes", tells), ("refuses", refuses), ("mixes", mixes), ("forgets", forgets), ("repeats", repeats)];
    let mut builder = Daemon::builder().model("find", &finds).setting("log.level", r#""debug""#);
    for (id, body) in models {
        let kind = classify("inputs = [\"find\"]").replace("colours.pt", &format!("{id}.pt"));
        builder = builder.model(id, &shown(body)).pipeline(id, &format!("{}{kind}", find()));
    }
    let daemon = builder.start();
    assert_eq!(daemon.events().of_kind("pipeline_rejected"), Vec::<Value>::new());
    for (id, expected) in [
        ("takes", ["green"; 2]),
        ("refuses", ["red", "blue"]),
        ("mixes", ["red", "blue"]),
        ("forgets", ["red", "blue"]),
        ("repeats", ["red", "blue"]),
    ] {
        let result = daemon.client(id).ask(&halves());
        let kinds: Vec<&str> = result["detections"].as_array().unwrap().iter().map(best).collect();
        assert_eq!(kinds, expected, "{id}: {result}");
    }
    assert_eq!(daemon.events().of_kind("no_batches").len(), 4, "each but the first");
}

#[test]
fn a_model_that_is_no_such_classifier_is_refused_with_what_it_gave() {
    let model = |returns: &str, body: &str, settings: &str| {
        let kind = node("kind", "classify", &format!("model = \"odd.pt\"\n{settings}"));
        rejection(Daemon::builder().model("odd", &module(returns, body)).pipeline("yard", &kind))
    };
    let size = "input_size = [16, 16]";
    let why = model("Tensor", "return torch.mean(x, [1])", size);
    assert!(
        why.contains("node \"kind\": the model returned tensor [1, 16, 16]") && why.contains("[1, classes]"),
        "{why}"
    );
    let fussy = "if x.size(3) != 64:\n  ops.prim.RaiseException(\"64 wanted\")\nreturn torch.mean(x, [2, 3])";
    let why = model("Tensor", fussy, size);
    assert!(
        why.contains("the module fails on a picture of 16x16 (its input_size): ") && why.contains("64 wanted"),
        "{why}"
    );
    let why = model("float", "return 1.0", size);
    assert!(why.contains("the model returned number"), "{why}");
    let why = model("Tensor", "return torch.zeros([1, 0], dtype=6)", size);
    assert!(why.contains("tensor [1, 0]"), "{why}");
    let labels = format!("{size}\nlabels = [\"red\", \"green\"]");
    let why = model("Tensor", "return torch.mean(x, [2, 3])", &labels);
    assert!(why.contains("labels has 2 names, and the model gives 3 classes"), "{why}");
}
