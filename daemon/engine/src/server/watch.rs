//! `GET /ws/watch?camera=NAME` or `?session=ID`: the results of a camera or of a client's session, for whoever asks.

use std::sync::Arc;

use futures_util::StreamExt;
use hyper::body::Incoming;
use hyper::{Request, Uri};
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};
use uuid::Uuid;

use super::query::query_value;
use super::reply::Reply;
use super::state::ServerState;
use super::{auth, outlet, upgrade};
use crate::session::registry::stopping;
use crate::session::{Client, Peer};
use crate::sink::pulse::Pulse;
use crate::sink::watch::{self, WatchEnd};
use crate::source::camera::Camera;
use crate::source::websocket;
use base::protocol::{ErrorCode, StreamError};

/// Largest message that a watcher may send; it has nothing to say but to close.
const MAX_INCOMING_BYTES: usize = 4 << 10;

/// What is watched, and its name for the log.
struct Watched {
    results: broadcast::Receiver<Utf8Bytes>,
    name: String,
}

/// Answers an upgrade request. Every well-formed one is accepted, so that a watcher of nothing gets the reason as an error
/// message.
pub fn upgrade(
    mut request: Request<Incoming>,
    peer: Peer,
    permit: Arc<OwnedSemaphorePermit>,
    state: ServerState,
) -> Reply {
    let (response, upgraded) = match upgrade::accept(&mut request, &state) {
        Ok(accepted) => accepted,
        Err(refusal) => return *refusal,
    };
    // Not before it is known to be an upgrade: finding an idle camera opens it.
    let watched = find(&request, &state);
    tokio::spawn(async move {
        if let Some((stream, already_read)) = upgrade::connection(upgraded).await {
            if let Err(error) = outlet::hold_little(&stream) {
                log::debug!(event = "socket_option_failed", peer:% = peer, err:% = error; "a socket option could not be set");
            }
            let socket = websocket::open(stream, already_read, MAX_INCOMING_BYTES).await;
            match watched {
                Ok(watched) => run(socket, watched, peer, &state).await,
                Err(error) => refuse(socket, &error, &state).await,
            }
        }
        drop(permit);
    });
    response
}

fn find(request: &Request<Incoming>, state: &ServerState) -> Result<Watched, StreamError> {
    let config = state.services.config.load();
    auth::authorize(config.server.token.as_deref(), request.headers(), request.uri())?;
    let uri: &Uri = request.uri();
    match (query_value(uri, "camera"), query_value(uri, "session")) {
        (Some(name), None) => {
            let camera: Arc<Camera> = state.cameras.get(&name).ok_or_else(|| no_camera(state))?;
            if camera.config().pipeline.is_none() {
                let detail = "This camera runs no pipeline, so it has no results; it gives pictures only.";
                return Err(StreamError::new(ErrorCode::NotFound, detail));
            }
            Ok(Watched { results: camera.watch(), name: camera.config().name.clone() })
        }
        (None, Some(id)) => {
            let session = Uuid::parse_str(&id).ok().and_then(|id| state.services.sessions.get(id));
            let session = session.ok_or_else(|| {
                StreamError::new(ErrorCode::NotFound, "There is no session of that id; the list of sessions has them.")
            })?;
            if let Client::Camera(_) = session.client() {
                let detail = "That session is a camera's, which has one after the other: watch camera=NAME.";
                return Err(StreamError::new(ErrorCode::NotFound, detail));
            }
            Ok(Watched { results: session.results().watch(), name: session.id().to_string() })
        }
        _ => Err(StreamError::new(ErrorCode::NotFound, "The query names no camera=NAME or session=ID, or both.")),
    }
}

fn no_camera(state: &ServerState) -> StreamError {
    let known = state.cameras.names().join(", ");
    let known = if known.is_empty() { "no camera".to_owned() } else { known };
    StreamError::new(ErrorCode::NotFound, format!("There is no camera of that name; this device has {known}."))
}

async fn run(socket: websocket::Socket, watched: Watched, peer: Peer, state: &ServerState) {
    let config = state.services.config.load();
    let (send_timeout, pulse) =
        (config.stream.send_timeout, Pulse::new(config.server.ping_interval, websocket::received(&socket)));
    drop(config);
    let _watching = state.services.metrics.watchers.open();
    log::debug!(event = "watch_connect", watched = watched.name, peer:% = peer; "a watcher came");
    let (progress, text_seen) = (websocket::progress(&socket), socket.get_ref().text_seen());
    let (mut sink, mut stream) = socket.split();
    let mut stops = state.watchers.subscribe();
    let missed = state.services.metrics.watchers.missed.clone();
    let end = tokio::select! {
        end = watch::write_results(&mut sink, &mut stream, watched.results, &missed, &progress, &pulse, send_timeout) => Some(end),
        _ = stops.wait_for(|stops| *stops) => None,
    };
    log::debug!(event = "watch_disconnect", watched = watched.name, peer:% = peer, how:? = end; "a watcher left");
    let Ok(socket) = sink.reunite(stream) else { return };
    match end {
        None => websocket::refuse(socket, &stopping(), send_timeout).await,
        Some(WatchEnd::Over) => websocket::drain(socket).await,
        Some(WatchEnd::ByWatcher(Some(Message::Text(_) | Message::Binary(_)))) => {
            refuse(socket, &only_listens(), state).await;
        }
        Some(WatchEnd::ByWatcher(_)) => websocket::answer_close(socket).await,
        Some(WatchEnd::Unreadable(error)) => {
            if let Some(violation) = websocket::violation(&error, &text_seen) {
                websocket::answer_violation(socket, &violation).await;
            } else if matches!(error, WsError::Capacity(_) | WsError::Utf8(_)) {
                refuse(socket, &only_listens(), state).await;
            }
        }
        Some(WatchEnd::Gone(_)) => {}
    }
}

fn only_listens() -> StreamError {
    StreamError::new(ErrorCode::InvalidMessage, "A watcher only listens; frames go to the streaming endpoint.")
}

async fn refuse(socket: websocket::Socket, error: &StreamError, state: &ServerState) {
    state.services.metrics.error(error.code.as_str());
    websocket::refuse(socket, error, state.services.config.load().stream.send_timeout).await;
}
