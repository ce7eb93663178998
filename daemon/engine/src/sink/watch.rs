//! Results for whoever watches a session: each watcher gets the same messages, and a slow one loses its own, is told how
//! many, and holds nobody up.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, Stream, StreamExt};
use prometheus::IntCounter;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};

use super::progress::Progress;
use super::pulse::Pulse;
use super::reply::{WriteEnd, keep_alive, while_moving};
use base::protocol;

/// Messages kept for a watcher that reads slowly; each is at most as large as a result, and all watchers share them.
const KEPT_MESSAGES: usize = 16;

/// The results of one session, or of one camera through all its sessions. Formatting costs nothing while nobody watches.
#[derive(Debug)]
pub struct Results {
    /// `camera` or `session`, and which.
    of: (&'static str, String),
    messages: broadcast::Sender<Utf8Bytes>,
}

/// How a watcher's connection ended.
#[derive(Debug)]
pub enum WatchEnd {
    /// What was watched is over; the close frame is sent.
    Over,
    /// The watcher closed or sent something other than a close; what that was.
    ByWatcher(Option<Message>),
    /// What came cannot be read.
    Unreadable(WsError),
    /// The connection broke, or the watcher took nothing for the send timeout.
    Gone(String),
}

impl Results {
    /// Results of a camera.
    pub fn of_camera(name: &str) -> Arc<Self> {
        Self::of("camera", name.to_owned())
    }

    /// Results of a client's session.
    pub fn of_session(id: uuid::Uuid) -> Arc<Self> {
        Self::of("session", id.to_string())
    }

    fn of(kind: &'static str, name: String) -> Arc<Self> {
        Arc::new(Results { of: (kind, name), messages: broadcast::Sender::new(KEPT_MESSAGES) })
    }

    /// Whether somebody watches.
    pub fn are_watched(&self) -> bool {
        self.messages.receiver_count() > 0
    }

    /// Hands a frame's result (JSON text) to every watcher. Never waits.
    pub fn publish(&self, frame_index: u64, ts: u64, result: &str) {
        if self.are_watched() {
            let (kind, name) = &self.of;
            let message = protocol::watched_message((kind, name), frame_index, ts, result);
            // An error says that the last watcher left just now.
            let _ = self.messages.send(message.into());
        }
    }

    /// What comes from now on, for one watcher.
    pub fn watch(&self) -> broadcast::Receiver<Utf8Bytes> {
        self.messages.subscribe()
    }
}

/// Sends results to a watcher until what it watches is over or it leaves.
pub async fn write_results<S>(
    sink: &mut S,
    incoming: &mut (impl Stream<Item = Result<Message, WsError>> + Unpin),
    mut results: broadcast::Receiver<Utf8Bytes>,
    missed_ever: &IntCounter,
    progress: &Progress,
    pulse: &Pulse,
    send_timeout: Duration,
) -> WatchEnd
where
    S: futures_util::Sink<Message, Error = WsError> + Unpin,
{
    let mut missed = 0;
    pulse.reads();
    loop {
        // What came is looked at first: an answer may have come while something was sent.
        let message = tokio::select! {
            biased;
            message = incoming.next() => match message {
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                    pulse.heard();
                    pulse.reads();
                    continue;
                }
                Some(Ok(message)) => return WatchEnd::ByWatcher(Some(message)),
                Some(Err(error)) => return WatchEnd::Unreadable(error),
                None => return WatchEnd::ByWatcher(None),
            },
            result = results.recv() => match result {
                Ok(message) => message,
                Err(RecvError::Lagged(more)) => {
                    missed += more;
                    missed_ever.inc_by(more);
                    continue;
                }
                Err(RecvError::Closed) => break,
            },
            due = pulse.due() => match keep_alive(due, sink, progress, pulse, send_timeout).await {
                Ok(()) => continue,
                Err(end) => return gone(end),
            },
        };
        let notice = (missed > 0).then(|| Message::text(protocol::missed_message(std::mem::take(&mut missed))));
        pulse.sent();
        let send = async {
            if let Some(notice) = notice {
                sink.feed(notice).await?;
            }
            sink.send(Message::Text(message)).await
        };
        if let Err(end) = while_moving(progress, send_timeout, send).await {
            missed_ever.inc_by(left_over(&mut results));
            return gone(end);
        }
    }
    let close = CloseFrame { code: CloseCode::Normal, reason: "what was watched is over".into() };
    match while_moving(progress, send_timeout, sink.send(Message::Close(Some(close)))).await {
        Ok(()) => WatchEnd::Over,
        Err(end) => gone(end),
    }
}

/// How many results a watcher that is given up would still have got.
fn left_over(results: &mut broadcast::Receiver<Utf8Bytes>) -> u64 {
    let mut count = 0;
    loop {
        match results.try_recv() {
            Ok(_) => count += 1,
            Err(TryRecvError::Lagged(more)) => count += more,
            Err(TryRecvError::Empty | TryRecvError::Closed) => return count,
        }
    }
}

fn gone(end: WriteEnd) -> WatchEnd {
    WatchEnd::Gone(match end {
        WriteEnd::Broken(error) => error.to_string(),
        WriteEnd::Silent => "the watcher answered no ping for twice server.ping_interval_s".to_owned(),
        WriteEnd::Stuck | WriteEnd::Sent(_) => "the watcher read nothing for stream.send_timeout_s".to_owned(),
    })
}
