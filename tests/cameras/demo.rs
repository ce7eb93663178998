//! The clip that ships: what the shipped pipelines say about it, and the camera of the shipped configuration that plays it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use base::capture::Encoding;
use base::capture::replay;
use base::config::{self, CameraDevice};
use forgesyted_tests::demo::{self, FRAMES, Light};
use forgesyted_tests::folder::Folder;
use forgesyted_tests::{Builder, Daemon, sources};
use serde_json::Value;

/// Set, the clip is made anew.
const WRITE: &str = "FORGESYTED_TEST_WRITE_DEMO";

/// The first camera of the shipped configuration without its comment signs, and nothing else.
fn uncommented() -> String {
    let sample = fs::read_to_string(sources::root().join("config/forgesyted.toml")).unwrap();
    let block = sample.lines().skip_while(|line| *line != "# [[camera]]").take_while(|line| line.starts_with("# "));
    block.map(|line| format!("{}\n", &line[2..])).collect()
}

/// A folder with a shipped pipeline and the models that it needs.
fn with(pipeline: &str) -> Builder {
    let config = sources::root().join("config");
    let file = fs::read_to_string(config.join(format!("pipelines/{pipeline}.toml"))).unwrap();
    let models = file.lines().filter_map(|line| line.strip_prefix("model = \"")?.strip_suffix('"'));
    let builder = Daemon::builder().file(&format!("pipelines/{pipeline}.toml"), &file);
    models.fold(builder, |builder, model| {
        let name = format!("models/{model}");
        builder.file(&name, fs::read(config.join(&name)).unwrap())
    })
}

