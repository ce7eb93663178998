//! The frame-level service in front of the DAG: build the payload, run the nodes in order, decode the frame when the first of them
//! looks at it, merge what they give. The engine talks to this and never to the DAG.

mod underway;

use std::time::Instant;

use thiserror::Error;

use super::Pipeline;
use super::image::{self, DecodeError, Decoder, Scaler};
use super::state::PipelineState;
use super::torch;
use base::frame::Frame;
use base::protocol::{ErrorCode, StreamError};
use underway::Underway;

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
    /// Of a frame of which nothing was told: a defect.
    pub fn without_outcome(pipeline: &Pipeline) -> Self {
        FrameFailure::of_last_node(pipeline, NO_OUTPUT.to_owned())
    }

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
    run_on_frames(pipeline, &mut [run], scratch).pop().unwrap_or_else(|| Err(FrameFailure::without_outcome(pipeline)))
}

/// Runs frames of as many sessions as one batch, and returns each one's result as JSON text, in their order.
pub fn run_on_frames(
    pipeline: &Pipeline,
    runs: &mut [FrameRun<'_>],
    scratch: &mut Scratch,
) -> Vec<Result<String, FrameFailure>> {
    let mut results: Vec<_> = runs.iter().map(|_| Err(FrameFailure::without_outcome(pipeline))).collect();
    run_in_steps(pipeline, runs, scratch, &mut |step| {
        if let Step::Finished(place, _, result) = step
            && let Some(place) = results.get_mut(place)
        {
            *place = result;
        }
    });
    results
}

/// What happens while frames run.
#[derive(Debug)]
pub enum Step<'a> {
    /// A node is about to run.
    Next,
    /// The frame at this place has its result as JSON text, or will have none. What the pipeline keeps of its session is as the
    /// frame left it.
    Finished(usize, &'a mut PipelineState, Result<String, FrameFailure>),
}

/// Runs frames of as many sessions as one batch: each node at once for as many of them as it takes. Tells of each frame as soon
/// as it is finished; one frame's failure is not another's. Times each stage: a frame's share of a batch is the whole of it.
pub fn run_in_steps(
    pipeline: &Pipeline,
    runs: &mut [FrameRun<'_>],
    scratch: &mut Scratch,
    told: &mut dyn FnMut(Step<'_>),
) {
    let Some(metrics) = &pipeline.metrics else { return run(pipeline, runs, scratch, told) };
    metrics.batch(runs.len());
    let since: Vec<Instant> = runs.iter().map(|run| run.could_run_at).collect();
    since.iter().for_each(|since| metrics.wait.observe(since.elapsed().as_secs_f64()));
    run(pipeline, runs, scratch, &mut |step| {
        if let Step::Finished(place, _, Ok(_)) = &step
            && let Some(since) = since.get(*place)
        {
            metrics.total.observe(since.elapsed().as_secs_f64());
        }
        told(step);
    });
}

/// Runs the frame that pipelines are tried with when they are loaded. Its stages are timed as any frame's; nothing else counts it.
///
/// # Errors
/// [`FrameFailure`]; at load there was none.
pub fn run_on_sample(pipeline: &Pipeline, scratch: &mut Scratch) -> Result<(), FrameFailure> {
    let sample = image::sample_frame().map_err(DecodeError::Jpeg)?;
    let mut state = PipelineState::warming_up();
    let run = FrameRun { frame_index: 1, frame: &sample, could_run_at: Instant::now(), state: &mut state };
    let mut outcome = Ok(());
    self::run(pipeline, &mut [run], scratch, &mut |step| {
        if let Step::Finished(_, _, Err(failure)) = step {
            outcome = Err(failure);
        }
    });
    outcome
}

/// Frames on their way, and what takes them through the nodes.
struct Course<'a> {
    pipeline: &'a Pipeline,
    scaler: &'a mut Scaler,
    told: &'a mut dyn FnMut(Step<'_>),
}

/// Runs the DAG on frames.
fn run(pipeline: &Pipeline, runs: &mut [FrameRun<'_>], scratch: &mut Scratch, told: &mut dyn FnMut(Step<'_>)) {
    let Scratch { decoders, scaler } = scratch;
    decoders.resize_with(runs.len().max(decoders.len()), Decoder::default);
    let places = runs.iter_mut().zip(decoders).enumerate();
    let mut frames: Vec<Underway<'_>> =
        places.map(|(place, (run, decoder))| Underway::begin(pipeline, place, run, decoder)).collect();
    Course { pipeline, scaler, told }.advance(&mut frames, 0, pipeline.nodes.len());
    scratch.trim();
}

impl Course<'_> {
    /// Takes frames from the node at one place up to that at another, together as far as the nodes take so many at once. At
    /// one that does not, or that fails on the batch, they go on in turn: up to the next node that takes more, where they meet
    /// again, or to their end, so that none waits for what is run for others only.
    fn advance(&mut self, frames: &mut [Underway<'_>], from: usize, until: usize) {
        let pipeline = self.pipeline;
        let most = |at: usize| pipeline.nodes.get(at).map_or(1, |node| node.node.max_batch().max(1));
        let mut at = from;
        while at < until {
            let too_many = frames.len() > most(at);
            if !too_many && self.run_node(frames, at) {
                at += 1;
                continue;
            }
            let few = if too_many { most(at) } else { 1 };
            let meeting = (at + 1..until).find(|&later| most(later) > few).unwrap_or(until);
            frames.chunks_mut(few).for_each(|chunk| self.advance(chunk, at, meeting));
            at = meeting;
        }
        if until == pipeline.nodes.len() {
            for frame in frames {
                frame.finish(pipeline, self.told);
            }
        }
    }

    /// Runs the node at this place on all frames that have not failed and on which it has its turn, at once. Whether all have
    /// come past it: one frame's failure is not another's, so what fails in a batch, also for want of memory, is still there.
    fn run_node(&mut self, frames: &mut [Underway<'_>], at: usize) -> bool {
        let Some(node) = self.pipeline.nodes.get(at) else { return true };
        let (mut places, mut seen) = (Vec::with_capacity(frames.len()), Vec::with_capacity(frames.len()));
        for (place, frame) in frames.iter_mut().enumerate() {
            if let Some(input) = frame.input_of(self.pipeline, at) {
                places.push(place);
                seen.push(input);
            }
        }
        if seen.is_empty() {
            return true;
        }
        (self.told)(Step::Next);
        let started = Instant::now();
        let outputs = match seen.as_mut_slice() {
            [alone] => vec![node.node.run(alone, self.scaler)],
            several => node.node.run_batch(several, self.scaler),
        };
        let took = started.elapsed().as_secs_f64();
        let mut outputs = outputs.into_iter();
        let (together, mut past) = (places.len() > 1, true);
        for place in places {
            let output = outputs.next().unwrap_or_else(|| Err(NO_OUTPUT.to_owned()));
            if together && output.is_err() {
                past = false;
                continue;
            }
            if let Some(histogram) = self.pipeline.metrics.as_ref().and_then(|metrics| metrics.nodes.get(at)) {
                histogram.observe(took);
            }
            if let Some(frame) = frames.get_mut(place) {
                frame.take(self.pipeline, at, output);
            }
        }
        past
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
