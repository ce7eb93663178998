//! What a pipeline keeps of a session between its frames. A session has at most one frame that runs, so the state goes
//! with the frame and comes back with its outcome; nothing is locked while a model runs.

use std::sync::Arc;

use super::Pipeline;
use super::nodes::{NodeState, Payload};

/// The state of each node, in the order in which they run. The default is that of a session without a frame so far.
#[derive(Clone, Debug, Default)]
pub struct PipelineState {
    nodes: Vec<Kept>,
    /// Frames that began to run.
    frames: u64,
    /// Whether each node runs on each frame, as at load, where all are tried.
    always: bool,
}

/// What is kept of a session for one node.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// What the node keeps itself.
    pub(super) state: NodeState,
    /// Its last output, where it does not run on each frame, and how many frames had begun then.
    last: Option<(Arc<Payload>, u64)>,
}

/// What a node does on a frame.
#[derive(Debug, PartialEq)]
pub(super) enum Turn {
    /// It runs.
    Run,
    /// It gives its last output again.
    Carry(Arc<Payload>),
    /// It gives nothing.
    Skip,
}

impl PipelineState {
    /// For the trial runs at load: each node runs on each frame.
    pub(super) fn warming_up() -> Self {
        PipelineState { always: true, ..PipelineState::default() }
    }

    /// A frame begins to run.
    pub(super) fn begin_frame(&mut self, pipeline: &Pipeline) {
        self.frames += 1;
        if self.nodes.len() != pipeline.nodes.len() {
            let kept = |node: &super::PipelineNode| Kept { state: node.node.new_state(), last: None };
            self.nodes = pipeline.nodes.iter().map(kept).collect();
        }
    }

    /// What the node at this place does on the frame that runs; `outputs` are those of the nodes before it.
    pub(super) fn turn(&self, pipeline: &Pipeline, at: usize, outputs: &[Arc<Payload>]) -> Turn {
        let (Some(node), Some(kept)) = (pipeline.nodes.get(at), self.nodes.get(at)) else { return Turn::Skip };
        if self.always {
            return Turn::Run;
        }
        if !node.gate.is_open(outputs) {
            return Turn::Skip;
        }
        match &kept.last {
            Some((output, ran)) if self.frames - ran < node.gate.every => Turn::Carry(Arc::clone(output)),
            _ => Turn::Run,
        }
    }

    /// What the node at this place keeps.
    pub(super) fn kept(&mut self, at: usize) -> Option<&mut Kept> {
        self.nodes.get_mut(at)
    }

    /// Notes what the node at this place gave on the frame that runs, if it may be asked for it again; `outputs` are those
    /// of the nodes before it. A node that had nothing to work on and gave nothing still has its turn: it keeps step with
    /// the nodes that it takes from.
    pub(super) fn ran(&mut self, pipeline: &Pipeline, at: usize, output: &Arc<Payload>, outputs: &[Arc<Payload>]) {
        let (Some(node), Some(kept)) = (pipeline.nodes.get(at), self.nodes.get_mut(at)) else { return };
        if node.gate.every > 1 {
            let is_empty = |input: &usize| outputs.get(*input).is_none_or(|output| output.is_empty());
            let had_nothing = !node.inputs.is_empty() && node.inputs.iter().all(is_empty);
            kept.last = (!had_nothing || !output.is_empty()).then(|| (Arc::clone(output), self.frames));
        }
    }
}
