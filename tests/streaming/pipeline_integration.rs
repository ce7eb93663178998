//! Pipelines on real frames: what comes out is what the modules say, merged, and always JSON.

use forgesyted_tests::builder::measure_node;
use forgesyted_tests::modules::module;
use forgesyted_tests::{Daemon, frames, sources};
use serde_json::{Value, json};

fn scene() -> Daemon {
    let config = sources::root().join("config");
    let read = |name: &str| std::fs::read(config.join(name)).unwrap();
    Daemon::builder()
        .file("pipelines/scene.toml", read("pipelines/scene.toml"))
        .file("pipelines/noop.toml", read("pipelines/noop.toml"))
        .file("models/scene.pt", read("models/scene.pt"))
        .start()
}

#[test]
fn the_shipped_scene_and_noop() {
    let daemon = scene();
    let mut client = daemon.client("scene");
    let grey = client.ask(&frames::solid(640, 480, [128; 3]));
    let near = |key: &str, expected: f64, within: f64| {
        let found = grey[key].as_f64().unwrap();
        assert!((found - expected).abs() <= within, "{key} = {found}, not {expected}");
    };
    near("brightness", 128.0 / 255.0, 0.005);
    near("contrast", 0.0, 0.002);
    near("sharpness", 0.0, 0.1);
    near("colourfulness", 0.0, 2.0);
    near("overexposed", 0.0, 0.0);
    near("underexposed", 0.0, 0.0);
    assert_eq!(grey["verdict"], "covered");
    assert_eq!(client.ask(&frames::solid(320, 240, [255; 3]))["verdict"], "bright");
    assert_eq!(client.ask(&frames::synthetic(640, 480))["verdict"], "ok");
    let red = client.ask(&frames::solid(64, 48, [255, 0, 0]));
    assert!(red["colourfulness"].as_f64().unwrap() > 50.0, "{red}");
    assert_eq!(daemon.client("noop").ask(&frames::camera()), json!({}));
    // A pipeline without need of the picture decodes nothing.
    assert_eq!(daemon.metrics().stage_count("noop", "decode"), 0);

    let list = daemon.get("/v1/pipelines").json();
    let ids: Vec<&Value> = list["pipelines"].as_array().unwrap().iter().map(|pipeline| &pipeline["id"]).collect();
    assert_eq!(ids, ["noop", "scene"]);
    assert_eq!(list["pipelines"][1]["nodes"], json!([{"id": "scene", "kind": "measure", "inputs": []}]));
    assert_eq!(list["rejected"], json!([]));
}

#[test]
fn nodes_run_inputs_first_and_the_later_output_wins() {
    let constant = |name: &str, value: f64| {
        module(
            "Dict[str, float]",
            &format!("return annotate(Dict[str, float], {{\"{name}\": {value:?}, \"who\": {value:?}}})"),
        )
    };
    let (a, b, c) = (measure_node("a", ""), measure_node("b", ""), measure_node("c", ""));
    let daemon = Daemon::builder()
        .model("a", &constant("from_a", 1.0))
        .model("b", &constant("from_b", 2.0))
        .model("c", &constant("from_c", 3.0))
        // In the file the last node comes first.
        .pipeline(
            "diamond",
            &format!("{}{b}{c}{a}", measure_node("end", "inputs = [\"b\", \"c\"]").replace("end.pt", "a.pt")),
        )
        .pipeline(
            "chain",
            &format!("{}{}{a}", measure_node("c", "inputs = [\"b\"]"), measure_node("b", "inputs = [\"a\"]")),
        )
        .start();
    let mut client = daemon.client("diamond");
    let merged = client.ask(&frames::camera());
    // b, c, then `end` (which could run by now and stands first in the file), then a: the last word has a.
    assert_eq!(merged, json!({"from_a": 1.0, "from_b": 2.0, "from_c": 3.0, "who": 1.0}));
    let merged = daemon.client("chain").ask(&frames::camera());
    assert_eq!(merged, json!({"from_a": 1.0, "from_b": 2.0, "from_c": 3.0, "who": 3.0}));
    let metrics = daemon.metrics();
    for node in ["a", "b", "c", "end"] {
        assert_eq!(metrics.stage_count("diamond", node), 1, "{node}");
    }
    assert_eq!(metrics.stage_count("diamond", "decode"), 1, "all nodes share one decoding");
}

