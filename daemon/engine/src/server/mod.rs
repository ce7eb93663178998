//! The listener and what it answers. Lives here: binding a socket or taking the service manager's, accepting connections
//! within limits, HTTP routes, the upgrade to a stream and admission, the web page. Does not live here: what is done with
//! frames (`source` and further), or when the daemon is ready
//! (`app` says so).
//!
//! Routes, none of which changes anything: `GET /ws/video/stream` and `/ws/watch` (upgrades), `/healthz`, `/readyz`,
//! `/metrics`, `/v1`, `/v1/pipelines`, `/v1/sessions`, `/v1/cameras`, `/v1/cameras/NAME/snapshot.jpg`,
//! `/v1/cameras/NAME/stream.mjpeg`, `/v1/board`, and the page: `/` and the files that `web` lists.

pub mod auth;
mod board;
mod cameras;
pub mod forwarded;
pub mod headers;
mod listener;
mod outlet;
mod painter;
mod passed;
mod pipelines;
mod readiness;
mod refused_method;
pub mod routes;
mod stream;
mod upgrade;
mod watch;
mod web;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch as channel;

use crate::engine::Engine;
use crate::pipeline::registry::PipelineRegistry;
use crate::session::registry::SessionRegistry;
use crate::source::camera::CameraSet;
use crate::telemetry::metrics::Metrics;
use base::config::Config;

pub use board::Board;
pub use listener::{bind, serve};
pub use painter::Painter;
pub use passed::{PassedError, passed};
pub use readiness::{Phase, Readiness};

/// What the routes answer from; every part is shared with `app`.
#[derive(Clone, Debug)]
pub struct ServerState {
    /// The current configuration.
    pub config: Arc<ArcSwap<Config>>,
    /// The loaded pipelines.
    pub pipelines: Arc<PipelineRegistry>,
    /// The live sessions.
    pub sessions: Arc<SessionRegistry>,
    /// Who runs frames.
    pub engine: Arc<Engine>,
    /// The local cameras.
    pub cameras: Arc<CameraSet>,
    /// Who makes pictures of cameras.
    pub painter: Arc<Painter>,
    /// Whoever watches subscribes: true tells them that the daemon stops.
    pub watchers: channel::Sender<bool>,
    /// Whoever speaks HTTP subscribes: true tells them to answer the request that they have, or wait for, and no other.
    pub connections: channel::Sender<bool>,
    /// The daemon's series.
    pub metrics: Arc<Metrics>,
    /// Whether new sessions are served.
    pub readiness: Arc<Readiness>,
    /// What is known of the board.
    pub board: Board,
}

impl ServerState {
    /// Why no new session would be served, as one sentence; none when one would.
    pub fn refusal(&self) -> Option<String> {
        match self.readiness.phase() {
            Phase::Starting => return Some("starting: pipelines are being loaded and warmed up".to_owned()),
            Phase::Stopping => return Some("stopping".to_owned()),
            Phase::Serving => {}
        }
        if self.engine.device_lost() {
            return Some("the device answers no more; the daemon restarts".to_owned());
        }
        if self.engine.is_silent() {
            return Some(
                "the engine answers no frame any more; the device's log has the reason, and a restart is needed"
                    .to_owned(),
            );
        }
        if self.pipelines.is_empty() {
            let advice = "`forgesyted check` says what is wrong with the pipeline files";
            return Some(format!("no pipeline is loaded; {advice}"));
        }
        let limit = self.config.load().stream.max_sessions?;
        (self.sessions.clients() >= limit).then(|| format!("all {limit} sessions of stream.max_sessions are taken"))
    }
}
