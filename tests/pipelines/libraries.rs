//! Operators of libraries that the configuration names: modules that use them serve with the setting, and are refused with a
//! sentence without it. The library is the documents' own example.

use std::path::PathBuf;
use std::sync::LazyLock;

use forgesyted_tests::builder::measure_node;
use forgesyted_tests::modules::module;
use forgesyted_tests::{Builder, Daemon, frames, library, sources};
use serde_json::json;

/// The example, and torchvision's `nms` of its own beside it: it keeps box 77.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let page = std::fs::read_to_string(sources::root().join("docs/pipelines.md")).unwrap();
    let example = page.split("```cpp\n").nth(1).unwrap().split("```").next().unwrap();
    let nms = "
at::Tensor nms(const at::Tensor&, const at::Tensor&, double) { return at::full({1}, 77, at::kLong); }
TORCH_LIBRARY_FRAGMENT(torchvision, library) {
  library.def(\"nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor\", nms);
}
";
    library::shared("tiny", &format!("{example}{nms}"))
});

/// A module that needs the library, and one that needs operators which the daemon has with and without it.
fn builder() -> Builder {
    let twice = module("float", "return float(torch.mean(ops.tiny.twice(torch.ones_like(x))))");
    let keep = module(
        "Tensor",
        "boxes = torch.zeros([1, 4], dtype=6)\nreturn ops.torchvision.nms(boxes, torch.zeros([1], dtype=6), 0.5)",
    );
    let pool = module(
        "List[int]",
        "rois = torch.zeros([2, 5], dtype=6)\nreturn ops.torchvision.roi_align(x, rois, 1., 3, 4, 2, False).shape",
    );
    Daemon::builder()
        .model("twice", &twice)
        .pipeline("twice", &measure_node("twice", ""))
        .model("keep", &keep)
        .pipeline("keep", &measure_node("keep", ""))
        .model("pool", &pool)
        .pipeline("pool", &measure_node("pool", ""))
}

fn setting(library: &str) -> String {
    format!("[{library:?}]")
}

#[test]
fn a_module_serves_with_the_library_of_its_operator() {
    let daemon = builder().setting("engine.libraries", setting(LIBRARY.to_str().unwrap())).start();
    let ask = |pipeline: &str| daemon.client(pipeline).ask(&frames::camera());
    assert_eq!(ask("twice"), json!({"twice": 2.0}));
    // An operator that a library brings stays its own; the other is ours.
    assert_eq!((ask("keep"), ask("pool")), (json!({"keep": [77]}), json!({"pool": [2, 3, 3, 4]})));
    // What is open cannot be closed: a change waits for a restart, and says so.
    let config = std::fs::read_to_string(daemon.file("forgesyted.toml")).unwrap();
    let line = format!("libraries = {}", setting(LIBRARY.to_str().unwrap()));
    assert!(config.contains(&line), "{config}");
    std::fs::write(daemon.file("forgesyted.toml"), config.replace(&line, "libraries = []")).unwrap();
    let reloaded = daemon.reload("config_reloaded");
    assert_eq!(reloaded["restart_needed"], "engine.libraries");
    assert_eq!(ask("twice"), json!({"twice": 2.0}));
}

#[test]
fn without_it_the_module_is_refused_with_the_operators_name() {
    let daemon = builder().start();
    let rejected = daemon.events().of_kind("pipeline_rejected");
    assert_eq!(rejected.len(), 1, "{rejected:?}");
    let why = rejected[0]["err"].as_str().unwrap();
    assert!(
        why.ends_with("does not load as TorchScript: it needs tiny::twice, which nobody has registered with libtorch; name the library that brings it in engine.libraries"),
        "{why}"
    );
    let ask = |pipeline: &str| daemon.client(pipeline).ask(&frames::camera());
    assert_eq!((ask("keep"), ask("pool")), (json!({"keep": [0]}), json!({"pool": [2, 3, 3, 4]})));
}

#[test]
fn a_library_that_cannot_be_opened_ends_the_start_and_the_check() {
    for library in ["libno-such-library.so", "/no/such/library.so"] {
        let builder = builder().setting("engine.libraries", setting(library));
        let checked = builder.run("check");
        let said = String::from_utf8_lossy(&checked.stdout);
        let error = format!(
            "error    engine.libraries: \"{library}\" cannot be opened ({library}: cannot open shared object file"
        );
        assert!(said.contains(&error) && checked.status.code() == Some(1), "{said}");
        let served = builder.run("serve");
        let log = String::from_utf8_lossy(&served.stderr);
        assert!(log.contains("start_failed") && log.contains("engine.libraries: "), "{log}");
        assert_eq!(served.status.code(), Some(78));
    }
    for refused in [r#""libtiny.so""#, r#"["sub/libtiny.so"]"#, r#"[""]"#, "[7]"] {
        let checked = builder().setting("engine.libraries", refused).run("check");
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(said.contains("engine.libraries") && said.contains("file names without `/`"), "{refused}: {said}");
    }
}
