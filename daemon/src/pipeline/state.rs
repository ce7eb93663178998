//! What a pipeline keeps of a session between its frames. A session has at most one frame that runs, so the state goes
//! with the frame and comes back with its outcome; nothing is locked while a model runs.

use super::Pipeline;
use super::nodes::NodeState;

/// The state of each node, in the order in which they run. The default is that of a session without a frame so far.
#[derive(Debug, Default)]
pub struct PipelineState {
    nodes: Vec<NodeState>,
}

impl PipelineState {
    /// The state of the node at this place; made when its first frame comes.
    pub(super) fn node(&mut self, pipeline: &Pipeline, at: usize) -> Option<&mut NodeState> {
        if self.nodes.len() != pipeline.nodes.len() {
            self.nodes = pipeline.nodes.iter().map(|node| node.node.new_state()).collect();
        }
        self.nodes.get_mut(at)
    }
}
