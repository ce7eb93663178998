//! The reference's numbers: for each golden file of `tests/reference`, the daemon's pipeline code finds on the same JPEGs, with
//! the same model and thresholds, what the package's own predictor found, or how it classified them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use base::config::{DeviceChoice, EngineConfig, Precision};
use base::frame::Frame;
use engine::engine::device;
use engine::pipeline::registry::PipelineRegistry;
use engine::pipeline::service::{self, FrameRun, Scratch};
use engine::pipeline::torch::{self, Device};
use engine::pipeline::{LoadPlan, Pipeline, PipelineState};
use engine::telemetry::metrics::Metrics;
use forgesyted_tests::folder::Folder;
use forgesyted_tests::sources;
use serde_json::Value;
use xtask::test::REFERENCE_VARIABLE;

/// The most by which a box's edge and a score may differ, and the least that masks have in common.
const PIXEL: f64 = 1.0;
const SCORE: f64 = 0.01;
const MASK_IOU: f64 = 0.95;
/// The most by which a box's edge and a score may differ in a batch from what they are alone.
const PIXEL_IN_BATCH: f64 = 0.05;
const SCORE_IN_BATCH: f64 = 0.001;

/// Where the models are that `make.py` made; none, with a reason, where nobody did.
fn models() -> Option<PathBuf> {
    let folder = std::env::var_os(REFERENCE_VARIABLE).map(PathBuf::from);
    if folder.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI needs the reference's models");
        eprintln!("skipped: {REFERENCE_VARIABLE} is unset; `cargo xtask test` makes the models and sets it");
    }
    folder
}

/// The golden files of a kind of node, each with its name.
fn golden(kind: &str) -> Vec<(String, Value)> {
    let folder = sources::root().join("tests/reference/golden");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap())
    };
    let all = files.into_iter().map(read);
    all.filter(|(_, golden): &(String, Value)| golden["kind"] == kind).collect()
}

/// A pipeline of one node with a case's settings, as somebody would write it, and the most frames of a batch.
fn pipeline(golden: &Value, case: &Value, max_batch: usize) -> String {
    let mut node = toml::Table::new();
    node.insert("max_batch".to_owned(), toml::Value::try_from(max_batch).unwrap());
    let settings = ["model", "kind", "format", "input_size", "mean", "std", "labels"];
    let settings = settings.iter().map(|key| (*key, &golden[*key]));
    let of_case =
        ["score_threshold", "iou_threshold", "max_detections", "classes"].iter().map(|key| (*key, &case[*key]));
    for (key, value) in settings.chain(of_case).filter(|(_, value)| !value.is_null()) {
        node.insert(key.to_owned(), toml::Value::try_from(value).unwrap());
    }
    if let Some(top) = case["top"].as_array() {
        node.insert("top_k".to_owned(), toml::Value::try_from(top.len()).unwrap());
    }
    node.insert("id".to_owned(), "look".into());
    let mut file = toml::Table::from_iter([("id".to_owned(), "reference".into())]);
    file.insert("node".to_owned(), vec![toml::Value::Table(node)].into());
    file.to_string()
}

/// What the daemon's own code finds on a case's picture.
fn ask(golden: &Value, case: &Value, models: &Path) -> Value {
    run(&load(golden, case, models, 1), &[case]).remove(0)
}

/// The pipeline of a case, loaded.
fn load(golden: &Value, case: &Value, models: &Path, max_batch: usize) -> Arc<Pipeline> {
    let folder = Folder::new();
    folder.write("reference.toml", pipeline(golden, case, max_batch));
    let plan = LoadPlan {
        dirs: vec![folder.path().to_owned()],
        model_dirs: vec![models.to_owned()],
        device: Device::Cpu,
        precision: Precision::Fp32,
    };
    let registry = PipelineRegistry::default();
    let loaded = registry.load(&plan, &Metrics::new("0", "0").unwrap());
    assert!(loaded.rejected.is_empty(), "{:?}", loaded.rejected);
    registry.swap(loaded);
    registry.get("reference").unwrap()
}

