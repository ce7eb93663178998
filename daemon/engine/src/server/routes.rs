//! What each path answers.

use std::borrow::Cow;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{ServerState, auth, board, cameras, forwarded, pipelines, refused_method, stream, watch, web};

/// A response.
pub type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The type of an answer in JSON.
pub const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
/// The text format's content type (Prometheus exposition formats, version 0.0.4).
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is understood of any path.
pub const METHODS: &str = "GET, HEAD, OPTIONS";

/// Answers one request.
pub async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
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
        return Ok(refused_method::answer(request, &state).await);
    }
    if path.starts_with("/v1/") {
        let config = state.config.load();
        if let Err(denied) = auth::authorize(config.server.token.as_deref(), request.headers(), request.uri()) {
            let mut refused = text(StatusCode::UNAUTHORIZED, format!("{denied}\n"));
            refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return Ok(refused);
        }
    }
    let peer = forwarded::client(peer, request.headers(), &state.config.load().server.trusted_proxies);
    Ok(match path {
        "/ws/video/stream" => stream::upgrade(request, peer, permit, state),
        "/ws/watch" => watch::upgrade(request, peer, permit, state),
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => ready(&state),
        "/metrics" => metrics(&state).await,
        "/v1/pipelines" => pipelines::answer(&state),
        "/v1/sessions" => json_reply(&json!({ "sessions": state.sessions.list() })),
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

/// A text response.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    reply(status, TEXT, body.into())
}

/// The value of a query key, decoded; the first where it stands more than once.
pub fn query_value<'a>(uri: &'a Uri, key: &str) -> Option<Cow<'a, str>> {
    // A name without `=` says nothing.
    let pairs = uri.query()?.split('&').filter(|pair| pair.contains('='));
    pairs.flat_map(|pair| form_urlencoded::parse(pair.as_bytes())).find(|(name, _)| name == key).map(|(_, value)| value)
}

/// A response of any type.
pub fn reply(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body).boxed_unsync());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A name with HTML in it stays the text that it is, whatever a browser would like to see in it.
    reply.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// A JSON response.
pub fn json_reply(value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => reply(StatusCode::OK, JSON, body.into()),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the list cannot be written as JSON\n"),
    }
}

fn ready(state: &ServerState) -> Reply {
    match state.refusal() {
        None => text(StatusCode::OK, "ready\n"),
        Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

/// Machine gauges are read from /sys, which may take its time: off the reactor, and one at a time, since loading and
/// stopping use the same threads.
async fn metrics(state: &ServerState) -> Reply {
    static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);
    let Ok(_turn) = ONE_AT_A_TIME.acquire().await else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n");
    };
    let metrics = Arc::clone(&state.metrics);
    metrics.set_ready(state.refusal().is_none());
    match tokio::task::spawn_blocking(move || metrics.render()).await {
        Ok(Ok(body)) => reply(StatusCode::OK, METRICS, body.into()),
        Ok(Err(error)) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("metrics cannot be written: {error}\n")),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_are_decoded() {
        let uri: Uri = "/ws?pipeline_id=a%20b%2&x=1&pipeline_id=c&y=p+q".parse().unwrap();
        assert_eq!(query_value(&uri, "pipeline_id").as_deref(), Some("a b%2"));
        assert_eq!(query_value(&uri, "y").as_deref(), Some("p q"));
        assert_eq!(query_value(&uri, "z"), None);
        let uri: Uri = "/ws?x&a=%+5&b=%2b%zz%&c=%ff%C3%A4&d=&%64=1&x=a=b;c".parse().unwrap();
        let values = ["a", "b", "c", "d", "x"].map(|key| query_value(&uri, key).unwrap());
        assert_eq!(values, ["% 5", "+%zz%", "\u{fffd}ä", "", "a=b;c"]);
        assert_eq!(query_value(&"/".parse().unwrap(), "x"), None);
    }
}
