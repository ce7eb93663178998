//! One text message of the daemon, understood.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Frame N ran.
    Result(u64),
    /// Frame N gave way to a newer one.
    Dropped(u64),
    /// The client sends faster than it is served.
    SlowDown,
    /// The session ends.
    Error {
        /// The protocol's code.
        code: Cow<'a, str>,
        /// The daemon's sentence.
        detail: Cow<'a, str>,
    },
    /// Not a message of the protocol.
    Unknown,
}

/// Every key of every message; what a message lacks is `None`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    frame_index: Option<u64>,
    result: Option<IgnoredAny>,
    dropped: Option<bool>,
    #[serde(borrow)]
    warning: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    detail: Option<Cow<'a, str>>,
}

/// Parses a message. The two frequent ones are told by their exact bytes, and of those a result's own JSON is not
/// checked: at tens of thousands a second that would cost more than sending the frame.
pub fn parse(text: &[u8]) -> Reply<'_> {
    fast(text).unwrap_or_else(|| careful(text))
}

fn fast(text: &[u8]) -> Option<Reply<'static>> {
    let rest = text.strip_prefix(b"{\"frame_index\":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = rest.split_at_checked(digits)?;
    let index = std::str::from_utf8(number).ok()?.parse().ok()?;
    if rest == b",\"dropped\":true}" {
        return Some(Reply::Dropped(index));
    }
    (rest.starts_with(b",\"result\":{") && rest.ends_with(b"}}")).then_some(Reply::Result(index))
}

fn careful(text: &[u8]) -> Reply<'_> {
    match serde_json::from_slice(text) {
        Ok(Message {
            frame_index: Some(n),
            result: Some(_),
            dropped: None,
            warning: None,
            error: None,
            detail: None,
        }) => Reply::Result(n),
        Ok(Message {
            frame_index: Some(n),
            result: None,
            dropped: Some(true),
            warning: None,
            error: None,
            detail: None,
        }) => Reply::Dropped(n),
        Ok(Message { frame_index: None, result: None, dropped: None, warning: Some(w), error: None, detail: None })
            if w == "slow_down" =>
        {
            Reply::SlowDown
        }
        Ok(Message { frame_index: None, result: None, dropped: None, warning: None, error: Some(code), detail }) => {
            Reply::Error { code, detail: detail.unwrap_or_default() }
        }
        _ => Reply::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_the_protocol_is_understood() {
        let error =
            |code: &'static str, detail: &'static str| Reply::Error { code: code.into(), detail: detail.into() };
        let cases: [(&str, Reply<'_>); 13] = [
            (r#"{"frame_index":7,"result":{}}"#, Reply::Result(7)),
            (r#"{"frame_index":12,"result":{"a":{"b":[1,2]}}}"#, Reply::Result(12)),
            (r#"{"frame_index":8,"dropped":true}"#, Reply::Dropped(8)),
            (r#"{ "frame_index": 9, "result": {"a": 1} }"#, Reply::Result(9)),
            (r#"{"dropped": true, "frame_index": 10}"#, Reply::Dropped(10)),
            (r#"{"warning":"slow_down"}"#, Reply::SlowDown),
            (r#"{"error":"invalid_frame","detail":"No \"SOI\"."}"#, error("invalid_frame", "No \"SOI\".")),
            (r#"{"error":"x"}"#, error("x", "")),
            (r#"{"frame_index":11,"dropped":false}"#, Reply::Unknown),
            (r#"{"frame_index":11,"result":{},"dropped":true}"#, Reply::Unknown),
            (r#"{"warning":"other"}"#, Reply::Unknown),
            (r#"{"frame_index":-1,"result":{}}"#, Reply::Unknown),
            ("", Reply::Unknown),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn the_fast_path_takes_the_exact_forms_only() {
        assert_eq!(fast(br#"{"frame_index":3,"result":{"a":1}}"#), Some(Reply::Result(3)));
        assert_eq!(fast(br#"{"frame_index":3,"dropped":true}"#), Some(Reply::Dropped(3)));
        assert_eq!(fast(br#"{"frame_index":3,"result":1}"#), None);
        assert_eq!(fast(br#"{"frame_index":,"dropped":true}"#), None);
        assert_eq!(fast(br#"{"frame_index":99999999999999999999,"dropped":true}"#), None);
        assert_eq!(parse(&[0xFF, 0xFE]), Reply::Unknown);
    }
}
