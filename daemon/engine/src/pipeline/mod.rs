//! Pipelines: DAGs of nodes that turn a frame into one JSON value. Lives here: reading and checking pipeline files, the
//! order of the nodes, decoding and scaling, node kinds, the loaded set with its swap, and the way back to a JPEG that
//! shows a frame and its result. Does not live here: whose frame runs (`engine`), or what a client is sent (`sink`).
//!
//! A new node kind is one file in `nodes/` and one line in its table.

pub mod bounds;
mod choice;
pub mod definition;
pub mod detection;
pub mod encode;
pub mod gate;
pub mod graph;
pub mod image;
mod load;
mod loaded;
mod nms;
pub mod nodes;
mod one;
mod origin;
pub mod overlay;
pub mod quad;
mod raw;
pub mod registry;
mod seen;
pub mod service;
mod state;
pub mod torch;
pub mod tracking;

pub use load::{LoadPlan, Rejection};
use loaded::PipelineNode;
pub use loaded::{Pipeline, PipelineView};
#[cfg(test)]
pub use loaded::{of_nodes, of_one_node};
pub use one::load_one;
pub use seen::Seen;
pub use state::PipelineState;
