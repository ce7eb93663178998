//! The frame-level service in front of the DAG: decode what the nodes need, build the payload, run the nodes in order,
//! merge what they give. The engine talks to this and never to the DAG.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use thiserror::Error;

use super::Pipeline;
use super::frame::Frame;
use super::image::{DecodeError, Decoder, ImageNeed, Scaler};
use super::nodes::Payload;
use crate::protocol::{ErrorCode, StreamError};

/// Most bytes of a frame's result as JSON text. Numbers are limited already; strings of a module are not.
const MAX_RESULT_BYTES: usize = 1 << 20;

/// What a worker keeps between frames: its decoder and scaler, with their buffers.
#[derive(Debug, Default)]
pub struct Scratch {
    decoder: Decoder,
    scaler: Scaler,
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

/// Runs one frame that could run since `could_run_at` and returns its result as JSON text. Times each stage.
///
/// # Errors
/// [`FrameFailure`]: an undecodable frame, or a node that failed.
pub fn run_on_frame(
    pipeline: &Pipeline,
    frame_index: u64,
    frame: &Frame,
    could_run_at: Instant,
    scratch: &mut Scratch,
) -> Result<String, FrameFailure> {
    if let Some(metrics) = &pipeline.metrics {
        metrics.wait.observe(could_run_at.elapsed().as_secs_f64());
    }
    let merged = run(pipeline, frame_index, frame, scratch)?;
    let result = Value::Object(merged).to_string();
    if result.len() > MAX_RESULT_BYTES {
        let reason = format!("the result has {} bytes of JSON, and at most {MAX_RESULT_BYTES} are sent", result.len());
        let node = pipeline.nodes.last().map_or_else(String::new, |node| node.id.clone());
        return Err(FrameFailure::Node { node, reason });
    }
    if let Some(metrics) = &pipeline.metrics {
        metrics.total.observe(could_run_at.elapsed().as_secs_f64());
    }
    Ok(result)
}

/// Runs the DAG on one frame and merges the nodes' outputs in the order in which they ran; later wins.
pub(super) fn run(
    pipeline: &Pipeline,
    frame_index: u64,
    frame: &Frame,
    scratch: &mut Scratch,
) -> Result<Map<String, Value>, FrameFailure> {
    let Scratch { decoder, scaler } = scratch;
    let image = match pipeline.image_need {
        ImageNeed::None => None,
        need => {
            let started = Instant::now();
            let picture = decoder.decode(frame, need)?;
            if let Some(metrics) = &pipeline.metrics {
                metrics.decode.observe(started.elapsed().as_secs_f64());
            }
            Some(picture)
        }
    };
    let mut outputs: Vec<Map<String, Value>> = Vec::with_capacity(pipeline.nodes.len());
    for (at, node) in pipeline.nodes.iter().enumerate() {
        let seen = node.inputs.iter().filter_map(|&input| outputs.get(input)).cloned();
        let payload = Payload { frame_index, image, upstream: merge(seen) };
        let started = Instant::now();
        let output = node.node.run(&payload, scaler);
        time_node(pipeline, at, started.elapsed());
        outputs.push(output.map_err(|reason| FrameFailure::Node { node: node.id.clone(), reason })?);
    }
    Ok(merge(outputs.into_iter()))
}

fn time_node(pipeline: &Pipeline, at: usize, took: Duration) {
    if let Some(histogram) = pipeline.metrics.as_ref().and_then(|metrics| metrics.nodes.get(at)) {
        histogram.observe(took.as_secs_f64());
    }
}

fn merge(outputs: impl Iterator<Item = Map<String, Value>>) -> Map<String, Value> {
    outputs
        .reduce(|mut merged, later| {
            merged.extend(later);
            merged
        })
        .unwrap_or_default()
}
