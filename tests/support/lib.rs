//! What the tests stand on: a ladder of fixtures. Lives here: a folder with configuration, pipelines and models
//! ([`Daemon::builder`]), the daemon that runs on it ([`Daemon`]), clients of it ([`Client`], [`raw::Raw`], [`http`]), JPEGs
//! and TorchScript modules, the clip that ships, the cameras of the VM ([`vm`]), the proxies in front of a daemon ([`proxy`]), terminals ([`terminal`]), and the appliance ([`appliance`]). Does not live here: what must be true
//! (`streaming/`, `cameras/`, `pipelines/`, `vm/`, `appliance/`), or how fast (`bench/`).
//!
//! Everything is real: the binary that cargo built, libtorch, sockets, signals. Tests wait on conditions ([`wait`]) with one
//! generous deadline, never for a time. A frame that is "running" is held in a [`gate::Gate`] until the test lets it go.

// A fixture that fails fails its test.
#![allow(clippy::missing_panics_doc)]

pub mod appliance;
pub mod builder;
pub mod client;
pub mod daemon;
pub mod demo;
pub mod events;
pub mod folder;
pub mod frames;
pub mod gate;
pub mod http;
pub mod library;
pub mod metrics;
pub mod modules;
pub mod notify;
pub mod proxy;
pub mod raw;
pub mod sources;
pub mod terminal;
pub mod vm;
pub mod wait;

pub use appliance::Appliance;
pub use builder::Builder;
pub use client::Client;
pub use daemon::{Daemon, Signal};
pub use gate::Gate;
