//! The program that runs models. Frames enter on the left and results leave on the right; nothing points back.
//!
//! ```text
//!  clients ──► server ──► source ──► session ──► engine ──► pipeline ──► sink ──► clients, watchers
//!              accept     read       number      whose      decode,      one reply
//!              upgrade    frames     give way    frame      nodes        a frame,
//!              admit      ▲                      is next                 in order
//!  cameras ───────────────┘                                    ▲
//!  files ──────────────────────────────────────────────────────┘
//!
//!       telemetry, systemd: beside the flow, known to it; they know nothing of it
//!       app, commands: the wiring, which sees every room
//!       base: what the front knows too (frames, capture, configuration, protocol, log)
//! ```
//!
//! A room imports only rooms to its right; the engine sees sessions as `engine::Lane`s. A test holds that.

// Nothing that a client or a file sends may panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod app;
pub mod bench;
pub mod commands;
pub mod engine;
pub mod files;
pub mod pipeline;
pub mod server;
pub mod session;
pub mod sink;
pub mod source;
pub mod systemd;
pub mod telemetry;
