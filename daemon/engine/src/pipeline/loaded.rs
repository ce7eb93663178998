//! A loaded pipeline, and the views of it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::gate::Gate;
use super::image::ImageNeed;
use super::nodes::Node;
use super::origin::Origin;
use super::torch::{Comparison, Device};
use crate::telemetry::metrics::{Metrics, PipelineMetrics};

/// A loaded, warm pipeline.
#[derive(Debug)]
pub struct Pipeline {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// In topological order.
    pub(super) nodes: Vec<PipelineNode>,
    pub(super) image_need: ImageNeed,
    pub(super) origin: Origin,
    pub(super) max_batch: usize,
    /// Present once the pipeline is accepted; trial runs at load are not counted.
    pub(super) metrics: Option<PipelineMetrics>,
    /// Ids of nodes whose model runs in half precision, and what that did on the sample frame.
    pub(super) comparisons: Vec<(String, Comparison)>,
}

/// A node in its place.
#[derive(Debug)]
pub(super) struct PipelineNode {
    pub(super) id: String,
    pub(super) kind: &'static str,
    /// Positions of the nodes whose outputs it sees, all before its own.
    pub(super) inputs: Vec<usize>,
    /// When it runs.
    pub(super) gate: Gate,
    /// Where its model runs, if it has one.
    pub(super) device: Device,
    pub(super) node: Box<dyn Node>,
}

/// A pipeline as the list of pipelines shows it.
#[derive(Debug, Serialize)]
pub struct PipelineView {
    id: String,
    name: String,
    nodes: Vec<NodeView>,
}

#[derive(Debug, Serialize)]
struct NodeView {
    id: String,
    kind: &'static str,
    inputs: Vec<String>,
}

impl Pipeline {
    /// Its id, which clients name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The file that defines it.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Ids of its nodes, in the order in which they run.
    pub fn node_ids(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.id.clone()).collect()
    }

    /// Where the models of the node with this id run.
    pub fn device_of(&self, id: &str) -> Option<Device> {
        self.nodes.iter().find(|node| node.id == id).map(|node| node.device)
    }

    /// Nodes whose model runs in half precision, and what that did on the sample frame.
    pub fn comparisons(&self) -> &[(String, Comparison)] {
        &self.comparisons
    }

    /// What it times; none before it is accepted.
    pub fn metrics(&self) -> Option<&PipelineMetrics> {
        self.metrics.as_ref()
    }

    /// The pipeline with its series, which an accepted one has.
    #[must_use]
    pub fn counted(self, metrics: &Metrics) -> Pipeline {
        let times = metrics.pipeline(&self.id, &self.node_ids());
        Pipeline { metrics: Some(times), ..self }
    }

    /// Most frames that gain by running as one batch: that of the node that takes most.
    pub fn max_batch(&self) -> usize {
        self.max_batch
    }

    /// The pipeline as the list shows it.
    pub fn view(&self) -> PipelineView {
        let view = |node: &PipelineNode| NodeView {
            id: node.id.clone(),
            kind: node.kind,
            inputs: node.inputs.iter().filter_map(|&at| self.nodes.get(at)).map(|input| input.id.clone()).collect(),
        };
        PipelineView { id: self.id.clone(), name: self.name.clone(), nodes: self.nodes.iter().map(view).collect() }
    }
}

/// A pipeline of one node, for tests of the rooms around it.
#[cfg(test)]
pub fn of_one_node(id: &str, node: Box<dyn Node>) -> Pipeline {
    of_nodes(id, [("node", node)])
}

/// A pipeline of nodes by id, each with the one before as its input, for tests.
#[cfg(test)]
#[allow(clippy::expect_used)]
pub fn of_nodes<const N: usize>(id: &str, nodes: [(&str, Box<dyn Node>); N]) -> Pipeline {
    use super::origin::Stamp;

    let image_need = nodes.iter().fold(ImageNeed::None, |need, (_, node)| need.and(node.needs()));
    let max_batch = nodes.iter().map(|(_, node)| node.max_batch()).max().unwrap_or(1);
    let nodes = nodes.into_iter().enumerate().map(|(at, (id, node))| PipelineNode {
        id: id.to_owned(),
        kind: "test",
        inputs: at.checked_sub(1).into_iter().collect(),
        gate: Gate { every: 1, when: None },
        device: Device::Cpu,
        node,
    });
    let nodes = nodes.collect();
    let (id, name, file) = (id.to_owned(), id.to_owned(), PathBuf::from("/proc/self/exe"));
    let origin = Origin { file: Stamp::of(&file).expect("this program"), files: Vec::new() };
    Pipeline { id, name, file, nodes, image_need, origin, max_batch, metrics: None, comparisons: Vec::new() }
}
