//! Where frames come from. Lives here: the read half of a client's WebSocket connection and the session's life around
//! it, and local cameras. Does not live here: accepting connections (`server`), judging frames (`session`), writing replies (`sink`).

pub mod camera;
#[cfg(feature = "engine")]
mod frame_heads;
#[cfg(feature = "engine")]
pub mod websocket;
