//! The frame-level service in front of the DAG: build the payload, run the nodes in order, decode the frame when the first of them
//! looks at it, merge what they give. The engine talks to this and never to the DAG.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use thiserror::Error;

use super::Pipeline;
use super::image::{self, DecodeError, Decoder, ImageNeed, Picture, Scaler};
use super::nodes::{Node, NodeFrame, Payload};
use super::state::{PipelineState, Turn};
use super::torch;
use base::frame::Frame;
use base::protocol::{ErrorCode, StreamError};

/// Most bytes of a frame's result as JSON text. Each module's output is limited already; all together are not.
const MAX_RESULT_BYTES: usize = torch::MAX_JSON_BYTES;

/// Most bytes of decoded pictures that a worker keeps from one batch to the next: ten of 1920x1080. A batch may have as many
/// pictures as sessions, each as large as its client likes.
const MAX_KEPT_PICTURES: usize = 64 << 20;

/// A defect of a node kind; it costs the frame's session and nothing else.
const NO_OUTPUT: &str = "it gave no output for the frame";

/// The key of a result under which the nodes stand that did not run on the frame, and whose last output it has.
pub const CARRIED: &str = "carried";

/// What a worker keeps between frames: its decoders and scaler, with their buffers.
#[derive(Debug, Default)]
pub struct Scratch {
    /// One for each frame of a batch.
    decoders: Vec<Decoder>,
    scaler: Scaler,
}

impl Scratch {
    /// Gives back what a batch of large frames took.
    fn trim(&mut self) {
        let mut kept = 0;
        let stays = |decoder: &&Decoder| {
            kept += decoder.kept_bytes();
            kept <= MAX_KEPT_PICTURES
        };
        let few = self.decoders.iter().take_while(stays).count();
        // What the first one keeps is its own affair.
        self.decoders.truncate(few.max(1));
    }
}

/// Why a frame has no result.
#[derive(Debug, Error)]
pub enum FrameFailure {
    /// The frame cannot be decoded.
    #[error("the frame cannot be decoded: {0}")]
    Undecodable(#[from] DecodeError),
    /// A node failed.
    #[error("node \"{node}\" failed: {reason}")]
    Node {
        /// Its id.
        node: String,
        /// One sentence, for the log only.
        reason: String,
    },
}

impl FrameFailure {
    fn of_last_node(pipeline: &Pipeline, reason: String) -> Self {
        FrameFailure::Node { node: pipeline.nodes.last().map_or_else(String::new, |node| node.id.clone()), reason }
    }
}

impl From<FrameFailure> for StreamError {
    fn from(failure: FrameFailure) -> Self {
        match failure {
            FrameFailure::Undecodable(error) => {
                StreamError::new(ErrorCode::InvalidFrame, format!("The frame cannot be decoded: {error}."))
            }
            FrameFailure::Node { node, .. } => StreamError::new(
                ErrorCode::PipelineFailure,
                format!("Node \"{node}\" of the pipeline failed on this frame; the device's log has the reason."),
            ),
        }
    }
}

/// One frame that is to run.
#[derive(Debug)]
pub struct FrameRun<'a> {
    /// Its number in its session.
    pub frame_index: u64,
    /// The frame as it was received.
    pub frame: &'a Frame,
    /// Since when it could have run.
    pub could_run_at: Instant,
    /// What the pipeline keeps of the session.
    pub state: &'a mut PipelineState,
}

/// Runs one frame and returns its result as JSON text. Times each stage.
///
/// # Errors
/// [`FrameFailure`]: an undecodable frame, or a node that failed.
pub fn run_on_frame(pipeline: &Pipeline, run: FrameRun<'_>, scratch: &mut Scratch) -> Result<String, FrameFailure> {
    run_on_frames(pipeline, &mut [run], scratch)
        .pop()
        .unwrap_or_else(|| Err(FrameFailure::of_last_node(pipeline, NO_OUTPUT.to_owned())))
}

