//! What each path answers.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, StatusCode, Version};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::refused_method::{self, METHODS};
use super::reply::{Reply, json_reply, reply, text};
use super::state::ServerState;
use super::{auth, board, cameras, forwarded, pipelines, sensors, stream, watch, web};
use crate::session::Peer;

/// The text format's content type (Prometheus exposition formats, version 0.0.4).
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers one request.
pub async fn answer(
    request: Request<Incoming>,
    peer: Peer,
    permit: Arc<OwnedSemaphorePermit>,
    state: ServerState,
) -> Result<Reply, Infallible> {
    let path = request.uri().path();
    // RFC 9112, section 3.2: two would let a proxy and this daemon see two different hosts.
    if request.version() == Version::HTTP_11 && request.headers().get_all(HOST).iter().count() != 1 {
        return Ok(text(StatusCode::BAD_REQUEST, "a request of HTTP/1.1 has one Host header\n"));
    }
    if request.method() == Method::OPTIONS {
        let mut options = text(StatusCode::NO_CONTENT, Bytes::new());
        options.headers_mut().remove(CONTENT_TYPE);
        options.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
        return Ok(options);
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Ok(refused_method::answer(request, &state.services.config.load_full()).await);
    }
    if path.starts_with("/v1/") {
        let config = state.services.config.load();
        if let Err(denied) = auth::authorize(config.server.token.as_deref(), request.headers(), request.uri()) {
            let mut refused = text(StatusCode::UNAUTHORIZED, format!("{denied}\n"));
            refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return Ok(refused);
        }
    }
    let peer = forwarded::client(peer, request.headers(), &state.services.config.load().server.trusted_proxies);
    Ok(match path {
        "/ws/video/stream" => stream::upgrade(request, peer, permit, state),
        "/ws/watch" => watch::upgrade(request, peer, permit, state),
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => ready(&state),
        "/metrics" => metrics(&state).await,
        "/v1/pipelines" => pipelines::answer(&state.services),
        "/v1/sessions" => json_reply(&json!({ "sessions": state.services.sessions.list() })),
        "/v1/cameras" => json_reply(&json!({ "cameras": state.cameras.list() })),
        "/v1/board" => board::answer(&state).await,
        "/v1" => text(StatusCode::OK, INDEX),
        _ => match path.strip_prefix("/v1/cameras/") {
            Some(rest) => cameras::answer(rest, &request, permit, &state).await,
            None => web::answer(path, request.headers())
                .unwrap_or_else(|| text(StatusCode::NOT_FOUND, "no such path; GET /v1 lists what there is\n")),
        },
    })
}

const INDEX: &str = concat!(
    "forgesyted ",
    env!("CARGO_PKG_VERSION"),
    "\n\n",
    "WebSocket  /ws/video/stream?pipeline_id=ID   JPEG frames in, JSON results out\n",
    "WebSocket  /ws/watch?camera=NAME | session=ID    JSON results of a camera or a session\n",
    "GET        /v1/cameras/NAME/snapshot.jpg | stream.mjpeg    pictures; ?overlay=1 draws the result\n",
    "GET        /v1/pipelines /v1/sessions /v1/cameras /v1/board\n",
    "GET        /healthz /readyz /metrics\n",
    "GET        /                                the web page\n",
    "GET        /client/forgesyte.js             a client for pages, as an ES module\n",
);

fn ready(state: &ServerState) -> Reply {
    match state.refusal() {
        None => text(StatusCode::OK, "ready\n"),
        Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

/// Machine gauges are read from /sys.
async fn metrics(state: &ServerState) -> Reply {
    let metrics = Arc::clone(&state.services.metrics);
    metrics.set_ready(state.refusal().is_none());
    match sensors::read(move || metrics.render()).await {
        Some(Ok(body)) => reply(StatusCode::OK, METRICS, body.into()),
        Some(Err(error)) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("metrics cannot be written: {error}\n")),
        None => text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n"),
    }
}