/// What a shipped pipeline says about each frame of the shipped clip, by `forgesyted run` as anybody would run it.
fn results(pipeline: &str) -> Vec<Value> {
    let clip = sources::root().join("config/replay/demo.mjpeg");
    // One thread: several would wait for each other where tests beside this one keep the cores busy.
    let builder = with(pipeline).setting("engine.workers", 1);
    let output = builder.words("run", &["--pipeline", pipeline, clip.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let line = |line| -> Value { serde_json::from_str::<Value>(line).unwrap()["result"].take() };
    let results: Vec<Value> = lines.lines().map(line).collect();
    assert_eq!(results.len(), FRAMES);
    results
}

/// The texts of a result of `yolo_ocr`.
fn texts(result: &Value) -> Vec<&str> {
    result["detections"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect()
}

#[test]
fn the_shipped_clip_is_what_this_makes() {
    let path = sources::root().join("config/replay/demo.mjpeg");
    let made: Vec<u8> = demo::frames().flatten().collect();
    if std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &made).unwrap();
    }
    let stale =
        format!("config/replay/demo.mjpeg is stale: run {WRITE}=1 cargo xtask test -- -p forgesyted-tests --test demo");
    assert!(fs::read(&path).unwrap() == made, "{stale}");
    assert!(made.len() <= 1200 * 1024, "{} bytes", made.len());
}

#[test]
fn the_shipped_yolo_ocr_reads_the_words_of_the_clip_while_they_are_there() {
    let results = results("yolo_ocr");
    // Of each text, in how many frames it is there as a whole, and in how many of these it was read without a mistake.
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut clean = (0, 0);
    for (frame, result) in results.iter().enumerate() {
        let (words, read) = (demo::words(frame), texts(result));
        for word in words.iter().filter(|word| word.whole) {
            let count = counts.entry(word.text).or_default();
            *count = (count.0 + 1, count.1 + usize::from(read.contains(&word.text)));
        }
        if words.iter().all(|word| word.whole) {
            let right = read.iter().all(|text| words.iter().any(|word| word.text == *text));
            clean = (clean.0 + 1, clean.1 + usize::from(right && read.len() <= words.len()));
        }
        if demo::light(frame) == Light::Off {
            assert_eq!(read, [""; 0], "frame {frame}, in the dark");
        }
    }
    assert!(counts.len() >= 6 && counts.values().all(|(there, _)| *there >= 10), "{counts:?}");
    // Each is there for a while, and not all the time.
    assert!(counts.values().all(|(there, _)| *there <= FRAMES / 2), "{counts:?}");
    for (text, (there, read)) in &counts {
        assert!(read * 100 >= there * 95, "{text:?} was read in {read} of {there} frames");
        let is_there = |frame: usize| demo::words(frame).iter().any(|word| word.text == *text);
        let read = (0..FRAMES).filter(|frame| texts(&results[*frame]).contains(text));
        let wrong: Vec<usize> = read.filter(|frame| !is_there(*frame)).collect();
        assert_eq!(wrong, [0; 0], "{text:?} was read where it is not");
    }
    assert!(clean.1 * 100 >= clean.0 * 95, "something else was read in {} of {} frames", clean.0 - clean.1, clean.0);
}

#[test]
fn the_page_about_the_clip_has_its_words() {
    let page = fs::read_to_string(sources::root().join("docs/pipelines-shipped.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with("The clip that ships\n")).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `")).flat_map(|row| row.split('`').skip(1).step_by(2));
    let written: BTreeSet<&str> = rows.collect();
    let made: BTreeSet<&str> = (0..FRAMES).flat_map(demo::words).map(|word| word.text).collect();
    assert_eq!(written, made);
    for (text, frames) in demo::SIGN {
        let when = |frame: usize| format!("{}.{}", frame / 10, frame % 10);
        let row = format!("| `{text}` | on the sign | from {} to {} s |", when(frames.start), when(frames.end));
        assert!(section.contains(&row), "{row}");
    }
}

#[test]
fn the_shipped_scene_sees_the_light_fail_and_come_back() {
    let results = results("scene");
    let verdicts: Vec<&str> = results.iter().map(|result| result["verdict"].as_str().unwrap()).collect();
    let expected: Vec<&str> = (0..FRAMES)
        .map(|frame| match demo::light(frame) {
            Light::On => "ok",
            Light::Dim => "dark",
            Light::Off => "covered",
        })
        .collect();
    assert_eq!(verdicts, expected);
    let mut turns = verdicts;
    turns.dedup();
    assert_eq!(turns, ["ok", "dark", "covered", "ok"]);
}

#[test]
fn the_shipped_camera_works_when_it_is_uncommented() {
    let folder = Folder::new();
    let file = folder.write("etc/forgesyted.toml", uncommented());
    let clip = fs::read(sources::root().join("config/replay/demo.mjpeg")).unwrap();
    let path = folder.write("share/forgesyted/replay/demo.mjpeg", &clip);
    let loaded = config::read(Some(&file), &[], Some(folder.path())).unwrap();
    assert_eq!(loaded.warnings, [""; 0]);
    let [camera] = &loaded.config.cameras[..] else { panic!("{:?}", loaded.config.cameras) };
    assert_eq!((camera.name.as_str(), camera.pipeline.as_deref()), ("demo", Some("yolo_ocr")));
    assert_eq!(camera.device, CameraDevice::Replay(path.clone()));

    let mut capture = replay::open(&path, camera.fps).unwrap();
    let agreed = capture.agreed();
    assert_eq!((agreed.encoding, agreed.width, agreed.height), (Encoding::Jpeg, 640, 480));
    assert_eq!(agreed.card, format!("demo.mjpeg ({FRAMES} frames)"));
    let daemon = with("yolo_ocr").start();
    let mut client = daemon.client("yolo_ocr");
    let mut taken: Vec<Vec<u8>> = Vec::new();
    while taken.len() < 2 {
        let (held, _) = capture.next(Duration::from_secs(60)).unwrap();
        taken.extend(held.map(|held| held.bytes().to_vec()));
    }
    assert_ne!(taken[0], taken[1], "the scene moves");
    for jpeg in taken {
        let frame = demo::frames().position(|made| made == jpeg).expect("a frame of the clip");
        let words: Vec<&str> = demo::words(frame).iter().filter(|word| word.whole).map(|word| word.text).collect();
        let result = client.ask(&jpeg);
        assert!(words.iter().all(|word| texts(&result).contains(word)), "frame {frame}, {words:?}: {result}");
    }
}