/// Runs frames of as many sessions as one batch: each node once for all of them. Returns each frame's result as JSON text,
/// in their order; one frame's failure is not another's. Times each stage: a frame's share of a batch is the whole of it.
pub fn run_on_frames(
    pipeline: &Pipeline,
    runs: &mut [FrameRun<'_>],
    scratch: &mut Scratch,
) -> Vec<Result<String, FrameFailure>> {
    if let Some(metrics) = &pipeline.metrics {
        metrics.batch(runs.len());
        runs.iter().for_each(|run| metrics.wait.observe(run.could_run_at.elapsed().as_secs_f64()));
    }
    let results = run(pipeline, runs, scratch);
    if let Some(metrics) = &pipeline.metrics {
        let with_result = results.iter().zip(runs.iter()).filter(|(result, _)| result.is_ok());
        with_result.for_each(|(_, run)| metrics.total.observe(run.could_run_at.elapsed().as_secs_f64()));
    }
    results
}

/// Runs the frame that pipelines are tried with when they are loaded. Its stages are timed as any frame's; nothing else counts it.
///
/// # Errors
/// [`FrameFailure`]; at load there was none.
pub fn run_on_sample(pipeline: &Pipeline, scratch: &mut Scratch) -> Result<(), FrameFailure> {
    let sample = image::sample_frame().map_err(DecodeError::Jpeg)?;
    let mut state = PipelineState::warming_up();
    let run = FrameRun { frame_index: 1, frame: &sample, could_run_at: Instant::now(), state: &mut state };
    self::run(pipeline, &mut [run], scratch).into_iter().try_for_each(|outcome| outcome.map(drop))
}

/// A frame on its way through the nodes.
struct Underway<'a> {
    frame_index: u64,
    frame: &'a Frame,
    /// What the pipeline keeps of its session, and what it was before the frame.
    state: &'a mut PipelineState,
    before: PipelineState,
    /// Until the picture is decoded.
    decoder: Option<&'a mut Decoder>,
    image: Option<Picture<'a>>,
    frame_size: Option<(usize, usize)>,
    /// Of each node so far.
    outputs: Vec<Arc<Payload>>,
    /// Ids of the nodes that gave their last output again.
    carried: Vec<Value>,
    failed: Option<FrameFailure>,
}

impl<'a> Underway<'a> {
    fn begin(pipeline: &Pipeline, run: &'a mut FrameRun<'_>, decoder: &'a mut Decoder) -> Self {
        let before = run.state.clone();
        run.state.begin_frame(pipeline);
        Underway {
            frame_index: run.frame_index,
            frame: run.frame,
            state: run.state,
            before,
            decoder: Some(decoder),
            image: None,
            frame_size: None,
            outputs: Vec::new(),
            carried: Vec::new(),
            failed: None,
        }
    }

    /// Looks at as much of the frame as a node needs, where none before it did.
    fn look(&mut self, pipeline: &Pipeline, need: ImageNeed) -> Result<(), DecodeError> {
        match need {
            ImageNeed::None => {}
            ImageNeed::Size if self.frame_size.is_some() => {}
            ImageNeed::Size => self.frame_size = Some(image::size_of(self.frame)?),
            ImageNeed::AtLeast(..) | ImageNeed::Whole => {
                let Some(decoder) = self.decoder.take() else { return Ok(()) };
                let started = Instant::now();
                let picture = decoder.decode(self.frame, pipeline.image_need)?;
                if let Some(metrics) = &pipeline.metrics {
                    metrics.decode.observe(started.elapsed().as_secs_f64());
                }
                (self.image, self.frame_size) = (Some(picture), Some(picture.frame_size));
            }
        }
        Ok(())
    }