#[test]
fn whatever_a_module_returns_is_json() {
    let cases = [
        ("number", module("float", "return 1.5"), json!({"number": 1.5})),
        ("whole", module("int", "return 7"), json!({"whole": 7})),
        ("truth", module("bool", "return True"), json!({"truth": true})),
        ("nan", module("float", "return float(\"nan\")"), json!({"nan": null})),
        (
            "tensor",
            module("Tensor", "return torch.add(torch.zeros([2, 3], dtype=6), 0.5)"),
            json!({"tensor": [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]}),
        ),
        ("scalar", module("Tensor", "return torch.mean(torch.zeros_like(x))"), json!({"scalar": 0.0})),
        ("nothing", module("Tensor", "return torch.zeros([0, 4], dtype=6)"), json!({"nothing": []})),
        ("integers", module("Tensor", "return torch.arange(3)"), json!({"integers": [0, 1, 2]})),
        ("words", module("List[str]", "return [\"a\", \"\\\"b\"]"), json!({"words": ["a", "\"b"]})),
        (
            "mixed",
            module(
                "Dict[str, Any]",
                "bad = torch.div(torch.zeros([2], dtype=6), 0.0)\n\
                 return annotate(Dict[str, Any], {\"bad\": bad, \"inf\": float(\"inf\"), \"minus\": -float(\"inf\"), \
                 \"deep\": [[1.0, float(\"nan\")], [2.0]], \"none\": None, \"text\": \"ü\\n\", \"pair\": (1, \"x\")})",
            ),
            json!({"bad": [null, null], "inf": null, "minus": null, "deep": [[1.0, null], [2.0]], "none": null,
                   "text": "ü\n", "pair": [1, "x"]}),
        ),
    ];
    let mut builder = Daemon::builder();
    for (id, source, _) in &cases {
        builder = builder.measure(id, source);
    }
    let daemon = builder.start();
    assert_eq!(daemon.events().of_kind("pipeline_rejected"), Vec::<Value>::new());
    for (id, _, expected) in cases {
        assert_eq!(daemon.client(id).ask(&frames::camera()), expected, "{id}");
    }
}

#[test]
fn a_module_gets_the_picture_that_its_node_asks_for() {
    let shape = |body: &str| module("List[int]", &format!("{body}\nreturn x.shape"));
    let as_floats = shape("top = float(torch.max(x))\nif top > 1.0:\n  ops.prim.RaiseException(\"not 0 to 1\")");
    let as_bytes = module(
        "Dict[str, Any]",
        "return annotate(Dict[str, Any], {\"shape\": x.shape, \"dtype\": x.dtype, \"corner\": [int(x[0, 0, 0]), int(x[1, 0, 0]), int(x[2, 0, 0])]})",
    );
    let daemon = Daemon::builder()
        .model("floats", &as_floats)
        .model("bytes", &as_bytes)
        .pipeline("own", &measure_node("floats", ""))
        .pipeline("sized", &measure_node("floats", "input_size = [40, 30]"))
        .pipeline("bytes", &measure_node("bytes", "input = \"u8\""))
        .pipeline("sized-bytes", &measure_node("bytes", "input = \"u8\"\ninput_size = [20, 10]"))
        .start();
    let frame = frames::solid(96, 64, [250, 20, 100]);
    assert_eq!(daemon.client("own").ask(&frame), json!({"floats": [1, 3, 64, 96]}));
    assert_eq!(daemon.client("sized").ask(&frame), json!({"floats": [1, 3, 30, 40]}));
    for (id, shape) in [("bytes", json!([3, 64, 96])), ("sized-bytes", json!([3, 10, 20]))] {
        let seen = daemon.client(id).ask(&frame);
        assert_eq!((&seen["shape"], &seen["dtype"]), (&shape, &json!(0)), "{id}");
        for (found, sent) in seen["corner"].as_array().unwrap().iter().zip([250, 20, 100]) {
            assert!((found.as_i64().unwrap() - sent).abs() <= 3, "{id}: red, green, blue: {seen}");
        }
    }
    // Frames of one session may change their size.
    let mut client = daemon.client("own");
    assert_eq!(client.ask(&frames::white()), json!({"floats": [1, 3, 32, 32]}));
    assert_eq!(client.ask(&frame), json!({"floats": [1, 3, 64, 96]}));
}

