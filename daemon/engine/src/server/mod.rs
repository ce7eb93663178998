//! The listener and what it answers. Lives here: binding a socket or taking the service manager's, accepting connections
//! within limits, HTTP routes, the upgrade to a stream and admission, the web page. Does not live here: what is done with
//! frames (`source` and further), or when the daemon is ready
//! (`app` says so).
//!
//! Routes, none of which changes anything: `GET /ws/video/stream` and `/ws/watch` (upgrades), `/healthz`, `/readyz`,
//! `/metrics`, `/v1`, `/v1/pipelines`, `/v1/sessions`, `/v1/cameras`, `/v1/cameras/NAME/snapshot.jpg`,
//! `/v1/cameras/NAME/stream.mjpeg`, `/v1/board`, and the page: `/` and the files that `web` lists.

pub mod auth;
mod board;
mod cameras;
pub mod forwarded;
pub mod headers;
mod listener;
mod outlet;
mod painter;
mod passed;
mod pipelines;
pub mod query;
mod readiness;
mod refused_method;
mod reply;
mod routes;
mod sensors;
mod state;
mod stream;
mod upgrade;
mod watch;
mod web;

pub use listener::{bind, serve};
pub use painter::Painter;
pub use passed::{PassedError, passed};
pub use readiness::{Phase, Readiness};
pub use state::ServerState;
