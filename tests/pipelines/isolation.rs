//! Nothing of a frame reaches into another's result. What a worker keeps between frames (decoders, scalers, with their buffers) and
//! what a session keeps (trackers, carried outputs) are run through thousands of hostile frames with real pipelines; every
//! result has to be that of a worker and a session that saw nothing before.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use base::config::Precision;
use base::frame::Frame;
use base::frame::validator::{FrameLimits, validate};
use bytes::Bytes;
use engine::pipeline::service::{FrameRun, Scratch, run_on_frame, run_on_frames};
use engine::pipeline::torch::{self, Device};
use engine::pipeline::{LoadPlan, Pipeline, PipelineState, load_one};
use engine::telemetry::metrics::Metrics;
use forgesyted_tests::modules::{detector, module};
use forgesyted_tests::{Builder, Daemon, frames};
use proptest::prelude::{any, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::{Just, Strategy};
use proptest::test_runner::Config;

/// What the daemon takes, with few pixels, so that a size that is made up costs the test no time.
const LIMITS: FrameLimits = FrameLimits { max_bytes: 1 << 20, max_pixels: 1 << 20 };

/// Numbers that each pixel has a part in: means of the whole, of rows and of columns.
fn everything() -> String {
    module(
        "Dict[str, Any]",
        "rows = torch.mean(x, [0, 1, 3])\ncolumns = torch.mean(x, [0, 1, 2])\nmean = torch.mean(x, [0, 2, 3])\n\
         return annotate(Dict[str, Any], {\"mean\": mean, \"rows\": rows, \"columns\": columns})",
    )
}

/// A box that moves with the picture's mean, of one class.
fn boxes() -> String {
    module(
        "Tensor",
        "at = torch.mul(float(torch.mean(x)), 20.)\nmore = torch.mul(float(torch.mean(torch.select(x, 2, 7))), 9.)\n\
         return torch.reshape(torch.tensor([at, 4., torch.add(at, 20.), torch.add(more, 20.), 0.9, 0.]), [1, 1, 6])",
    )
}

/// A person as far to the right as the picture is red, and one where it is blue.
fn street() -> String {
    detector(
        "x1 = red * 60.0\n_0 = torch.append(found, self.found_one(x1, 4.0, x1 + 30.0, 50.0, 0.9, \"person\", 0))\n\
         if blue > 0.4:\n  _1 = torch.append(found, self.found_one(2.0, 30.0, 40.0, 60.0, 0.8, \"car\", 2))",
    )
}

fn node(id: &str, kind: &str, settings: &str) -> String {
    format!("[[node]]\nid = \"{id}\"\nkind = \"{kind}\"\n{settings}\n")
}

/// Every way to a module that there is: a letterbox, stretched, whole, and crops of what is tracked.
fn builder() -> Builder {
    let measure = |more: &str| node("all", "measure", &format!("model = \"all.pt\"\n{more}"));
    let detect = "model = \"boxes.pt\"\nformat = \"yolo-end2end\"\ninput_size = [40, 32]";
    let crops = "inputs = [\"follow\"]\nmodel = \"colours.pt\"\ninput_size = [16, 16]\nlabels = [\"red\", \"green\", \"blue\"]\ntop_k = 3";
    let yard = [
        node("find", "measure", "model = \"find.pt\""),
        node("follow", "track", "inputs = [\"find\"]"),
        node("kind", "classify", crops),
        node("slow", "measure", "model = \"all.pt\"\ninput_size = [20, 12]\nevery = 3"),
    ];
    Daemon::builder()
        .model("all", &everything())
        .model("boxes", &boxes())
        .model("find", &street())
        .model("colours", &module("Tensor", "return torch.mean(x, [2, 3])"))
        .pipeline("boxed", &node("look", "detect", detect))
        .pipeline("stretched", &measure("input_size = [48, 24]"))
        .pipeline("whole", &measure(""))
        .pipeline("yard", &yard.concat())
}

const PIPELINES: [&str; 4] = ["boxed", "stretched", "whole", "yard"];

fn load(builder: &Builder) -> Vec<Arc<Pipeline>> {
    let folder = |name: &str| vec![builder.path().join(name)];
    let plan = LoadPlan {
        dirs: folder("pipelines"),
        model_dirs: folder("models"),
        device: Device::Cpu,
        precision: Precision::Fp32,
    };
    let metrics = Metrics::new("0", "0").unwrap();
    PIPELINES.iter().map(|id| load_one(id, &plan, &metrics).unwrap()).collect()
}

fn frame(jpeg: &[u8]) -> Frame {
    Frame::jpeg(Bytes::copy_from_slice(jpeg))
}

/// The result, or why there is none.
fn result(
    pipeline: &Pipeline,
    frame_index: u64,
    frame: &Frame,
    state: &mut PipelineState,
    scratch: &mut Scratch,
) -> Result<String, String> {
    let run = FrameRun { frame_index, frame, could_run_at: Instant::now(), state };
    run_on_frame(pipeline, run, scratch).map_err(|failure| failure.to_string())
}

/// JPEGs of several sizes and colours, each a little other than the one before.
fn sound(at: usize) -> Vec<u8> {
    let (width, height) = [(96, 64), (64, 96), (33, 17), (200, 40), (16, 16)][at % 5];
    let level = |value: usize| u8::try_from(value % 256).unwrap();
    frames::from_fn(width, height, |x, y| [level(x * 3 + at * 40), level(y * 5 + at * 11), level(at * 90)])
}

/// A JPEG and what is done to it; nothing, at times.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let base = prop_oneof![(0..12_usize).prop_map(sound), Just(frames::synthetic(120, 72))];
    let changes = proptest::collection::vec((any::<u32>(), any::<u8>(), any::<bool>()), 0..4);
    (base, changes, any::<u16>()).prop_map(|(mut jpeg, changes, cut)| {
        for (at, value, in_header) in changes {
            let room = if in_header { jpeg.len().min(640) } else { jpeg.len() };
            jpeg[at as usize % room] = value;
        }
        if cut % 8 == 0 {
            jpeg.truncate(usize::from(cut) % jpeg.len());
            jpeg.extend([0xFF, 0xD9]);
        }
        jpeg
    })
}

