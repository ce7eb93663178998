//! What both programs of forgesyted know: the front, which a user starts, and the engine, which links libtorch and runs models.
//!
//! ```text
//!  front (the program `forgesyted`)  ──►  base  ◄──  engine (the program that links libtorch)
//!    │                                     ▲           │
//!    └──►  load (a client)  ───────────────┘           └──►  web (the page, as bytes)
//! ```
//!
//! | room | has |
//! |---|---|
//! | [`protocol`] | error codes, close codes, the text of every message |
//! | [`config`] | defaults, file, environment; every problem at once |
//! | [`command_line`] | the commands that the engine runs, as both programs read them |
//! | [`frame`] | what a JPEG looks like from outside: markers, sizes, validity, where one ends; layouts of raw pictures |
//! | [`capture`] | cameras: V4L2, and replays of files |
//! | [`logging`] | the log: the journal, or JSON lines |
//! | [`machine`], [`board`], [`clock`] | what this machine is and how it does |
//! | [`launch`] | from the front to the engine program |
//!
//! No room of it links libtorch, opens a socket or runs a pipeline.

// Nothing that a client or a file sends may panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod board;
pub mod capture;
pub mod clock;
pub mod command_line;
pub mod config;
pub mod frame;
pub mod launch;
pub mod logging;
pub mod machine;
pub mod protocol;
