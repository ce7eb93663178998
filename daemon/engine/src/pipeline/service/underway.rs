//! A frame on its way through the nodes: what it was decoded to, what they gave, and what came of it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::{CARRIED, FrameFailure, FrameRun, MAX_RESULT_BYTES, Step};
use crate::pipeline::Pipeline;
use crate::pipeline::image::{self, DecodeError, Decoder, ImageNeed, Picture};
use crate::pipeline::nodes::{NodeFrame, Payload};
use crate::pipeline::state::{PipelineState, Turn};
use base::frame::Frame;

/// A frame on its way through the nodes.
pub(super) struct Underway<'a> {
    /// Among those that run together.
    place: usize,
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
    finished: bool,
}

impl<'a> Underway<'a> {
    pub(super) fn begin(
        pipeline: &Pipeline,
        place: usize,
        run: &'a mut FrameRun<'_>,
        decoder: &'a mut Decoder,
    ) -> Self {
        let before = run.state.clone();
        run.state.begin_frame(pipeline);
        Underway {
            place,
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
            finished: false,
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

    /// What the node at this place is given, where it is still to run on the frame; else its output is noted, or why there is none.
    pub(super) fn input_of(&mut self, pipeline: &Pipeline, at: usize) -> Option<NodeFrame<'_>> {
        let node = pipeline.nodes.get(at).filter(|_| self.failed.is_none() && self.outputs.len() == at)?;
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
    pub(super) fn take(&mut self, pipeline: &Pipeline, at: usize, output: Result<Payload, String>) {
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

    /// Tells what came of it, once.
    pub(super) fn finish(&mut self, pipeline: &Pipeline, told: &mut dyn FnMut(Step<'_>)) {
        if !std::mem::replace(&mut self.finished, true) {
            let result = self.failed.take().map_or_else(|| self.result(pipeline), Err);
            told(Step::Finished(self.place, self.state, result));
        }
    }

    /// The outputs of all nodes, merged in the order in which they ran (later wins), and which of them are carried, as
    /// JSON text.
    fn result(&mut self, pipeline: &Pipeline) -> Result<String, FrameFailure> {
        let mut merged = Payload::to_json(self.outputs.iter().map(|output| &**output));
        if !self.carried.is_empty() {
            merged.insert(CARRIED, Cow::Owned(std::mem::take(&mut self.carried).into()));
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
