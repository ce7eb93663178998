//! Pipelines: DAGs of nodes that turn a frame into one JSON value. Lives here: reading and checking pipeline files, the
//! order of the nodes, decoding and scaling, node kinds, the loaded set with its swap, and the way back to a JPEG that
//! shows a frame and its result. Does not live here: whose frame runs (`engine`), or what a client is sent (`sink`).
//!
//! A new node kind is one file in `nodes/` and one line in its table.

pub mod definition;
pub mod encode;
pub mod frame;
pub mod graph;
pub mod image;
mod load;
pub mod nodes;
mod origin;
pub mod overlay;
mod raw;
pub mod registry;
pub mod service;
pub mod torch;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::telemetry::metrics::PipelineMetrics;
use image::ImageNeed;
pub use load::{LoadPlan, Rejection};
use nodes::Node;
use origin::Origin;

/// A loaded, warm pipeline.
#[derive(Debug)]
pub struct Pipeline {
    id: String,
    name: String,
    file: PathBuf,
    /// In topological order.
    nodes: Vec<PipelineNode>,
    image_need: ImageNeed,
    origin: Origin,
    /// Present once the pipeline is accepted; trial runs at load are not counted.
    metrics: Option<PipelineMetrics>,
}

/// A node in its place.
#[derive(Debug)]
struct PipelineNode {
    id: String,
    kind: &'static str,
    /// Positions of the nodes whose outputs it sees, all before its own.
    inputs: Vec<usize>,
    node: Box<dyn Node>,
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
#[allow(clippy::expect_used)]
pub fn of_one_node(id: &str, node: Box<dyn Node>) -> Pipeline {
    let image_need = node.needs();
    let nodes = vec![PipelineNode { id: "node".to_owned(), kind: "test", inputs: Vec::new(), node }];
    let (id, name, file) = (id.to_owned(), id.to_owned(), PathBuf::from("/proc/self/exe"));
    let origin = Origin { file: origin::Stamp::of(&file).expect("this program"), models: Vec::new() };
    Pipeline { id, name, file, nodes, image_need, origin, metrics: None }
}
