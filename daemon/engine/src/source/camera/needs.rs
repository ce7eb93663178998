//! What cameras are given by the rest of the daemon.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::engine::Engine;
use crate::pipeline::registry::PipelineRegistry;
use crate::session::registry::SessionRegistry;
use crate::telemetry::metrics::Metrics;
use base::config::Config;

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
