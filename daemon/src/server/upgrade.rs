//! The WebSocket handshake over a hyper request.

use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, RETRY_AFTER, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;

use super::routes::{Reply, text};
use super::{Phase, ServerState};

/// The answer that accepts a request to upgrade, and the connection once it is upgraded.
///
/// # Errors
/// The answer that refuses it: the daemon is still starting, or the request is no WebSocket handshake.
pub fn accept(request: &mut Request<Incoming>, state: &ServerState) -> Result<(Reply, OnUpgrade), Box<Reply>> {
    if state.readiness.phase() == Phase::Starting {
        let mut reply = text(StatusCode::SERVICE_UNAVAILABLE, "starting: try again in a moment\n");
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return Err(Box::new(reply));
    }
    let response = create_response(&head_only(request)).map_err(|error| {
        let body = format!("this path is a WebSocket endpoint, and the upgrade request is incomplete: {error}\n");
        let mut reply = text(StatusCode::UPGRADE_REQUIRED, body);
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        reply.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        Box::new(reply)
    })?;
    Ok((response.map(|()| Empty::new().boxed_unsync()), hyper::upgrade::on(request)))
}

/// The request without its body, as the handshake wants it.
fn head_only(request: &Request<Incoming>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    head
}

/// The connection under the upgrade, and what of the stream was read with the request.
pub async fn connection(upgraded: OnUpgrade) -> Option<(TcpStream, Vec<u8>)> {
    let upgraded: Upgraded = upgraded.await.ok()?;
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf.to_vec()))
}
