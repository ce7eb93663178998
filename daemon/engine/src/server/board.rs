//! `GET /v1/board`: what a person wants to know of the machine beside its pictures, in one answer.

use std::path::Path;
use std::time::Instant;

use hyper::StatusCode;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::ServerState;
use super::routes::{Reply, json_reply, text};
use crate::pipeline::torch::TORCH_VERSION;
use base::machine::{self, Facts};

/// What is known of the board from the daemon's start on.
#[derive(Clone, Debug)]
pub struct Board {
    /// The device that models run on, as the configuration would name it.
    pub device: String,
    /// When the daemon was built up.
    pub started: Instant,
}

/// The answer. What a machine does not have is null, never 0.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    version: &'static str,
    libtorch: &'static str,
    device: &'a str,
    uptime_s: f64,
    ready: bool,
    reason: Option<String>,
    sessions: Sessions,
    cameras: Cameras,
    #[serde(flatten)]
    machine: Facts,
}

/// Live sessions of clients.
#[derive(Debug, Serialize)]
struct Sessions {
    clients: usize,
    limit: Option<usize>,
}

/// The local cameras.
#[derive(Debug, Serialize)]
struct Cameras {
    up: usize,
    total: usize,
}

/// Reads and answers. Sensors may take their time: off the reactor, and one request at a time, since loading and stopping
/// use the same threads.
pub async fn answer(state: &ServerState) -> Reply {
    static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);
    let unreadable = || text(StatusCode::INTERNAL_SERVER_ERROR, "the machine's state cannot be read\n");
    let Ok(_turn) = ONE_AT_A_TIME.acquire().await else { return unreadable() };
    let Ok(machine) = spawn_blocking(|| machine::facts(Path::new("/"))).await else { return unreadable() };
    let reason = state.refusal();
    let cameras = state.cameras.list();
    json_reply(&Answer {
        version: env!("CARGO_PKG_VERSION"),
        libtorch: TORCH_VERSION,
        device: &state.board.device,
        uptime_s: state.board.started.elapsed().as_secs_f64(),
        ready: reason.is_none(),
        reason,
        sessions: Sessions { clients: state.sessions.clients(), limit: state.config.load().stream.max_sessions },
        cameras: Cameras { up: cameras.iter().filter(|camera| camera.is_up()).count(), total: cameras.len() },
        machine,
    })
}
