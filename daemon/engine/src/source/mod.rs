//! Where frames come from. Lives here: the read half of a client's WebSocket connection and the session's life around
//! it, and local cameras. Does not live here: accepting connections (`server`), what a frame must be (`base::frame`), writing replies (`sink`).

pub mod camera;
pub mod frame_heads;
pub mod websocket;
