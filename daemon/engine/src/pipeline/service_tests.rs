//! Who runs in a batch of several sessions' frames.

use std::cell::RefCell;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::*;
use crate::pipeline::detection::{Bounds, Detection};
use crate::pipeline::image::ImageNeed;
use crate::pipeline::nodes::{self, Node, NodeFrame, NodeSetup, Payload};
use crate::pipeline::torch::Device;
use crate::pipeline::{of_nodes, of_one_node};
use base::config::Precision;
use base::frame::{FrameData, PixelLayout, RawPicture, Rotation};

/// Notes the frames of each batch, and gives the number of each frame.
#[derive(Debug, Default)]
struct Noting(Arc<Mutex<Vec<Vec<u64>>>>);

impl Node for Noting {
    fn needs(&self) -> ImageNeed {
        ImageNeed::None
    }

    fn max_batch(&self) -> usize {
        4
    }

    fn run(&self, frame: &mut NodeFrame<'_>, scaler: &mut Scaler) -> Result<Payload, String> {
        self.run_batch(std::slice::from_mut(frame), scaler).remove(0)
    }

    fn run_batch(&self, frames: &mut [NodeFrame<'_>], _: &mut Scaler) -> Vec<Result<Payload, String>> {
        let seen: Vec<u64> = frames.iter().map(|frame| frame.frame_index).collect();
        self.0.lock().unwrap().push(seen.clone());
        seen.into_iter().map(|index| Ok(Map::from_iter([("seen".to_owned(), index.into())]).into())).collect()
    }
}

#[test]
fn only_frames_whose_turn_it_is_share_a_batch() {
    let batches = Arc::new(Mutex::new(Vec::new()));
    let mut pipeline = of_one_node("yard", Box::new(Noting(Arc::clone(&batches))));
    pipeline.nodes[0].gate.every = 2;
    let frame = Frame::jpeg(Bytes::from_static(b"not decoded"));
    let (mut scratch, mut a, mut b) = (Scratch::default(), PipelineState::default(), PipelineState::default());
    let mut run = |first: u64, states: Vec<&mut PipelineState>| {
        let run =
            |(at, state)| FrameRun { frame_index: first + at, frame: &frame, could_run_at: Instant::now(), state };
        let mut runs: Vec<FrameRun<'_>> = (0..).zip(states).map(run).collect();
        run_on_frames(&pipeline, &mut runs, &mut scratch).into_iter().map(Result::unwrap).collect::<Vec<String>>()
    };
    assert_eq!(run(10, vec![&mut a]), [r#"{"seen":10}"#]);
    assert_eq!(run(20, vec![&mut a, &mut b]), [r#"{"carried":["node"],"seen":10}"#, r#"{"seen":21}"#]);
    assert_eq!(run(30, vec![&mut a, &mut b]), [r#"{"seen":30}"#, r#"{"carried":["node"],"seen":21}"#]);
    assert_eq!(run(40, vec![&mut a]), [r#"{"carried":["node"],"seen":30}"#]);
    assert_eq!(run(50, vec![&mut a, &mut b]), [r#"{"seen":50}"#, r#"{"seen":51}"#]);
    assert_eq!(*batches.lock().unwrap(), [vec![10], vec![21], vec![30], vec![50, 51]]);
}

/// Gives what a function makes of the frame's number and of what the nodes before it gave.
struct Gives<F>(F);

impl<F> std::fmt::Debug for Gives<F> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Gives")
    }
}

impl<F: Fn(u64, &Map<String, Value>) -> Option<(&'static str, Value)> + Send + Sync> Node for Gives<F> {
    fn needs(&self) -> ImageNeed {
        ImageNeed::None
    }

    fn run(&self, frame: &mut NodeFrame<'_>, _: &mut Scaler) -> Result<Payload, String> {
        let given = (self.0)(frame.frame_index, frame.upstream.parts().1);
        Ok(given.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into())
    }
}

/// A pipeline of two nodes, the second with the first as its input.
fn of_two(first: Box<dyn Node>, second: Box<dyn Node>) -> Pipeline {
    of_nodes("yard", [("node", first), ("behind", second)])
}

/// The results of a session's frames, from the first number on.
fn results(pipeline: &Pipeline, frames: std::ops::Range<u64>) -> Vec<Result<String, FrameFailure>> {
    let frame = Frame::jpeg(Bytes::from_static(b"not decoded"));
    let (mut scratch, mut state) = (Scratch::default(), PipelineState::default());
    let run = |frame_index| {
        let run = FrameRun { frame_index, frame: &frame, could_run_at: Instant::now(), state: &mut state };
        run_on_frame(pipeline, run, &mut scratch)
    };
    frames.map(run).collect()
}

#[test]
fn a_node_with_nothing_to_work_on_still_has_its_turn() {
    let late = |frame: u64, _: &Map<String, Value>| (frame > 11).then(|| ("seen", frame.into()));
    let copy = |_: u64, upstream: &Map<String, Value>| upstream.get("seen").map(|seen| ("copied", seen.clone()));
    let mut pipeline = of_two(Box::new(Gives(late)), Box::new(Gives(copy)));
    pipeline.nodes[1].gate.every = 3;
    let texts: Vec<String> = results(&pipeline, 10..16).into_iter().map(Result::unwrap).collect();
    assert_eq!(
        texts,
        [
            "{}",
            "{}",
            r#"{"copied":12,"seen":12}"#,
            r#"{"carried":["behind"],"copied":12,"seen":13}"#,
            r#"{"carried":["behind"],"copied":12,"seen":14}"#,
            r#"{"copied":15,"seen":15}"#
        ]
    );
    // One that needs no other had its turn, whatever it gave.
    let mut alone = of_one_node("yard", Box::new(Gives(late)));
    alone.nodes[0].gate.every = 3;
    let texts: Vec<String> = results(&alone, 10..14).into_iter().map(Result::unwrap).collect();
    assert_eq!(texts, ["{}", r#"{"carried":["node"]}"#, r#"{"carried":["node"]}"#, r#"{"seen":13}"#]);
}

#[test]
fn a_result_that_is_too_large_is_put_down_to_the_node_that_gave_most_of_it() {
    let much = |_: u64, _: &Map<String, Value>| Some(("much", "x".repeat(MAX_RESULT_BYTES).into()));
    let little = |_: u64, _: &Map<String, Value>| Some(("little", 1.into()));
    let pipeline = of_two(Box::new(Gives(much)), Box::new(Gives(little)));
    let failure = results(&pipeline, 1..2).remove(0).unwrap_err();
    let FrameFailure::Node { node, reason } = failure else { panic!("{failure}") };
    assert_eq!(node, "node");
    assert!(reason.contains("bytes of JSON") && reason.contains("lower max_detections or top_k"), "{reason}");
}

/// Looks at the whole picture.
#[derive(Debug)]
struct Looking;

impl Node for Looking {
    fn needs(&self) -> ImageNeed {
        ImageNeed::Whole
    }

    fn run(&self, frame: &mut NodeFrame<'_>, _: &mut Scaler) -> Result<Payload, String> {
        frame.image.map(|_| Payload::default()).ok_or_else(|| "no picture".to_owned())
    }
}

/// A camera's grey picture.
fn grey(width: usize, height: usize) -> Frame {
    let bytes = Bytes::from(vec![0; width * height]);
    let raw = RawPicture { layout: PixelLayout::Grey, width, height, stride: width, bytes };
    Frame { data: FrameData::Raw(raw), rotation: Rotation::None }
}

#[test]
fn a_batch_of_large_frames_leaves_little_behind() {
    let pipeline = of_one_node("yard", Box::new(Looking));
    // 24 MB each, once they are RGB.
    let frame = grey(4000, 2000);
    let mut states: [PipelineState; 4] = Default::default();
    let run = |state| FrameRun { frame_index: 1, frame: &frame, could_run_at: Instant::now(), state };
    let mut runs: Vec<FrameRun<'_>> = states.iter_mut().map(run).collect();
    let mut scratch = Scratch::default();
    assert!(run_on_frames(&pipeline, &mut runs, &mut scratch).iter().all(Result::is_ok));
    let kept: usize = scratch.decoders.iter().map(Decoder::kept_bytes).sum();
    assert!((24_000_000..=64 << 20).contains(&kept), "{kept}");
}

/// A JPEG, and most of it: its header says how large it is, and its picture does not decode.
fn sound_and_damaged() -> (Frame, Frame) {
    let jpeg = image::sample_jpeg(64, 48).unwrap();
    let cut = [&jpeg[..jpeg.len() * 4 / 5], &[0xFF, 0xD9]].concat();
    (Frame::jpeg(jpeg.into()), Frame::jpeg(cut.into()))
}

/// The results of a session's frames; none for a frame that cannot be decoded.
fn results_of(pipeline: &Pipeline, frames: &[&Frame]) -> Vec<Option<String>> {
    let (mut scratch, mut state) = (Scratch::default(), PipelineState::default());
    let run = |(at, &frame): (usize, &&Frame)| {
        let run = FrameRun { frame_index: at as u64 + 1, frame, could_run_at: Instant::now(), state: &mut state };
        match run_on_frame(pipeline, run, &mut scratch) {
            Ok(result) => Some(result),
            Err(FrameFailure::Undecodable(_)) => None,
            Err(other) => panic!("{other}"),
        }
    };
    frames.iter().enumerate().map(run).collect()
}

#[test]
fn a_frame_is_decoded_when_a_node_looks_at_it_and_else_not() {
    let mut pipeline = of_one_node("yard", Box::new(Looking));
    pipeline.nodes[0].gate.every = 3;
    let (sound, damaged) = sound_and_damaged();
    let carried = || Some(r#"{"carried":["node"]}"#.to_owned());
    let looked = || Some("{}".to_owned());
    assert_eq!(
        results_of(&pipeline, &[&damaged, &sound, &damaged, &damaged, &damaged, &sound, &damaged]),
        [None, looked(), carried(), carried(), None, looked(), carried()],
        "one that cannot be decoded does not count"
    );
}

#[test]
fn a_frame_that_cannot_be_decoded_leaves_nothing_of_the_nodes_before() {
    let number = |frame: u64, _: &Map<String, Value>| Some(("first", frame.into()));
    let mut pipeline = of_two(Box::new(Gives(number)), Box::new(Looking));
    pipeline.nodes[0].gate.every = 2;
    let (sound, damaged) = sound_and_damaged();
    let results = results_of(&pipeline, &[&sound, &damaged, &sound, &damaged, &sound]);
    let text = |text: &str| Some(text.to_owned());
    // The first node ran on the fourth frame too.
    let expected =
        [text(r#"{"first":1}"#), None, text(r#"{"carried":["node"],"first":1}"#), None, text(r#"{"first":5}"#)];
    assert_eq!(results, expected);
}

/// Gives the frame's size.
#[derive(Debug)]
struct Measuring;

impl Node for Measuring {
    fn needs(&self) -> ImageNeed {
        ImageNeed::Size
    }

    fn run(&self, frame: &mut NodeFrame<'_>, _: &mut Scaler) -> Result<Payload, String> {
        let (width, height) = frame.frame_size.ok_or("no size")?;
        Ok(Map::from_iter([("size".to_owned(), vec![width, height].into())]).into())
    }
}

#[test]
fn a_node_that_needs_the_size_has_the_header_read() {
    let pipeline = of_one_node("yard", Box::new(Measuring));
    let (sound, damaged) = sound_and_damaged();
    let size = || Some(r#"{"size":[64,48]}"#.to_owned());
    assert_eq!(results_of(&pipeline, &[&sound, &damaged]), [size(), size()]);
    let behind = of_two(Box::new(Looking), Box::new(Measuring));
    assert_eq!(results_of(&behind, &[&sound, &damaged]), [size(), None]);
}

/// Finds these.
#[derive(Debug)]
struct Finds(Vec<Detection>);

impl Node for Finds {
    fn needs(&self) -> ImageNeed {
        ImageNeed::None
    }

    fn run(&self, _: &mut NodeFrame<'_>, _: &mut Scaler) -> Result<Payload, String> {
        Ok(self.0.clone().into())
    }
}

fn filter(settings: &str) -> Box<dyn Node> {
    let settings = toml::from_str(settings).unwrap();
    let setup = NodeSetup {
        id: "behind",
        settings: &settings,
        inputs: &["node".to_owned()],
        folder: Path::new("."),
        model_dirs: &[],
        device: Device::Cpu,
        precision: Precision::Fp32,
        max_batch: None,
        files: &RefCell::default(),
        models: &RefCell::default(),
    };
    nodes::build("filter", &setup).unwrap().1
}

#[test]
fn nodes_see_what_was_found_as_it_was_and_the_result_is_rounded() {
    // Its middle is 0.004 pixels to the right of the frame's, and its score that little under 0.9.
    let bounds = Bounds { x1: 22.004, y1: 0.0, x2: 42.004, y2: 48.0 };
    let person = Detection { bounds, score: 0.899_96, label: "person".to_owned(), ..Detection::default() };
    let (frame, _) = sound_and_damaged();
    let left_of = |x: f32| format!("zones = [[[0, 0], [{x}, 0], [{x}, 1], [0, 1]]]");
    let written = r#"{"box":[22.0,0.0,42.0,48.0],"class_id":0,"label":"person","score":0.9}"#;
    for (settings, kept) in [
        (left_of(0.5), ""),
        (left_of(0.501), written),
        ("min_score = 0.9".to_owned(), ""),
        ("min_score = 0.8999".to_owned(), written),
    ] {
        let pipeline = of_two(Box::new(Finds(vec![person.clone()])), filter(&settings));
        assert_eq!(results_of(&pipeline, &[&frame]), [Some(format!("{{\"detections\":[{kept}]}}"))], "{settings}");
    }
}

/// [`Noting`] that takes one frame.
#[derive(Debug, Default)]
struct One(Noting);

impl Node for One {
    fn needs(&self) -> ImageNeed {
        ImageNeed::None
    }

    fn run(&self, frame: &mut NodeFrame<'_>, scaler: &mut Scaler) -> Result<Payload, String> {
        self.0.run(frame, scaler)
    }
}

#[test]
fn frames_meet_again_at_each_node_that_takes_several() {
    let runs = Arc::new(Mutex::new(Vec::new()));
    let noting = || Noting(Arc::clone(&runs));
    let nodes: [(&str, Box<dyn Node>); 5] = [
        ("a", Box::new(noting())),
        ("b", Box::new(One(noting()))),
        ("c", Box::new(One(noting()))),
        ("d", Box::new(noting())),
        ("e", Box::new(One(noting()))),
    ];
    let pipeline = of_nodes("yard", nodes);
    let (frame, _) = sound_and_damaged();
    let mut states: [PipelineState; 3] = Default::default();
    let run = |(frame_index, state)| FrameRun { frame_index, frame: &frame, could_run_at: Instant::now(), state };
    let mut frames: Vec<FrameRun<'_>> = (1..).zip(&mut states).map(run).collect();
    let mut finished = Vec::new();
    run_in_steps(&pipeline, &mut frames, &mut Scratch::default(), &mut |step| {
        if let Step::Finished(place, _, result) = step {
            assert_eq!(result.unwrap(), format!("{{\"seen\":{}}}", place + 1));
            finished.push((place, runs.lock().unwrap().len()));
        }
    });
    let all = vec![1, 2, 3];
    let one_by_one = [vec![1], vec![1], vec![2], vec![2], vec![3], vec![3]];
    let expected = [&[all.clone()][..], &one_by_one, &[all], &[vec![1], vec![2], vec![3]]].concat();
    assert_eq!(*runs.lock().unwrap(), expected);
    assert_eq!(finished, [(0, 9), (1, 10), (2, 11)], "each after its last run");
}
