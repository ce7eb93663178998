//! The WebSocket handshake over a hyper request.

use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;

use super::headers::{has_member, members};
use super::readiness::Phase;
use super::reply::{Reply, text};
use super::state::ServerState;

/// The protocol that both endpoints speak, for clients that name one (RFC 6455, section 1.9).
const PROTOCOL: &str = "forgesyte.v1";
/// The only version of WebSocket that there is (RFC 6455, section 4.4).
const VERSION: &str = "13";

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
    let mut response = create_response(&head_only(request)).map_err(|error| {
        let body = format!("this path is a WebSocket endpoint, and the upgrade request is incomplete: {error}\n");
        let mut reply = text(StatusCode::UPGRADE_REQUIRED, body);
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        reply.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        reply.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
        Box::new(reply)
    })?;
    // A client that names protocols fails where none of them is chosen; where it names only others, that is right.
    if members(request.headers(), SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == PROTOCOL) {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    Ok((response.map(|()| Empty::new().boxed_unsync()), hyper::upgrade::on(request)))
}

/// The request without its body, as the handshake wants it: it reads one member of one line, where a request may have lists.
fn head_only(request: &Request<Incoming>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    let mut headers = request.headers().clone();
    for (name, member) in [(CONNECTION, "Upgrade"), (UPGRADE, "websocket")] {
        if has_member(&headers, name.clone(), member) {
            headers.insert(name, HeaderValue::from_static(member));
        }
    }
    *head.headers_mut() = headers;
    head
}

/// The connection under the upgrade, and what of the stream was read with the request.
pub async fn connection(upgraded: OnUpgrade) -> Option<(TcpStream, Vec<u8>)> {
    let upgraded: Upgraded = upgraded.await.ok()?;
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf.to_vec()))
}
