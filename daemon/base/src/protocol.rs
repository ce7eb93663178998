//! The words of the streaming protocol: error codes with their WebSocket close codes, and the JSON text of every message
//! that the daemon sends. One table; the endpoint, the metrics and the documents read it.

use serde_json::json;

/// Longest `detail` that a client is sent, in characters.
pub const MAX_DETAIL_CHARS: usize = 300;

/// Why a session ends in an error. Each has its name on the wire and its close code (RFC 6455, section 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// `pipeline_id` is missing or names no pipeline.
    InvalidPipeline,
    /// `STREAM_MAX_SESSIONS` is reached.
    TooManySessions,
    /// A text message, where only binary ones are understood.
    InvalidMessage,
    /// The frame is no JPEG, cannot be decoded, or announces too many pixels.
    InvalidFrame,
    /// The frame is larger than `STREAM_MAX_FRAME_SIZE_MB`.
    FrameTooLarge,
    /// A node of the pipeline failed on this frame.
    PipelineFailure,
    /// Anything else; a panic, for one.
    InternalError,
    /// A token is required, and missing or wrong.
    Unauthorized,
    /// The daemon stops.
    ShuttingDown,
    /// What is to be watched does not exist; only `/ws/watch` says so.
    NotFound,
}

impl ErrorCode {
    /// Every code, in the order of the contract's table.
    pub const ALL: [ErrorCode; 10] = [
        ErrorCode::InvalidPipeline,
        ErrorCode::TooManySessions,
        ErrorCode::InvalidMessage,
        ErrorCode::InvalidFrame,
        ErrorCode::FrameTooLarge,
        ErrorCode::PipelineFailure,
        ErrorCode::InternalError,
        ErrorCode::Unauthorized,
        ErrorCode::ShuttingDown,
        ErrorCode::NotFound,
    ];

    /// The name on the wire and in `stream_errors_total{code}`.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::InvalidPipeline => "invalid_pipeline",
            ErrorCode::TooManySessions => "too_many_sessions",
            ErrorCode::InvalidMessage => "invalid_message",
            ErrorCode::InvalidFrame => "invalid_frame",
            ErrorCode::FrameTooLarge => "frame_too_large",
            ErrorCode::PipelineFailure => "pipeline_failure",
            ErrorCode::InternalError => "internal_error",
            ErrorCode::Unauthorized => "unauthorized",
            ErrorCode::ShuttingDown => "shutting_down",
            ErrorCode::NotFound => "not_found",
        }
    }

    /// The WebSocket close code that follows the error message.
    pub fn close_code(self) -> u16 {
        match self {
            ErrorCode::InvalidPipeline | ErrorCode::Unauthorized | ErrorCode::NotFound => 1008,
            ErrorCode::TooManySessions => 1013,
            ErrorCode::InvalidMessage => 1003,
            ErrorCode::InvalidFrame => 1007,
            ErrorCode::FrameTooLarge => 1009,
            ErrorCode::PipelineFailure | ErrorCode::InternalError => 1011,
            ErrorCode::ShuttingDown => 1001,
        }
    }
}

/// What a watcher is sent for a result: `{"camera":…,"frame_index":N,"ts":…,"result":{…}}`, or `"session"` for a client's
/// session. `ts` is when the frame was captured (a client's: received), in milliseconds since the epoch.
pub fn watched_message(of: (&str, &str), frame_index: u64, ts: u64, result: &str) -> String {
    let (kind, name) = of;
    format!("{{\"{kind}\":{},\"frame_index\":{frame_index},\"ts\":{ts},\"result\":{result}}}", json!(name))
}

/// `{"missed":N}`: results that a slow watcher was not sent.
pub fn missed_message(results: u64) -> String {
    format!("{{\"missed\":{results}}}")
}

/// An error as a client sees it: a code and one sentence that is safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// What kind of error.
    pub code: ErrorCode,
    /// One sentence, at most [`MAX_DETAIL_CHARS`] characters, without paths or traces.
    pub detail: String,
}

impl StreamError {
    /// An error with its sentence; one that is too long is cut.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let mut detail: String = detail.into();
        if detail.chars().count() > MAX_DETAIL_CHARS {
            detail = detail.chars().take(MAX_DETAIL_CHARS - 1).collect();
            detail.push('…');
        }
        StreamError { code, detail }
    }
}

/// `{"frame_index":N,"result":{…}}`; `result` is JSON already.
pub fn result_message(frame_index: u64, result: &str) -> String {
    format!("{{\"frame_index\":{frame_index},\"result\":{result}}}")
}

/// `{"frame_index":N,"dropped":true}`.
pub fn dropped_message(frame_index: u64) -> String {
    format!("{{\"frame_index\":{frame_index},\"dropped\":true}}")
}

/// `{"warning":"slow_down"}`.
pub const SLOW_DOWN_MESSAGE: &str = r#"{"warning":"slow_down"}"#;

/// `{"error":"<code>","detail":"<one sentence>"}`.
pub fn error_message(error: &StreamError) -> String {
    // json! sorts keys; the contract shows `error` first and a client may log the text, so order it by hand.
    format!("{{\"error\":\"{}\",\"detail\":{}}}", error.code.as_str(), json!(error.detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_contracts_json() {
        assert_eq!(result_message(7, r#"{"a":1}"#), r#"{"frame_index":7,"result":{"a":1}}"#);
        assert_eq!(dropped_message(8), r#"{"frame_index":8,"dropped":true}"#);
        let watched = watched_message(("camera", "yard"), 9, 1700, "{}");
        assert_eq!(watched, r#"{"camera":"yard","frame_index":9,"ts":1700,"result":{}}"#);
        assert_eq!(missed_message(3), r#"{"missed":3}"#);
        let error = StreamError::new(ErrorCode::InvalidFrame, "no \"SOI\"\n");
        assert_eq!(error_message(&error), r#"{"error":"invalid_frame","detail":"no \"SOI\"\n"}"#);
    }

    #[test]
    fn a_long_detail_is_cut_to_300_characters() {
        let error = StreamError::new(ErrorCode::InternalError, "é".repeat(1000));
        assert_eq!(error.detail.chars().count(), MAX_DETAIL_CHARS);
    }

    #[test]
    fn codes_are_distinct() {
        let names: std::collections::HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }
}
