//! The upgrade to a stream: who may have a session, and the session's first and last log line.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::sync::OwnedSemaphorePermit;

use super::query::query_value;
use super::reply::Reply;
use super::state::ServerState;
use super::{auth, upgrade};
use crate::pipeline::Pipeline;
use crate::session::registry::Membership;
use crate::session::{Client, Peer, Services};
use crate::sink::pulse::Pulse;
use crate::source::websocket::{self, Closed};
use base::config::Config;
use base::frame::validator::FrameLimits;
use base::logging::rate_limited::RateLimited;
use base::protocol::{ErrorCode, StreamError};

/// What clients can cause without a session is logged at most this often, and so are their sessions' errors. Sessions begin and
/// end in larger numbers by right: all clients of a board come at once after a restart.
static REFUSALS: RateLimited = RateLimited::new(10, Duration::from_secs(10));
static ERRORS: RateLimited = RateLimited::new(20, Duration::from_secs(10));
static STARTS: RateLimited = RateLimited::new(50, Duration::from_secs(10));
static ENDS: RateLimited = RateLimited::new(50, Duration::from_secs(10));

/// Answers an upgrade request. Every well-formed one is accepted, so that a client that gets no session gets the reason
/// as an error message; only a daemon that is still starting answers 503.
pub fn upgrade(
    mut request: Request<Incoming>,
    peer: Peer,
    permit: Arc<OwnedSemaphorePermit>,
    state: ServerState,
) -> Reply {
    let (response, upgraded) = match upgrade::accept(&mut request, &state) {
        Ok(accepted) => accepted,
        Err(refusal) => return *refusal,
    };
    let admission = admit(&request, peer, &state.services);
    tokio::spawn(async move {
        run(upgraded, admission, peer, &state.services).await;
        drop(permit);
    });
    response
}

fn admit(request: &Request<Incoming>, peer: Peer, services: &Services) -> Result<Membership, StreamError> {
    let config = services.config.load();
    auth::authorize(config.server.token.as_deref(), request.headers(), request.uri())?;
    services.open(Client::Remote(peer), find_pipeline(request, services)?)
}

fn find_pipeline(request: &Request<Incoming>, services: &Services) -> Result<Arc<Pipeline>, StreamError> {
    let unknown = |what: &str| {
        let known = services.pipelines.ids().join(", ");
        let known = if known.is_empty() { "no pipeline".to_owned() } else { known };
        StreamError::new(ErrorCode::InvalidPipeline, format!("{what}; this device has {known}."))
    };
    let asked = query_value(request.uri(), "pipeline_id");
    let asked = asked.as_deref().filter(|id| !id.is_empty());
    let id = asked.ok_or_else(|| unknown("The query names no pipeline_id"))?;
    services.pipelines.get(id).ok_or_else(|| unknown("There is no pipeline of that pipeline_id"))
}

async fn run(upgraded: OnUpgrade, admission: Result<Membership, StreamError>, peer: Peer, services: &Services) {
    let config = services.config.load_full();
    let Some((stream, already_read)) = upgrade::connection(upgraded).await else { return };
    let socket = websocket::open(stream, already_read, config.stream.max_frame_bytes).await;
    match admission {
        Ok(membership) => run_session(socket, membership, peer, &config, services).await,
        Err(error) => {
            services.metrics.error(error.code.as_str());
            if let Some(suppressed) = REFUSALS.allow(Instant::now()) {
                log::warn!(
                    event = "stream_error", peer:% = peer, code = error.code.as_str(), suppressed;
                    "refused a stream: {}", error.detail
                );
            }
            websocket::refuse(socket, &error, config.stream.send_timeout).await;
        }
    }
}

async fn run_session(
    socket: websocket::Socket,
    membership: Membership,
    peer: Peer,
    config: &Config,
    services: &Services,
) {
    let session = membership.session();
    let (session_id, pipeline_id) = (session.id(), session.pipeline().id());
    if let Some(suppressed) = STARTS.allow(Instant::now()) {
        log::info!(
            event = "stream_connect", session_id:% = session_id, pipeline_id, peer:% = peer, suppressed; "a client streams"
        );
    }
    let limits = FrameLimits::from(&config.stream);
    let pulse = Pulse::new(config.server.ping_interval, websocket::received(&socket));
    let run = websocket::run(socket, session, &services.engine, limits, pulse, config.stream.send_timeout);
    let closed = AssertUnwindSafe(run).catch_unwind().await.unwrap_or_else(|_| {
        // A panic costs this connection; its socket is gone with the task's state, so the client sees 1006.
        services.metrics.panics.inc();
        session.end(StreamError::new(ErrorCode::InternalError, "The device failed on this session."));
        Closed { code: websocket::NO_CLOSE, reason: "panic".to_owned() }
    });
    if let Some(error) = session.error() {
        services.metrics.error(error.code.as_str());
        if let Some(suppressed) = ERRORS.allow(Instant::now()) {
            log::warn!(
                event = "stream_error", session_id:% = session_id, pipeline_id, code = error.code.as_str(), suppressed;
                "a session ended in an error: {}", error.detail
            );
        }
    }
    let totals = session.totals();
    if let Some(suppressed) = ENDS.allow(Instant::now()) {
        log::info!(
            event = "stream_disconnect", session_id:% = session_id, pipeline_id, frame_index = totals.frame_index,
            dropped_frames = totals.dropped_frames, drop_rate = totals.drop_rate,
            duration_s = totals.duration.as_secs_f64(), close_code = closed.code, reason = closed.reason, suppressed;
            "a stream ended"
        );
    }
}