/// What it finds on the pictures of these cases, together in one batch.
fn run(pipeline: &Pipeline, cases: &[&Value]) -> Vec<Value> {
    let pictures = sources::root().join("tests/reference/pictures");
    let frame = |case: &&Value| {
        let jpeg = fs::read(pictures.join(case["picture"].as_str().unwrap())).unwrap();
        (Frame::jpeg(jpeg.into()), PipelineState::default())
    };
    let mut frames: Vec<(Frame, PipelineState)> = cases.iter().map(frame).collect();
    let run = |(frame, state)| FrameRun { frame_index: 1, frame, could_run_at: Instant::now(), state };
    let mut runs: Vec<FrameRun<'_>> = frames.iter_mut().map(|(frame, state)| run((&*frame, state))).collect();
    let results = service::run_on_frames(pipeline, &mut runs, &mut Scratch::default());
    results.into_iter().map(|result| serde_json::from_str(&result.unwrap()).unwrap()).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// How far two detections are from each other; none where they are not of one class.
fn apart(found: &Value, expected: &Value) -> Option<(f64, f64)> {
    let edges = numbers(&found["box"]).into_iter().zip(numbers(&expected["box"]));
    let pixels = edges.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let score = (found["score"].as_f64().unwrap() - expected["score"].as_f64().unwrap()).abs();
    (found["class_id"] == expected["class_id"]).then_some((pixels, score))
}

/// Pairs each expected detection with one that was found: those that are nearest, each once.
fn paired<'a>(found: &'a [Value], expected: &'a [Value], what: &str) -> Vec<(&'a Value, &'a Value)> {
    assert_eq!(found.len(), expected.len(), "{what}: how many are found, and how many are expected");
    let mut free: Vec<&Value> = found.iter().collect();
    let pair = |expected: &'a Value| {
        let near = |one: &&Value| apart(one, expected).filter(|(pixels, score)| *pixels <= PIXEL && *score <= SCORE);
        let at = free.iter().position(|one| near(one).is_some());
        (free.swap_remove(at.unwrap_or_else(|| panic!("{what}: nothing like {expected} in {free:?}"))), expected)
    };
    expected.iter().map(pair).collect()
}

/// Runs every case of a kind and hands to `check`: the golden file, the case, what the daemon's own code finds, and what to
/// call it.
fn run_all(kind: &str, least: usize, check: impl Fn(&Value, &Value, &Value, &str)) {
    let Some(models) = models() else { return };
    device::plan(&EngineConfig { device: DeviceChoice::Cpu, ..EngineConfig::default() }).unwrap();
    let _no_grad = torch::prepare_thread(1);
    let golden = golden(kind);
    assert!(golden.len() >= least, "there are {} golden files", golden.len());
    for (name, golden) in golden {
        for case in golden["cases"].as_array().unwrap() {
            check(&golden, case, &ask(&golden, case, &models), &format!("{name}, {}", case["picture"]));
        }
    }
}

/// Runs every case of a kind that finds objects and hands each pair of detections to `check`.
fn check_all(kind: &str, least: usize, check: impl Fn(&Value, &Value, &str)) {
    run_all(kind, least, |golden, case, result, what| {
        let expected = case["detections"].as_array().unwrap();
        for (found, expected) in paired(result["detections"].as_array().unwrap(), expected, what) {
            let at = usize::try_from(found["class_id"].as_i64().unwrap()).unwrap();
            assert_eq!(found["label"], golden["labels"][at], "{what}");
            check(found, expected, what);
        }
    });
}

#[test]
fn detectors_find_what_their_packages_find() {
    check_all("detect", 10, |_, _, _| {});
}

#[test]
fn a_classifier_gives_the_best_classes_of_its_package() {
    run_all("classify", 1, |_, case, result, what| {
        let (found, expected) = (result["classes"].as_array().unwrap(), case["top"].as_array().unwrap());
        assert_eq!(found.len(), expected.len(), "{what}");
        for (found, expected) in found.iter().zip(expected) {
            let score = |one: &Value| one["score"].as_f64().unwrap();
            assert_eq!(found["class_id"], expected["class_id"], "{what}: {result}");
            assert!((score(found) - score(expected)).abs() <= SCORE, "{what}: {found}, and {expected} is expected");
        }
    });
}

#[test]
fn instance_masks_are_those_of_their_package() {
    check_all("segment", 2, |found, expected, what| {
        let mask = run_lengths(&expected["mask"]);
        let (height, width) = size_of(what);
        let polygons: Vec<Vec<(f64, f64)>> = found["polygons"].as_array().unwrap().iter().map(ring).collect();
        let drawn = fill(&polygons, width, height);
        let both = mask.iter().zip(&drawn).filter(|(a, b)| **a && **b).count();
        let either = mask.iter().zip(&drawn).filter(|(a, b)| **a || **b).count();
        let pixels = mask.iter().filter(|inside| **inside).count();
        assert!(both as f64 >= MASK_IOU * either as f64, "{what}: {both} of {either} pixels in common, of {pixels}");
        let area = found["area"].as_f64().unwrap();
        assert!((area - pixels as f64).abs() <= 0.05 * pixels as f64 + 4.0, "{what}: area {area} of {pixels}");
    });
}

