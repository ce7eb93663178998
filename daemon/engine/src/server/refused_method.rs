//! The answer to methods other than GET, HEAD and OPTIONS. Most of them are somebody who posts a picture, as other services take
//! them: that says what works here, in the form of the stream's errors.

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, EXPECT, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};

use super::reply::{JSON, Reply, reply};
use base::config::Config;
use base::protocol::{self, ErrorCode, StreamError};

/// What is understood of any path.
pub const METHODS: &str = "GET, HEAD, OPTIONS";

/// 405, once the body has come: a connection that is closed with something unread takes the answer from its client.
pub async fn answer(request: Request<Incoming>, config: &Config) -> Reply {
    let error = StreamError::new(ErrorCode::InvalidMessage, detail(request.method(), request.headers()));
    let mut refused = reply(StatusCode::METHOD_NOT_ALLOWED, JSON, Bytes::from(protocol::error_message(&error)));
    refused.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
    // Who asks before sending is answered before.
    if !request.headers().contains_key(EXPECT) {
        let (most, within) = (config.stream.max_frame_bytes, config.server.header_timeout);
        let _ = tokio::time::timeout(within, pass_over(request.into_body(), most)).await;
    }
    refused
}

/// Reads a body to its end, or so many bytes of it, and keeps nothing.
async fn pass_over(body: Incoming, most: usize) {
    let mut body = Limited::new(body, most);
    while let Some(Ok(_)) = body.frame().await {}
}

fn detail(method: &Method, headers: &HeaderMap) -> String {
    if *method != Method::POST && *method != Method::PUT {
        return format!("Only {METHODS} are understood here.");
    }
    format!(
        "Pictures are not taken by {method}: send each JPEG as a binary message of a WebSocket to {}; for files on the device there is \
         `forgesyted run`.",
        stream_address(headers)
    )
}

/// Where the stream is, as far as the client's own words tell: behind a proxy they do not.
fn stream_address(headers: &HeaderMap) -> String {
    let path = "/ws/video/stream?pipeline_id=ID";
    let proxied = headers.keys().any(|name| name == "forwarded" || name.as_str().starts_with("x-forwarded-"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).filter(|host| !proxied && is_host(host));
    host.map_or_else(|| path.to_owned(), |host| format!("ws://{host}{path}"))
}

/// Whether this is a name or an address, with a port or without, and short enough to be said again.
fn is_host(text: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    (1..=100).contains(&text.len()) && text.bytes().all(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_stream_is_named_as_the_client_reaches_it() {
        for (lines, expected) in [
            (&[("host", "board.local:8000")][..], "ws://board.local:8000/ws/video/stream?pipeline_id=ID"),
            (&[("host", "[2001:db8::1]:8000")], "ws://[2001:db8::1]:8000/ws/video/stream?pipeline_id=ID"),
            (&[("host", "board"), ("x-forwarded-proto", "https")], "/ws/video/stream?pipeline_id=ID"),
            (&[("host", "board"), ("forwarded", "for=192.0.2.7")], "/ws/video/stream?pipeline_id=ID"),
            (&[("host", "<b>\"")], "/ws/video/stream?pipeline_id=ID"),
            (&[], "/ws/video/stream?pipeline_id=ID"),
        ] {
            assert_eq!(stream_address(&headers(lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_detail_is_never_cut() {
        let host = "a".repeat(100);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(&host).unwrap());
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            assert!(detail(&method, &headers).chars().count() <= 300);
        }
    }
}