    /// What the node at this place is given, where it runs on the frame; else its output is noted, or why there is none.
    fn input_of(&mut self, pipeline: &Pipeline, at: usize) -> Option<NodeFrame<'_>> {
        let node = pipeline.nodes.get(at).filter(|_| self.failed.is_none())?;
        match self.state.turn(pipeline, at, &self.outputs) {
            Turn::Run => {}
            Turn::Carry(output) => {
                self.outputs.push(output);
                self.carried.push(node.id.clone().into());
                return None;
            }
            Turn::Skip => {
                self.outputs.push(Arc::default());
                return None;
            }
        }
        if let Err(error) = self.look(pipeline, node.node.needs()) {
            // A frame that cannot be decoded leaves nothing behind, whoever sends it, and so no turn of a node moves.
            *self.state = std::mem::take(&mut self.before);
            self.failed = Some(error.into());
            return None;
        }
        let upstream =
            Payload::merged(node.inputs.iter().filter_map(|&input| self.outputs.get(input)).map(|output| &**output));
        let state = &mut self.state.kept(at)?.state;
        let (frame_index, image, frame_size) = (self.frame_index, self.image, self.frame_size);
        Some(NodeFrame { frame_index, image, frame_size, upstream, state })
    }

    /// Notes what the node at this place gave.
    fn take(&mut self, pipeline: &Pipeline, at: usize, output: Result<Payload, String>) {
        match (output, pipeline.nodes.get(at)) {
            (Ok(output), _) => {
                let output = Arc::new(output);
                self.state.ran(pipeline, at, &output, &self.outputs);
                self.outputs.push(output);
            }
            (Err(reason), node) => {
                let node = node.map_or_else(String::new, |node| node.id.clone());
                self.failed = Some(FrameFailure::Node { node, reason });
            }
        }
    }

    /// The outputs of all nodes, merged in the order in which they ran (later wins), and which of them are carried, as
    /// JSON text.
    fn into_result(self, pipeline: &Pipeline) -> Result<String, FrameFailure> {
        if let Some(failure) = self.failed {
            return Err(failure);
        }
        let mut merged = Payload::to_json(self.outputs.iter().map(|output| &**output));
        if !self.carried.is_empty() {
            merged.insert(CARRIED, Cow::Owned(self.carried.into()));
        }
        let result = serde_json::to_string(&merged)
            .map_err(|error| FrameFailure::of_last_node(pipeline, format!("the result is no JSON: {error}")))?;
        if result.len() <= MAX_RESULT_BYTES {
            return Ok(result);
        }
        let length = |output: &Payload| {
            serde_json::to_string(&Payload::to_json(std::iter::once(output))).map_or(0, |text| text.len())
        };
        let largest = pipeline.nodes.iter().zip(&self.outputs).max_by_key(|(_, output)| length(output));
        Err(FrameFailure::Node {
            node: largest.map_or_else(String::new, |(node, _)| node.id.clone()),
            reason: format!(
                "the result has {} bytes of JSON, and at most {MAX_RESULT_BYTES} are sent; most of it is this node's: \
                 lower max_detections or top_k, or return less from the module",
                result.len()
            ),
        })
    }
}

/// Runs the DAG on frames and merges the nodes' outputs.
fn run(pipeline: &Pipeline, runs: &mut [FrameRun<'_>], scratch: &mut Scratch) -> Vec<Result<String, FrameFailure>> {
    let Scratch { decoders, scaler } = scratch;
    decoders.resize_with(runs.len().max(decoders.len()), Decoder::default);
    let mut underway: Vec<Underway<'_>> =
        runs.iter_mut().zip(decoders).map(|(run, decoder)| Underway::begin(pipeline, run, decoder)).collect();
    for at in 0..pipeline.nodes.len() {
        run_node(pipeline, at, &mut underway, scaler);
    }
    let results = underway.into_iter().map(|frame| frame.into_result(pipeline)).collect();
    scratch.trim();
    results
}

/// Runs the node at this place on all frames that have not failed and on which it has its turn.
fn run_node(pipeline: &Pipeline, at: usize, underway: &mut [Underway<'_>], scaler: &mut Scaler) {
    let Some(node) = pipeline.nodes.get(at) else { return };
    let mut places = Vec::with_capacity(underway.len());
    let mut seen = Vec::with_capacity(underway.len());
    for (place, frame) in underway.iter_mut().enumerate() {
        if let Some(input) = frame.input_of(pipeline, at) {
            places.push(place);
            seen.push(input);
        }
    }
    if seen.is_empty() {
        return;
    }
    let started = Instant::now();
    let mut outputs = run_in_batches(&*node.node, &mut seen, scaler).into_iter();
    let took = started.elapsed();
    for place in places {
        time_node(pipeline, at, took);
        if let Some(frame) = underway.get_mut(place) {
            frame.take(pipeline, at, outputs.next().unwrap_or_else(|| Err(NO_OUTPUT.to_owned())));
        }
    }
}

/// The node's outputs, by as few runs as it can do with. A batch that fails, also for want of memory, is run again frame
/// by frame: one frame's failure is not another's.
fn run_in_batches(node: &dyn Node, frames: &mut [NodeFrame<'_>], scaler: &mut Scaler) -> Vec<Result<Payload, String>> {
    let mut outputs = Vec::with_capacity(frames.len());
    for batch in frames.chunks_mut(node.max_batch().max(1)) {
        if batch.len() == 1 {
            outputs.extend(batch.iter_mut().map(|frame| node.run(frame, scaler)));
            continue;
        }
        let mut together = node.run_batch(batch, scaler).into_iter();
        for frame in batch {
            outputs.push(match together.next() {
                Some(Ok(output)) => Ok(output),
                _ => node.run(frame, scaler),
            });
        }
    }
    outputs
}

fn time_node(pipeline: &Pipeline, at: usize, took: Duration) {
    if let Some(histogram) = pipeline.metrics.as_ref().and_then(|metrics| metrics.nodes.get(at)) {
        histogram.observe(took.as_secs_f64());
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
