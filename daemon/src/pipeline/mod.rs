//! Pipelines: DAGs of nodes that turn a frame into one JSON value. Lives here: reading and checking pipeline files, the
//! order of the nodes, decoding and scaling, node kinds, the loaded set with its swap, and the way back to a JPEG that
//! shows a frame and its result. Does not live here: whose frame runs (`engine`), or what a client is sent (`sink`).
//!
//! A new node kind is one file in `nodes/` and one line in its table.

#[cfg(feature = "engine")]
pub mod definition;
#[cfg(feature = "engine")]
pub mod detection;
#[cfg(feature = "engine")]
pub mod encode;
pub mod frame;
#[cfg(feature = "engine")]
pub mod gate;
#[cfg(feature = "engine")]
pub mod graph;
#[cfg(feature = "engine")]
pub mod image;
pub mod jpeg;
#[cfg(feature = "engine")]
mod load;
#[cfg(feature = "engine")]
mod loaded;
#[cfg(feature = "engine")]
mod nms;
#[cfg(feature = "engine")]
pub mod nodes;
#[cfg(feature = "engine")]
mod one;
#[cfg(feature = "engine")]
mod origin;
#[cfg(feature = "engine")]
pub mod overlay;
#[cfg(feature = "engine")]
pub mod quad;
#[cfg(feature = "engine")]
mod raw;
#[cfg(feature = "engine")]
pub mod registry;
#[cfg(feature = "engine")]
mod seen;
#[cfg(feature = "engine")]
pub mod service;
#[cfg(feature = "engine")]
mod state;
#[cfg(feature = "engine")]
pub mod torch;
#[cfg(feature = "engine")]
pub mod tracking;

#[cfg(feature = "engine")]
pub use load::{LoadPlan, Rejection};
#[cfg(feature = "engine")]
use loaded::PipelineNode;
#[cfg(feature = "engine")]
#[cfg(test)]
pub use loaded::of_one_node;
#[cfg(feature = "engine")]
pub use loaded::{Pipeline, PipelineView};
#[cfg(feature = "engine")]
pub use one::load_one;
#[cfg(feature = "engine")]
pub use seen::Seen;
#[cfg(feature = "engine")]
pub use state::PipelineState;
