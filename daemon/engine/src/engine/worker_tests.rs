//! The workers, with lanes and nodes made for the purpose.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, Sender};

use bytes::Bytes;
use serde_json::Map;
use uuid::Uuid;

use super::*;
use crate::pipeline::image::{ImageNeed, Scaler};
use crate::pipeline::nodes::{Node, NodeFrame, Payload};
use crate::pipeline::{self, Pipeline, PipelineState};
use base::frame::Frame;

const PATIENCE: Duration = Duration::from_secs(30);

/// Panics on frame 2, fails on frame 3, and gives the frame's number otherwise.
#[derive(Debug)]
struct Moody;

impl Node for Moody {
    fn needs(&self) -> ImageNeed {
        ImageNeed::None
    }

    fn run(&self, frame: &mut NodeFrame<'_>, _: &mut Scaler) -> Result<Payload, String> {
        match frame.frame_index {
            2 => panic!("a defect"),
            3 => Err("an error".to_owned()),
            index => Ok(Map::from_iter([("index".to_owned(), index.into())]).into()),
        }
    }
}

type Delivered = (usize, u64, Result<String, ErrorCode>);

/// A lane with a fixed backlog; reports what is delivered to it.
#[derive(Debug)]
struct Backlog {
    number: usize,
    pipeline: Arc<Pipeline>,
    frames: Mutex<VecDeque<u64>>,
    delivered: Sender<Delivered>,
    /// Of the session, with its last frame.
    kept: Mutex<String>,
}

impl Lane for Backlog {
    fn take(&self) -> Option<Job> {
        let frame_index = self.frames.lock().unwrap().pop_front()?;
        let pipeline = Arc::clone(&self.pipeline);
        let state = PipelineState::default();
        Some(Job { pipeline, frame_index, frame: Frame::jpeg(Bytes::new()), could_run_at: Instant::now(), state })
    }

    fn deliver(&self, frame_index: u64, state: PipelineState, outcome: Result<String, StreamError>) -> bool {
        let more = !self.frames.lock().unwrap().is_empty();
        *self.kept.lock().unwrap() = format!("{state:?}");
        self.delivered.send((self.number, frame_index, outcome.map_err(|error| error.code))).unwrap();
        more
    }

    fn announce(&self) {}

    fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    fn describe(&self) -> (Uuid, &str) {
        (Uuid::nil(), self.pipeline.id())
    }
}

/// [`Moody`], three frames at once; notes how many came together.
#[derive(Debug)]
struct Together(Mutex<Vec<usize>>);

impl Node for Arc<Together> {
    fn needs(&self) -> ImageNeed {
        ImageNeed::None
    }

    fn max_batch(&self) -> usize {
        3
    }

    fn run(&self, frame: &mut NodeFrame<'_>, scaler: &mut Scaler) -> Result<Payload, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(1);
        Moody.run(frame, scaler)
    }

    fn run_batch(&self, frames: &mut [NodeFrame<'_>], scaler: &mut Scaler) -> Vec<Result<Payload, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(frames.len());
        let together: Result<Vec<_>, String> = frames.iter_mut().map(|frame| Moody.run(frame, scaler)).collect();
        match together {
            Ok(outputs) => outputs.into_iter().map(Ok).collect(),
            Err(reason) => frames.iter().map(|_| Err(reason.clone())).collect(),
        }
    }
}

/// Runs lanes with these backlogs on one worker; everything delivered, in order.
fn run(backlogs: &[&[u64]]) -> (Vec<Delivered>, u64) {
    run_through(Box::new(Moody), backlogs)
}

fn run_through(node: Box<dyn Node>, backlogs: &[&[u64]]) -> (Vec<Delivered>, u64) {
    let served = Served::start(pipeline::of_one_node("moody", node), backlogs);
    let count = backlogs.iter().map(|frames| frames.len()).sum();
    let all = (0..count).map(|_| served.next()).collect();
    assert!(served.workers.stop(PATIENCE));
    (all, served.metrics.panics.get())
}

/// Lanes that one worker serves.
struct Served {
    workers: Engine,
    metrics: Arc<Metrics>,
    deliveries: Receiver<Delivered>,
}

impl Served {
    fn start(pipeline: Pipeline, backlogs: &[&[u64]]) -> Served {
        let plan = EnginePlan { device: torch::Device::Cpu, workers: 1, threads_per_worker: 1 };
        let metrics = Arc::new(Metrics::new("0", "0").unwrap());
        let (delivered, deliveries): (Sender<Delivered>, Receiver<Delivered>) = mpsc::channel();
        let pipeline = Arc::new(pipeline);
        let lane = |(number, frames): (usize, &&[u64])| {
            let frames = Mutex::new(frames.iter().copied().collect());
            Arc::new(Backlog {
                number,
                pipeline: Arc::clone(&pipeline),
                frames,
                delivered: delivered.clone(),
                kept: Mutex::default(),
            })
        };
        let lanes: Vec<Arc<Backlog>> = backlogs.iter().enumerate().map(lane).collect();
        let workers = Engine::start(plan, Arc::clone(&metrics)).unwrap();
        {
            // All lanes are ready before the worker sees the first.
            let mut queue = workers.shared.lock();
            lanes.into_iter().for_each(|lane| queue.schedule.push(lane as Arc<dyn Lane>));
        }
        workers.shared.wake.notify_all();
        Served { workers, metrics, deliveries }
    }