#[test]
fn a_picture_in_a_batch_gets_what_it_gets_alone() {
    let Some(models) = models() else { return };
    device::plan(&EngineConfig { device: DeviceChoice::Cpu, ..EngineConfig::default() }).unwrap();
    let _no_grad = torch::prepare_thread(1);
    for (kind, name) in [("detect", "yolov8n-320"), ("segment", "yolov8n-seg-320"), ("classify", "resnet18")] {
        let (_, golden) = golden(kind).into_iter().find(|(found, _)| found == name).unwrap();
        let cases = golden["cases"].as_array().unwrap();
        let other = cases.iter().find(|case| case["picture"] != cases[0]["picture"]);
        let pair = [&cases[0], other.unwrap()];
        let pipeline = load(&golden, pair[0], &models, 2);
        assert_eq!(pipeline.max_batch(), 2, "{name}");
        for (case, together) in pair.iter().zip(run(&pipeline, &pair)) {
            let alone = run(&pipeline, &[*case]).remove(0);
            let what = format!("{name}, {} in a batch", case["picture"]);
            let key = if kind == "classify" { "classes" } else { "detections" };
            same_in_batch(together[key].as_array().unwrap(), alone[key].as_array().unwrap(), &what);
        }
    }
}

/// Each of what was found alone is found in the batch, and nothing else is.
fn same_in_batch(together: &[Value], alone: &[Value], what: &str) {
    assert!(!alone.is_empty(), "{what}: nothing to compare");
    assert_eq!(together.len(), alone.len(), "{what}");
    let mut free: Vec<&Value> = together.iter().collect();
    let score = |one: &Value| one["score"].as_f64().unwrap();
    for expected in alone {
        let at = free.iter().position(|found| {
            let edges = |one: &Value| if one["box"].is_null() { Vec::new() } else { numbers(&one["box"]) };
            found["class_id"] == expected["class_id"]
                && found["label"] == expected["label"]
                && (score(found) - score(expected)).abs() <= SCORE_IN_BATCH
                && edges(found).iter().zip(edges(expected)).all(|(a, b)| (a - b).abs() <= PIXEL_IN_BATCH)
        });
        let found = free.swap_remove(at.unwrap_or_else(|| panic!("{what}: nothing like {expected} in {free:?}")));
        if let Some(area) = expected["area"].as_f64() {
            assert!((found["area"].as_f64().unwrap() - area).abs() <= 0.01 * area + 1.0, "{what}: {found}, {expected}");
        }
    }
}

/// Width and height of the picture that a case's name ends with, as its mask has them: rows first.
fn size_of(what: &str) -> (usize, usize) {
    let name = what.split('"').nth(1).unwrap();
    let jpeg = fs::read(sources::root().join("tests/reference/pictures").join(name)).unwrap();
    let header = turbojpeg::read_header(&jpeg).unwrap();
    (header.height, header.width)
}

/// A mask of runs down the columns, column by column.
fn run_lengths(runs: &Value) -> Vec<bool> {
    let runs = numbers(runs);
    let run = |(at, length): (usize, &f64)| std::iter::repeat_n(at % 2 == 1, *length as usize);
    runs.iter().enumerate().flat_map(run).collect()
}

fn ring(polygon: &Value) -> Vec<(f64, f64)> {
    let point = |point: &Value| (point[0].as_f64().unwrap(), point[1].as_f64().unwrap());
    polygon.as_array().unwrap().iter().map(point).collect()
}

/// The pixels whose middle lies in an odd number of rings, column by column.
fn fill(polygons: &[Vec<(f64, f64)>], width: usize, height: usize) -> Vec<bool> {
    let column = |x: f64| {
        let crossed = |(a, b): (&(f64, f64), &(f64, f64))| {
            ((a.0 > x) != (b.0 > x)).then(|| (b.1 - a.1) * (x - a.0) / (b.0 - a.0) + a.1)
        };
        let edges = polygons.iter().flat_map(|ring| ring.iter().zip(ring.iter().cycle().skip(1)));
        let crossings: Vec<f64> = edges.filter_map(crossed).collect();
        (0..height).map(move |y| crossings.iter().filter(|crossing| **crossing > y as f64 + 0.5).count() % 2 == 1)
    };
    (0..width).flat_map(|x| column(x as f64 + 0.5)).collect()
}