#[test]
fn too_many_numbers_are_a_failure_and_the_most_allowed_are_not() {
    let count = |count: usize| {
        module(
            "Tensor",
            &format!(
                "many = {count}\nif float(torch.mean(x)) < 0.3:\n  many = 4096\nreturn torch.zeros([many], dtype=6)"
            ),
        )
    };
    let two = module(
        "Dict[str, Tensor]",
        "many = 2049\nif float(torch.mean(x)) < 0.3:\n  many = 2\n\
         return annotate(Dict[str, Tensor], {\"a\": torch.zeros([2048], dtype=6), \"b\": torch.zeros([many], dtype=6)})",
    );
    let numbers = module(
        "List[int]",
        "many = 1\nif float(torch.mean(x)) > 0.9:\n  many = 4097\nfound = annotate(List[int], [])\nfor i in range(many):\n  _0 = torch.append(found, i)\nreturn found",
    );
    // The sample frame at load is neither black nor white: these three pass it.
    let daemon = Daemon::builder()
        .measure("most", &count(4096))
        .measure("list", &numbers)
        .measure("sum", &two.replace("< 0.3", "< 0.9"))
        .measure("never", &count(4097))
        .start();
    let most = daemon.client("most").ask(&frames::black());
    assert_eq!(most["most"].as_array().unwrap().len(), 4096);
    for id in ["list", "sum"] {
        let mut client = daemon.client(id);
        client.send(&frames::white());
        client.ends_in("pipeline_failure", 1011);
    }
    let rejected = daemon.events().of_kind("pipeline_rejected");
    assert_eq!(rejected.len(), 1);
    let why = rejected[0]["err"].as_str().unwrap();
    assert!(why.contains("\"never\"") && why.contains("4096"), "{why}");
}

#[test]
fn a_relative_model_is_looked_for_in_order() {
    let answer =
        |value: f64| forgesyted_tests::modules::archive("answer", &module("float", &format!("return {value:?}")));
    let node = |id: &str, model: &str| {
        format!("id = \"{id}\"\n[[node]]\nid = \"v\"\nkind = \"measure\"\nmodel = \"{model}\"\n")
    };
    let builder = Daemon::builder();
    let absolute = builder.path().join("elsewhere/only.pt");
    let daemon = builder
        .setting("pipelines.model_dirs", r#"["models", "more"]"#)
        .file("pipelines/beside.toml", node("beside", "here.pt"))
        .file("pipelines/here.pt", answer(1.0))
        .file("models/here.pt", answer(2.0))
        .file("pipelines/first.toml", node("first", "both.pt"))
        .file("models/both.pt", answer(3.0))
        .file("more/both.pt", answer(4.0))
        .file("pipelines/second.toml", node("second", "sub/last.pt"))
        .file("more/sub/last.pt", answer(5.0))
        .file("pipelines/absolute.toml", node("absolute", absolute.to_str().unwrap()))
        .file("elsewhere/only.pt", answer(6.0))
        .start();
    for (id, value) in [("beside", 1.0), ("first", 3.0), ("second", 5.0), ("absolute", 6.0)] {
        assert_eq!(daemon.client(id).ask(&frames::camera()), json!({"v": value}), "{id}");
    }
}

#[test]
fn a_later_folder_replaces_an_id_and_a_second_file_of_one_folder_does_not() {
    let value = |value: f64| module("float", &format!("return {value:?}"));
    let toml = |model: &str, name: &str| {
        format!("id = \"yard\"\nname = \"{name}\"\n[[node]]\nid = \"v\"\nkind = \"measure\"\nmodel = \"{model}.pt\"\n")
    };
    let daemon = Daemon::builder()
        .setting("pipelines.dirs", r#"["pipelines", "own"]"#)
        .model("shipped", &value(1.0))
        .model("own", &value(2.0))
        .file("pipelines/yard.toml", toml("shipped", "shipped"))
        .file("own/any-name.toml", toml("own", "own"))
        .file("own/second.toml", toml("shipped", "too late"))
        .file("own/.hidden.toml", "not read")
        .file("own/readme.txt", "not read")
        .start();
    assert_eq!(daemon.client("yard").ask(&frames::camera()), json!({"v": 2.0}));
    let list = daemon.get("/v1/pipelines").json();
    assert_eq!(list["rejected"], json!(["second.toml"]));
    assert_eq!(list["pipelines"][1]["name"], "own");
    let rejected = daemon.events().of_kind("pipeline_rejected");
    assert!(rejected[0]["err"].as_str().unwrap().contains("yard"), "{rejected:?}");
}
