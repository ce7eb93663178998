//! `GET /v1/board`: what a person wants to know of the machine beside its pictures, in one answer.

use std::path::Path;

use hyper::StatusCode;
use serde::Serialize;

use super::reply::{Reply, json_reply, text};
use super::sensors;
use super::state::ServerState;
use crate::pipeline::torch::TORCH_VERSION;
use base::machine::{self, Facts};

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

/// Reads and answers.
pub async fn answer(state: &ServerState) -> Reply {
    let Some(machine) = sensors::read(|| machine::facts(Path::new("/"))).await else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "the machine's state cannot be read\n");
    };
    let (services, reason) = (&state.services, state.refusal());
    let cameras = state.cameras.list();
    json_reply(&Answer {
        version: env!("CARGO_PKG_VERSION"),
        libtorch: TORCH_VERSION,
        device: &state.device,
        uptime_s: state.started.elapsed().as_secs_f64(),
        ready: reason.is_none(),
        reason,
        sessions: Sessions { clients: services.sessions.clients(), limit: services.config.load().stream.max_sessions },
        cameras: Cameras { up: cameras.iter().filter(|camera| camera.is_up()).count(), total: cameras.len() },
        machine,
    })
}
