//! What the routes answer from.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::painter::Painter;
use super::readiness::{Phase, Readiness};
use crate::session::Services;
use crate::source::camera::CameraSet;

/// What the routes answer from; every part is shared with `app`.
#[derive(Clone, Debug)]
pub struct ServerState {
    /// What cameras work with too.
    pub services: Arc<Services>,
    /// The local cameras.
    pub cameras: Arc<CameraSet>,
    /// Who makes pictures of cameras.
    pub painter: Painter,
    /// Whoever watches subscribes: true tells them that the daemon stops.
    pub watchers: watch::Sender<bool>,
    /// Whoever speaks HTTP subscribes: true tells them to answer the request that they have, or wait for, and no other.
    pub connections: watch::Sender<bool>,
    /// Whether new sessions are served.
    pub readiness: Arc<Readiness>,
    /// The device that models run on, as the configuration would name it.
    pub device: Arc<str>,
    /// When the daemon was built up.
    pub started: Instant,
}

impl ServerState {
    /// Why no new session would be served, as one sentence; none when one would.
    pub fn refusal(&self) -> Option<String> {
        match self.readiness.phase() {
            Phase::Starting => return Some("starting: pipelines are being loaded and warmed up".to_owned()),
            Phase::Stopping => return Some("stopping".to_owned()),
            Phase::Serving => {}
        }
        let services = &self.services;
        if services.engine.device_lost() {
            return Some("the device answers no more; the daemon restarts".to_owned());
        }
        if services.engine.is_silent() {
            return Some(
                "the engine answers no frame any more; the device's log has the reason, and a restart is needed"
                    .to_owned(),
            );
        }
        if services.pipelines.is_empty() {
            let advice = "`forgesyted check` says what is wrong with the pipeline files";
            return Some(format!("no pipeline is loaded; {advice}"));
        }
        let limit = services.config.load().stream.max_sessions?;
        (services.sessions.clients() >= limit).then(|| format!("all {limit} sessions of stream.max_sessions are taken"))
    }
}
