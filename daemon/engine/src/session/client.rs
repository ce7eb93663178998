//! Whose frames a session takes, and what is special to a client on this machine.

use std::sync::Arc;

use bytes::Bytes;
use prometheus::IntCounter;
use tokio::sync::{OnceCell, watch};
use uuid::Uuid;

use super::peer::Peer;
use crate::sink::watch::Results;
use crate::telemetry::metrics::Source;
use base::frame::Frame;
use base::protocol::{ErrorCode, StreamError};

/// Frames in a row that a camera may give without one that can be decoded, before its session ends over it.
const MOST_UNDECODABLE: u32 = 30;

/// Whose frames a session takes.
#[derive(Debug)]
pub enum Client {
    /// Somebody's over the network, from this address.
    Remote(Peer),
    /// A camera's of this machine.
    Camera(CameraTie),
}

/// What ties a session to the camera that is its client.
#[derive(Clone, Debug)]
pub struct CameraTie {
    /// The camera's name.
    pub name: String,
    /// Where its results go, in this session and the next.
    pub results: Arc<Results>,
    /// Where frames with their results go while somebody looks.
    pub shown: watch::Sender<Option<Arc<Shown>>>,
    /// Counts frames that could not be decoded; they cost the frame, not the session.
    pub bad_frames: IntCounter,
}

/// A frame and what came of it.
#[derive(Debug)]
pub struct Shown {
    /// The frame.
    pub frame: Frame,
    /// Its number in its session.
    pub frame_index: u64,
    /// Its result, as JSON text.
    pub result: String,
    /// The frame with its result drawn on it, as a JPEG, made once for all who look.
    pub picture: OnceCell<Result<Bytes, String>>,
}

impl Client {
    /// Where the frames come from.
    pub fn source(&self) -> Source {
        match self {
            Client::Remote(_) => Source::Websocket,
            Client::Camera(_) => Source::Camera,
        }
    }

    /// The client's address and the camera's name, as far as there is one.
    pub(super) fn names(&self) -> (Option<String>, Option<String>) {
        match self {
            Client::Remote(peer) => (Some(peer.to_string()), None),
            Client::Camera(camera) => (None, Some(camera.name.clone())),
        }
    }

    /// Whether it is owed replies and hears notices. A camera cannot be told anything.
    pub(super) fn takes_replies(&self) -> bool {
        matches!(self, Client::Remote(_))
    }

    /// Where the results of its session with this identity are watched.
    pub(super) fn results(&self, id: Uuid) -> Arc<Results> {
        match self {
            Client::Remote(_) => Results::of_session(id),
            Client::Camera(camera) => Arc::clone(&camera.results),
        }
    }

    /// Whether somebody looks at its frames beside their results.
    pub(super) fn is_looked_at(&self) -> bool {
        matches!(self, Client::Camera(camera) if camera.shown.receiver_count() > 0)
    }

    /// Hands a frame with its result to whoever looks.
    pub(super) fn show(&self, frame: Frame, frame_index: u64, result: &str) {
        if let Client::Camera(camera) = self {
            let shown = Shown { frame, frame_index, result: result.to_owned(), picture: OnceCell::new() };
            camera.shown.send_replace(Some(Arc::new(shown)));
        }
    }

    /// Whether a frame's error, one of `in_a_row`, costs the frame alone: a camera's that could not be decoded, since cables and
    /// buses damage one now and then. A camera that gives no other frame has something else.
    pub(super) fn forgives(&self, error: &StreamError, in_a_row: u32) -> bool {
        match self {
            Client::Camera(camera) if error.code == ErrorCode::InvalidFrame => {
                camera.bad_frames.inc();
                in_a_row < MOST_UNDECODABLE
            }
            _ => false,
        }
    }
}