    fn next(&self) -> Delivered {
        self.deliveries.recv_timeout(PATIENCE).expect("a frame is delivered")
    }
}

#[test]
fn serves_ready_lanes_in_turn() {
    let (delivered, _) = run(&[&[10, 11, 12], &[20], &[30, 31]]);
    let order: Vec<(usize, u64)> = delivered.iter().map(|(lane, frame, _)| (*lane, *frame)).collect();
    assert_eq!(order, [(0, 10), (1, 20), (2, 30), (0, 11), (2, 31), (0, 12)]);
}

#[test]
fn survives_a_panic_and_a_failure() {
    let (delivered, panics) = run(&[&[1], &[2], &[3], &[4]]);
    let outcomes: Vec<_> = delivered.into_iter().map(|(.., outcome)| outcome).collect();
    assert_eq!(
        outcomes,
        [
            Ok(r#"{"index":1}"#.to_owned()),
            Err(ErrorCode::InternalError),
            Err(ErrorCode::PipelineFailure),
            Ok(r#"{"index":4}"#.to_owned())
        ]
    );
    assert_eq!(panics, 1);
}

/// Runs lanes with these backlogs through a node that takes three frames at once; also how many frames each run had.
fn run_in_batches(backlogs: &[&[u64]]) -> (Vec<Delivered>, u64, Vec<usize>) {
    let node = Arc::new(Together(Mutex::default()));
    let (delivered, panics) = run_through(Box::new(Arc::clone(&node)), backlogs);
    let sizes = node.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (delivered, panics, sizes)
}

#[test]
fn what_waits_runs_as_one_batch_and_nothing_waits_for_it() {
    let (delivered, panics, sizes) = run_in_batches(&[&[10, 11], &[20], &[30, 31], &[40]]);
    let order: Vec<(usize, u64)> = delivered.iter().map(|(lane, frame, _)| (*lane, *frame)).collect();
    assert_eq!(order, [(0, 10), (1, 20), (2, 30), (3, 40), (0, 11), (2, 31)]);
    assert!(delivered.iter().all(|(_, frame, outcome)| *outcome == Ok(format!("{{\"index\":{frame}}}"))));
    assert_eq!((panics, sizes), (0, vec![3, 3]));
}

#[test]
fn a_batch_that_fails_is_run_frame_by_frame() {
    let (mut delivered, panics, sizes) = run_in_batches(&[&[1], &[3], &[5]]);
    delivered.sort_by_key(|(lane, ..)| *lane);
    let outcomes: Vec<_> = delivered.into_iter().map(|(.., outcome)| outcome).collect();
    let index = |index: u64| Ok(format!("{{\"index\":{index}}}"));
    assert_eq!(outcomes, [index(1), Err(ErrorCode::PipelineFailure), index(5)]);
    assert_eq!((panics, sizes), (0, vec![3, 1, 1, 1]));
}

#[test]
fn a_panic_in_a_batch_costs_its_own_frame_only() {
    let (delivered, panics, sizes) = run_in_batches(&[&[1], &[2], &[5]]);
    let outcomes: Vec<_> = delivered.into_iter().map(|(.., outcome)| outcome).collect();
    let index = |index: u64| Ok(format!("{{\"index\":{index}}}"));
    assert_eq!(outcomes, [index(1), Err(ErrorCode::InternalError), index(5)]);
    assert_eq!((panics, sizes), (1, vec![3, 1, 1, 1]), "the one defect once");
}

/// Panics on any batch, and on no frame alone.
#[derive(Debug)]
struct Lonely;

impl Node for Lonely {
    fn needs(&self) -> ImageNeed {
        ImageNeed::None
    }

    fn max_batch(&self) -> usize {
        3
    }

    fn run(&self, frame: &mut NodeFrame<'_>, scaler: &mut Scaler) -> Result<Payload, String> {
        Moody.run(frame, scaler)
    }

    fn run_batch(&self, _: &mut [NodeFrame<'_>], _: &mut Scaler) -> Vec<Result<Payload, String>> {
        panic!("a defect")
    }
}

#[test]
fn a_panic_of_a_batch_alone_is_counted_and_costs_no_frame() {
    let (delivered, panics) = run_through(Box::new(Lonely), &[&[1], &[4], &[5]]);
    assert!(delivered.iter().all(|(.., outcome)| outcome.is_ok()), "{delivered:?}");
    assert_eq!(panics, 1);
}

#[test]
fn a_panic_in_a_batch_leaves_no_trace_in_what_sessions_keep() {
    let plan = EnginePlan { device: torch::Device::Cpu, workers: 1, threads_per_worker: 1 };
    let workers = Engine::start(plan, Arc::new(Metrics::new("0", "0").unwrap())).unwrap();
    let (delivered, _deliveries) = mpsc::channel();
    let node = Box::new(Arc::new(Together(Mutex::default())));
    let pipeline = Arc::new(pipeline::of_one_node("moody", node));
    // What is kept of a session after its frame, of those that run at once.
    let kept = |frames: &[u64]| -> Vec<String> {
        let lane = |&frame: &u64| {
            let (pipeline, frames) = (Arc::clone(&pipeline), Mutex::new(VecDeque::from([frame])));
            Arc::new(Backlog { number: 0, pipeline, frames, delivered: delivered.clone(), kept: Mutex::default() })
        };
        let lanes: Vec<Arc<Backlog>> = frames.iter().map(lane).collect();
        let turn = lanes.iter().map(|lane| Arc::clone(lane) as Arc<dyn Lane>).collect();
        workers.shared.serve(0, turn, &mut Scratch::default());
        lanes.iter().map(|lane| lane.kept.lock().unwrap().clone()).collect()
    };
    let (alone, nothing) = (kept(&[1]).remove(0), format!("{:?}", PipelineState::default()));
    assert_ne!(alone, nothing, "a frame that ran is noted");
    assert_eq!(kept(&[1, 2, 5]), [alone.clone(), nothing, alone]);
    assert!(workers.stop(PATIENCE));
}

/// How many workers are woken when a run of lanes with these backlogs is done and the others sleep.
fn woken_after(backlogs: &[&[u64]]) -> usize {
    // No thread is started: this one is the worker that serves, and another one is said to sleep.
    let plan = EnginePlan { device: torch::Device::Cpu, workers: 0, threads_per_worker: 1 };
    let workers = Engine::start(plan, Arc::new(Metrics::new("0", "0").unwrap())).unwrap();
    let pipeline = Arc::new(pipeline::of_one_node("moody", Box::new(Arc::new(Together(Mutex::default())))));
    let (delivered, _deliveries) = mpsc::channel();
    let lane = |frames: &&[u64]| -> Arc<dyn Lane> {
        let (pipeline, frames) = (Arc::clone(&pipeline), Mutex::new(frames.iter().copied().collect()));
        Arc::new(Backlog { number: 0, pipeline, frames, delivered: delivered.clone(), kept: Mutex::default() })
    };
    workers.shared.lock().asleep = 1;
    workers.shared.serve(0, backlogs.iter().map(lane).collect(), &mut Scratch::default());
    workers.shared.lock().woken
}

#[test]
fn who_sleeps_is_woken_for_what_a_batch_leaves() {
    assert_eq!(woken_after(&[&[10, 11], &[20, 21], &[30]]), 1, "one lane each");
    assert_eq!(woken_after(&[&[10, 11], &[20], &[30]]), 0, "the worker goes on with the only one itself");
    assert_eq!(woken_after(&[&[10, 11]]), 0);
}

/// Tells of each frame as it begins to run, alone, and waits with it until it is let go; fails on three at once.
#[derive(Debug)]
struct Held {
    begun: Sender<u64>,
    go: Mutex<Receiver<()>>,
    max_batch: usize,
}

impl Node for Held {
    fn needs(&self) -> ImageNeed {
        ImageNeed::None
    }

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn run(&self, frame: &mut NodeFrame<'_>, _: &mut Scaler) -> Result<Payload, String> {
        self.begun.send(frame.frame_index).unwrap();
        self.go.lock().unwrap().recv_timeout(PATIENCE).map_err(|error| error.to_string())?;
        Ok(Payload::default())
    }

    fn run_batch(&self, frames: &mut [NodeFrame<'_>], _: &mut Scaler) -> Vec<Result<Payload, String>> {
        frames.iter().map(|_| Err("too many".to_owned())).collect()
    }
}

/// A node that holds its frames, what it tells, and what lets it go on.
fn held(max_batch: usize) -> (Box<dyn Node>, Receiver<u64>, Sender<()>) {
    let ((begun, begins), (let_go, go)) = (mpsc::channel(), mpsc::channel());
    (Box::new(Held { begun, go: Mutex::new(go), max_batch }), begins, let_go)
}

/// Serves one frame of each of three sessions, and sees that each is delivered before the next one runs.
fn each_is_delivered_when_it_is_done(pipeline: Pipeline, begins: &Receiver<u64>, let_go: &Sender<()>) {
    let served = Served::start(pipeline, &[&[1], &[2], &[3]]);
    let mut before = 0;
    for frame in [1, 2, 3] {
        assert_eq!(begins.recv_timeout(PATIENCE), Ok(frame));
        let rounds = served.workers.rounds()[0];
        assert!(rounds > before, "the watchdog sees no worker that is stuck");
        before = rounds;
        let_go.send(()).unwrap();
        if frame < 3 {
            // The next one is held meanwhile.
            assert_eq!(served.next(), (frame as usize - 1, frame, Ok("{}".to_owned())));
        }
    }
    assert_eq!(served.next(), (2, 3, Ok("{}".to_owned())));
    assert!(served.workers.stop(PATIENCE));
}

#[test]
fn no_session_waits_for_anothers_run_at_a_node_that_takes_no_batches() {
    let (node, begins, let_go) = held(1);
    let together = Box::new(Empty);
    each_is_delivered_when_it_is_done(pipeline::of_nodes("yard", [("all", together), ("one", node)]), &begins, &let_go);
}

#[test]
fn no_session_waits_for_anothers_run_where_a_batch_failed() {
    let (node, begins, let_go) = held(3);
    each_is_delivered_when_it_is_done(pipeline::of_one_node("yard", node), &begins, &let_go);
}

/// Takes three frames at once, and gives nothing.
#[derive(Debug)]
struct Empty;

impl Node for Empty {
    fn needs(&self) -> ImageNeed {
        ImageNeed::None
    }

    fn max_batch(&self) -> usize {
        3
    }

    fn run(&self, _: &mut NodeFrame<'_>, _: &mut Scaler) -> Result<Payload, String> {
        Ok(Payload::default())
    }
}

/// Fails on every frame from 100 on; while it is broken, on the sample frame too.
#[derive(Debug)]
struct Breakable(Arc<AtomicBool>);

impl Node for Breakable {
    fn needs(&self) -> ImageNeed {
        ImageNeed::None
    }

    fn run(&self, frame: &mut NodeFrame<'_>, _: &mut Scaler) -> Result<Payload, String> {
        match frame.frame_index >= 100 || self.0.load(Ordering::Relaxed) {
            true => Err("an error".to_owned()),
            false => Ok(Payload::default()),
        }
    }
}

#[test]
fn an_engine_that_fails_on_the_sample_too_is_silent_until_it_answers() {
    let plan = EnginePlan { device: torch::Device::Cpu, workers: 1, threads_per_worker: 1 };
    let workers = Engine::start(plan, Arc::new(Metrics::new("0", "0").unwrap())).unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let pipeline = pipeline::of_one_node("breakable", Box::new(Breakable(Arc::clone(&broken))));
    let pipeline = Arc::new(pipeline);
    let run = |frames: std::ops::Range<u64>| {
        let (delivered, deliveries) = mpsc::channel();
        let count = frames.clone().count();
        let frames = Mutex::new(frames.collect());
        let lane =
            Arc::new(Backlog { number: 0, pipeline: Arc::clone(&pipeline), frames, delivered, kept: Mutex::default() });
        workers.shared.lock().schedule.push(lane as Arc<dyn Lane>);
        workers.shared.wake.notify_all();
        (0..count).for_each(|_| drop(deliveries.recv_timeout(PATIENCE).unwrap()));
        workers.is_silent()
    };
    assert!(!run(100..1000), "bad frames alone, however many, are no fault of the engine");
    broken.store(true, Ordering::Relaxed);
    assert!(run(1..100));
    assert!(run(100..101));
    broken.store(false, Ordering::Relaxed);
    assert!(!run(1..2));
    assert!(workers.stop(PATIENCE));
}

#[test]
fn comes_round_while_idle() {
    let plan = EnginePlan { device: torch::Device::Cpu, workers: 2, threads_per_worker: 1 };
    let workers = Engine::start(plan, Arc::new(Metrics::new("0", "0").unwrap())).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while workers.rounds().contains(&0) {
        assert!(Instant::now() < deadline, "an idle worker does not come round");
        std::thread::yield_now();
    }
    assert!(workers.stop(PATIENCE));
}
