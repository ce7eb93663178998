//! Local cameras, as sessions whose client is this machine. Lives here: opening and reading devices and replays, the
//! thread of each camera (open, run, back off, explain), and what is known of each. Does not live here: what is done with
//! a frame (`session` and further), pictures and results for whoever looks (`server`).

mod backoff;
pub mod capture;
mod mjpeg;
mod open;
mod pace;
mod rate;
pub mod replay;
mod session;
mod set;
mod shared;
mod supervisor;
pub mod v4l2;
mod view;

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::{CameraDevice, Config};
use crate::engine::Engine;
use crate::pipeline::registry::PipelineRegistry;
use crate::session::registry::SessionRegistry;
use crate::telemetry::metrics::Metrics;

pub use open::{Opened, open};
pub use set::CameraSet;
pub use shared::{Camera, Shot};
use v4l2::Identity;
pub use view::CameraView;

/// What cameras share with the rest of the daemon.
#[derive(Clone, Debug)]
pub struct Needs {
    /// The current configuration.
    pub config: Arc<ArcSwap<Config>>,
    /// The loaded pipelines.
    pub pipelines: Arc<PipelineRegistry>,
    /// The live sessions.
    pub sessions: Arc<SessionRegistry>,
    /// Who runs frames.
    pub engine: Arc<Engine>,
    /// The daemon's series.
    pub metrics: Arc<Metrics>,
}

/// What tells a device from another one at the same place; none while there is none.
fn identify(device: &CameraDevice) -> Option<Identity> {
    match device {
        // A file that is being written changes all the time, and is the same one.
        CameraDevice::Replay(path) => v4l2::identity(path).map(Identity::of_node),
        device => v4l2::identity(&v4l2::resolve(device).ok()?),
    }
}
