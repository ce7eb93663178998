//! Where frames come from. Lives here: the read half of a client's WebSocket connection and the session's life around
//! it, and local cameras; each frame is judged before it is handed on. Does not live here: accepting connections (`server`), the rules
//! that frames are judged by (`base::frame`), their numbers (`session`), writing replies (`sink`).

pub mod camera;
pub mod frame_heads;
pub mod websocket;
