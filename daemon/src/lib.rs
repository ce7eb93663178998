//! forgesyted: a daemon that turns a small board into a vision appliance. Frames enter on the left and results leave on
//! the right; nothing points back.
//!
//! ```text
//!  clients ──► server ──► source ──► session ──► engine ──► pipeline ──► sink ──► clients, watchers
//!              accept     read       number      whose      decode,      one reply
//!              upgrade    frames     validate    frame      nodes        a frame,
//!              admit      ▲          give way    is next                 in order
//!  cameras ───────────────┘                                    ▲
//!  files ──────────────────────────────────────────────────────┘
//!
//!       protocol, config, telemetry, systemd: beside the flow, known to it; they know nothing of it
//!       app, commands: the wiring, which sees every room        load: a client, which sees none
//!       launch: from the front program to this one
//! ```
//!
//! A room imports only rooms to its right; the engine sees sessions as `engine::Lane`s. A test holds that.
//!
//! The feature `engine` (a default) is everything that runs models. Without it, the same crate makes the front: a small
//! program that links no libtorch, and starts the one that does ([`launch`]).

// Nothing that a client or a file sends may panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(feature = "engine")]
pub mod app;
#[cfg(feature = "engine")]
pub mod bench;
pub mod commands;
pub mod config;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
pub mod files;
pub mod launch;
pub mod load;
pub mod pipeline;
pub mod protocol;
#[cfg(feature = "engine")]
pub mod server;
pub mod session;
#[cfg(feature = "engine")]
pub mod sink;
pub mod source;
#[cfg(feature = "engine")]
pub mod systemd;
pub mod telemetry;
