//! The responses of every route: text, JSON, and what else there is.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// A response.
pub type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The type of an answer in JSON.
pub const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// A text response.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    reply(status, TEXT, body.into())
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