#[test]
fn nothing_of_a_frame_is_left_in_a_worker() {
    let builder = builder();
    let pipelines = load(&builder);
    let _no_grad = torch::prepare_thread(1);
    let fresh = |pipeline: &Pipeline, frame: &Frame| {
        result(pipeline, 1, frame, &mut PipelineState::default(), &mut Scratch::default())
    };
    let expected: HashMap<(usize, usize), String> = (0..PIPELINES.len())
        .flat_map(|at| (0..5).map(move |number| (at, number)))
        .map(|(at, number)| ((at, number), fresh(&pipelines[at], &frame(&sound(number))).unwrap()))
        .collect();
    // One worker goes through all of it.
    let kept = RefCell::new(Scratch::default());
    proptest!(Config::with_cases(2000), |(jpeg in hostile(), at in 0..PIPELINES.len(), number in 0..5_usize)| {
        let pipeline = &*pipelines[at];
        let mut kept = kept.borrow_mut();
        let mut alone = |frame: &Frame| result(pipeline, 1, frame, &mut PipelineState::default(), &mut kept);
        if validate(&jpeg, LIMITS).is_ok() {
            let hostile = frame(&jpeg);
            prop_assert_eq!(alone(&hostile), fresh(pipeline, &hostile), "{}: the same bytes", PIPELINES[at]);
        }
        prop_assert_eq!(&alone(&frame(&sound(number))).unwrap(), &expected[&(at, number)], "{} after it", PIPELINES[at]);
        // And beside it, in one batch.
        if validate(&jpeg, LIMITS).is_ok() {
            let (hostile, good) = (frame(&jpeg), frame(&sound(number)));
            let (mut one, mut other) = (PipelineState::default(), PipelineState::default());
            let run = |frame, state| FrameRun { frame_index: 1, frame, could_run_at: Instant::now(), state };
            let mut runs = [run(&hostile, &mut one), run(&good, &mut other)];
            let results = run_on_frames(pipeline, &mut runs, &mut kept);
            prop_assert_eq!(results[1].as_ref().unwrap(), &expected[&(at, number)], "{} beside it", PIPELINES[at]);
        }
    });
}

#[test]
fn nothing_of_a_session_is_left_in_another_and_nothing_of_a_bad_frame_in_its_own() {
    let builder = builder();
    let pipelines = load(&builder);
    let yard = &*pipelines[3];
    let _no_grad = torch::prepare_thread(1);
    // Each number is a frame; none is one that cannot be decoded.
    let alone = |frames: &[Option<usize>]| -> Vec<String> {
        let (mut state, mut scratch) = (PipelineState::default(), Scratch::default());
        let run = |(at, number): (usize, &Option<usize>)| {
            number.map(|number| result(yard, at as u64 + 1, &frame(&sound(number)), &mut state, &mut scratch).unwrap())
        };
        frames.iter().enumerate().filter_map(run).collect()
    };
    let number = || prop_oneof![3 => (0..5_usize).prop_map(Some), 1 => Just(None)];
    let sessions = proptest::collection::vec((number(), number()), 1..12);
    let mut broken = sound(0);
    broken.truncate(broken.len() / 2);
    broken.extend([0xFF, 0xD9]);
    let kept = RefCell::new(Scratch::default());
    proptest!(Config::with_cases(300), |(both in sessions)| {
        let mut kept = kept.borrow_mut();
        let mut states = [PipelineState::default(), PipelineState::default()];
        let mut results = [Vec::new(), Vec::new()];
        for (at, &(one, other)) in both.iter().enumerate() {
            for (session, number) in [one, other].into_iter().enumerate() {
                let jpeg = number.map_or_else(|| broken.clone(), sound);
                let found = result(yard, at as u64 + 1, &frame(&jpeg), &mut states[session], &mut kept);
                prop_assert_eq!(found.is_ok(), number.is_some());
                results[session].extend(found.ok());
            }
        }
        let (one, other): (Vec<_>, Vec<_>) = both.iter().copied().unzip();
        prop_assert_eq!(&results[0], &alone(&one));
        prop_assert_eq!(&results[1], &alone(&other));
    });
}
