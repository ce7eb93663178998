//! What every room before the engine works with.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::client::Client;
use super::registry::{Membership, SessionRegistry};
use crate::engine::Engine;
use crate::pipeline::Pipeline;
use crate::pipeline::registry::PipelineRegistry;
use crate::telemetry::metrics::Metrics;
use base::config::Config;
use base::protocol::StreamError;

/// The daemon's services; `app` makes them once.
#[derive(Debug)]
pub struct Services {
    /// The current configuration.
    pub config: ArcSwap<Config>,
    /// The loaded pipelines.
    pub pipelines: PipelineRegistry,
    /// The live sessions.
    pub sessions: Arc<SessionRegistry>,
    /// Who runs frames.
    pub engine: Engine,
    /// The daemon's series.
    pub metrics: Arc<Metrics>,
}

impl Services {
    /// Services without pipelines and sessions.
    pub fn new(config: Config, engine: Engine, metrics: Arc<Metrics>) -> Self {
        let sessions = SessionRegistry::new((&config.stream).into());
        let (config, pipelines) = (ArcSwap::from_pointee(config), PipelineRegistry::default());
        Services { config, pipelines, sessions, engine, metrics }
    }

    /// Opens a session of this client on this pipeline.
    ///
    /// # Errors
    /// Those of [`SessionRegistry::admit`].
    pub fn open(&self, client: Client, pipeline: Arc<Pipeline>) -> Result<Membership, StreamError> {
        let metrics = self.metrics.session(client.source(), pipeline.id());
        self.sessions.admit(self.config.load().stream.max_sessions, client, pipeline, metrics)
    }
}
