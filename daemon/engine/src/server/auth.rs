//! The access token: in `Authorization: Bearer …`, or as `token` in the query, since browsers cannot set headers on a
//! WebSocket.

use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Uri};
use thiserror::Error;

use super::query::query_value;
use base::protocol::{ErrorCode, StreamError};

/// Why a request may not pass. The text is for the client.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Denied {
    /// No token came with it.
    #[error("This device requires a token: send Authorization: Bearer TOKEN, or ?token=TOKEN.")]
    Missing,
    /// Another token came with it.
    #[error("The token is wrong: it is not the one in this device's configuration.")]
    Wrong,
    /// Another token with a space came in the query, where a `+` means one.
    #[error("The token is wrong: a + in ?token= is read as a space, so encode + as %2B.")]
    WrongWithSpace,
}

impl From<Denied> for StreamError {
    fn from(denied: Denied) -> Self {
        StreamError::new(ErrorCode::Unauthorized, denied.to_string())
    }
}

/// Lets a request pass where no token is required, or the right one came with it.
///
/// # Errors
/// [`Denied`].
pub fn authorize(required: Option<&str>, headers: &HeaderMap, uri: &Uri) -> Result<(), Denied> {
    let Some(required) = required else { return Ok(()) };
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer =
        header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let query = query_value(uri, "token");
    let given = bearer.map(|(_, token)| token.trim()).or(query.as_deref()).ok_or(Denied::Missing)?;
    match same(given, required) {
        true => Ok(()),
        false if bearer.is_none() && given.contains(' ') => Err(Denied::WrongWithSpace),
        false => Err(Denied::Wrong),
    }
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
            authorize(Some("s3cret&+"), &headers, &uri.parse().unwrap())
        };
        for (header, uri, expected) in [
            (Some("Bearer s3cret&+"), "/", Ok(())),
            (Some("bearer s3cret&+"), "/", Ok(())),
            (None, "/?a=b&token=s3cret%26%2B", Ok(())),
            (None, "/", Err(Denied::Missing)),
            (Some("Basic s3cret&+"), "/", Err(Denied::Missing)),
            (None, "/?token=s3", Err(Denied::Wrong)),
            (Some("Bearer wrong"), "/", Err(Denied::Wrong)),
            (Some("Bearer s3cret&+x"), "/", Err(Denied::Wrong)),
            (Some("Bearer two words"), "/?token=s3cret%26%2B", Err(Denied::Wrong)),
            (None, "/?token=s3cret%26+", Err(Denied::WrongWithSpace)),
        ] {
            assert_eq!(authorized(header, uri), expected, "{header:?} {uri}");
        }
        assert!(authorize(None, &HeaderMap::new(), &"/".parse().unwrap()).is_ok());
    }
}
