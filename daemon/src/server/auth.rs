//! The access token: in `Authorization: Bearer …`, or as `token` in the query, since browsers cannot set headers on a
//! WebSocket.

use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Uri};

use super::routes::query_value;
use crate::protocol::{ErrorCode, StreamError};

/// Whether a request may pass: no token is required, or the right one came with it.
pub fn is_authorized(required: Option<&str>, headers: &HeaderMap, uri: &Uri) -> bool {
    let Some(required) = required else { return true };
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer =
        header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let query = query_value(uri, "token");
    bearer.map(|(_, token)| token.trim()).or(query.as_deref()).is_some_and(|given| same(given, required))
}

/// What a client without the token is told.
pub fn refusal() -> StreamError {
    let detail = "This device requires a token: send Authorization: Bearer TOKEN, or ?token=TOKEN.";
    StreamError::new(ErrorCode::Unauthorized, detail)
}

/// Compares without telling by its time how many characters are right.
fn same(given: &str, required: &str) -> bool {
    let (given, required) = (given.as_bytes(), required.as_bytes());
    given.len() == required.len() && given.iter().zip(required).fold(0, |different, (a, b)| different | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_taken_from_header_or_query() {
        let authorized = |header: Option<&str>, uri: &str| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(AUTHORIZATION, header.parse().unwrap());
            }
            is_authorized(Some("s3cret&"), &headers, &uri.parse().unwrap())
        };
        assert!(authorized(Some("Bearer s3cret&"), "/"));
        assert!(authorized(Some("bearer s3cret&"), "/"));
        assert!(authorized(None, "/?a=b&token=s3cret%26"));
        for header in [None, Some("Bearer"), Some("Bearer wrong"), Some("Basic s3cret&"), Some("Bearer s3cret&x")] {
            assert!(!authorized(header, "/?token=s3"), "{header:?}");
        }
        assert!(is_authorized(None, &HeaderMap::new(), &"/".parse().unwrap()));
    }
}
