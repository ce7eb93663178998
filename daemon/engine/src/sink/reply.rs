//! The write half of a client's connection: sends what its session has to say, in order, until the session's end is sent
//! or the client is gone.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, SinkExt};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::progress::Progress;
use super::pulse::{Due, Pulse};
use super::slots::Outgoing;
use base::protocol::{self, StreamError};

/// Bytes handed to the connection before it is flushed.
const FLUSH_BYTES: usize = 64 << 10;

/// Why the write half ended.
#[derive(Debug)]
pub enum WriteEnd {
    /// The session's error and the close frame are sent.
    Sent(StreamError),
    /// The connection broke.
    Broken(WsError),
    /// The client took nothing for the send timeout.
    Stuck,
    /// Nothing came after pings.
    Silent,
}

/// Where the write half gets what it sends.
#[derive(Debug)]
pub struct Outbox<'a, P> {
    /// Gives the next message, when one may go out now.
    pub pop: P,
    /// Rung when there may be a next message.
    pub bell: &'a Notify,
}

/// Sends until the end.
pub async fn write_replies<S, P>(
    sink: &mut S,
    outbox: Outbox<'_, P>,
    progress: &Progress,
    pulse: &Pulse,
    send_timeout: Duration,
) -> WriteEnd
where
    S: Sink<Message, Error = WsError> + Unpin,
    P: Fn() -> Option<Outgoing>,
{
    loop {
        match send_ready(sink, &outbox.pop, progress, pulse, send_timeout).await {
            Ok(None) => {}
            Ok(Some(error)) => return WriteEnd::Sent(error),
            Err(end) => return end,
        }
        let kept = tokio::select! {
            () = outbox.bell.notified() => Ok(()),
            due = pulse.due() => keep_alive(due, sink, progress, pulse, send_timeout).await,
        };
        if let Err(end) = kept {
            return end;
        }
    }
}

/// Sends an error and the close frame that belongs to it.
///
/// # Errors
/// How the connection ended instead.
pub async fn send_error<S>(
    sink: &mut S,
    error: &StreamError,
    progress: &Progress,
    send_timeout: Duration,
) -> Result<(), WriteEnd>
where
    S: Sink<Message, Error = WsError> + Unpin,
{
    let close = CloseFrame { code: CloseCode::from(error.code.close_code()), reason: error.code.as_str().into() };
    let send = async {
        sink.feed(Message::text(protocol::error_message(error))).await?;
        sink.send(Message::Close(Some(close))).await
    };
    while_moving(progress, send_timeout, send).await
}

/// Does what is due on an idle connection.
pub(super) async fn keep_alive<S>(
    due: Due,
    sink: &mut S,
    progress: &Progress,
    pulse: &Pulse,
    send_timeout: Duration,
) -> Result<(), WriteEnd>
where
    S: Sink<Message, Error = WsError> + Unpin,
{
    match due {
        Due::Ping => {
            while_moving(progress, send_timeout, sink.send(Message::Ping(Bytes::new()))).await?;
            pulse.asked();
            Ok(())
        }
        Due::End => Err(WriteEnd::Silent),
    }
}

async fn send_ready<S>(
    sink: &mut S,
    pop: &impl Fn() -> Option<Outgoing>,
    progress: &Progress,
    pulse: &Pulse,
    send_timeout: Duration,
) -> Result<Option<StreamError>, WriteEnd>
where
    S: Sink<Message, Error = WsError> + Unpin,
{
    let mut unflushed = 0;
    while let Some(outgoing) = pop() {
        match outgoing {
            Outgoing::Text(text) => {
                unflushed += text.len();
                pulse.sent();
                while_moving(progress, send_timeout, sink.feed(Message::text(text))).await?;
            }
            Outgoing::End(error) => {
                send_error(sink, &error, progress, send_timeout).await?;
                return Ok(Some(error));
            }
        }
        if unflushed >= FLUSH_BYTES {
            unflushed = 0;
            while_moving(progress, send_timeout, sink.flush()).await?;
        }
    }
    if unflushed > 0 {
        while_moving(progress, send_timeout, sink.flush()).await?;
    }
    Ok(None)
}

/// Runs a send for as long as the peer takes bytes: the timeout starts anew with each that it took.
pub(super) async fn while_moving(
    progress: &Progress,
    send_timeout: Duration,
    send: impl Future<Output = Result<(), WsError>>,
) -> Result<(), WriteEnd> {
    let mut send = pin!(send);
    loop {
        let before = progress.bytes();
        match timeout(send_timeout, send.as_mut()).await {
            Ok(sent) => return sent.map_err(WriteEnd::Broken),
            Err(_) if progress.bytes() > before => {}
            Err(_) => return Err(WriteEnd::Stuck),
        }
    }
}
