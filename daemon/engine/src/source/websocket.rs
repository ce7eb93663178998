//! A client's connection as a session: reads frames and offers them, while the sink writes replies beside it, then sees
//! the connection to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::SplitStream;
use futures_util::{SinkExt, StreamExt, future};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::frame_heads::{Heads, TextSeen};
use crate::engine::Engine;
use crate::session::Session;
use crate::sink::progress::{Counted, Progress};
use crate::sink::pulse::Pulse;
use crate::sink::reply::{self, Outbox, WriteEnd};
use base::frame::Frame;
use base::frame::validator::{FrameError, FrameLimits, ValidFrame};
use base::protocol::{ErrorCode, StreamError};

/// A client's socket after the upgrade.
pub type Socket = WebSocketStream<Heads<Counted<TcpStream>>>;

/// Counts what a socket's client took.
pub fn progress(socket: &Socket) -> Progress {
    socket.get_ref().inner().progress()
}

/// Counts what came from a socket's client.
pub fn received(socket: &Socket) -> Progress {
    socket.get_ref().inner().received()
}

/// The read buffer of each connection. The library's default of 128 KiB would be most of an idle session's memory; it is
/// touched as a whole on the first read.
const READ_BUFFER_BYTES: usize = 32 << 10;
/// Replies are small and flushed at once.
const WRITE_BUFFER_BYTES: usize = 16 << 10;
/// Most that is buffered for a client that does not read. Past it the library keeps only the newest pong (RFC 6455,
/// section 5.5.3), so that a flood of pings costs no memory. The largest message is far smaller (`MAX_RESULT_BYTES`).
const MAX_WRITE_BUFFER_BYTES: usize = 4 << 20;
/// How long the daemon waits for the client's part of a closing handshake, and for it to take the last message.
const CLOSING: Duration = Duration::from_secs(2);
/// The client's close frame had no code. Like [`NO_CLOSE`] it is never on the wire (RFC 6455, section 7.4.1).
const NO_CODE: u16 = 1005;
/// The connection ended without a close frame.
pub const NO_CLOSE: u16 = 1006;

/// How the read half ended.
#[derive(Debug)]
enum ReadEnd {
    /// The client closed, with this code.
    Closed(u16),
    /// The connection ended without a closing handshake: how.
    Gone(String),
    /// The session was ended in an error, which the write half sends.
    Refused,
    /// The client broke RFC 6455: how.
    Violation(Violation),
}

/// How a peer broke RFC 6455.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    code: CloseCode,
    how: String,
}

/// How a session's connection ended.
#[derive(Debug)]
pub struct Closed {
    /// The close code, sent or received; 1006 where there was none.
    pub code: u16,
    /// Why, in a few words for the log.
    pub reason: String,
}

/// Takes over a connection after its upgrade; `already_read` came with the request.
pub async fn open(stream: TcpStream, already_read: Vec<u8>, max_frame_bytes: usize) -> Socket {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(Some(max_frame_bytes))
        .max_frame_size(Some(max_frame_bytes));
    let stream = Heads::new(Counted::new(stream), &already_read);
    WebSocketStream::from_partially_read(stream, already_read, Role::Server, Some(config)).await
}

/// Runs a session to its end and returns how it ended.
pub async fn run(
    socket: Socket,
    session: &Arc<Session>,
    engine: &Engine,
    limits: FrameLimits,
    pulse: Pulse,
    send_timeout: Duration,
) -> Closed {
    let progress = self::progress(&socket);
    let text_seen = socket.get_ref().text_seen();
    let (mut sink, mut stream) = socket.split();
    let ending = {
        let read = pin!(read_frames(&mut stream, &text_seen, &pulse, session, engine, limits));
        let outbox = Outbox { pop: || session.pop_outgoing(), bell: session.outbox_bell() };
        let write = pin!(reply::write_replies(&mut sink, outbox, &progress, &pulse, send_timeout));
        match future::select(read, write).await {
            future::Either::Left((ReadEnd::Refused, write)) => written(write.await),
            future::Either::Left((ReadEnd::Closed(code), _)) => Ending::ByClient(code),
            future::Either::Left((ReadEnd::Gone(how), _)) => Ending::Gone(how),
            future::Either::Left((ReadEnd::Violation(violation), _)) => Ending::Violation(violation),
            future::Either::Right((end, _)) => written(end),
        }
    };
    session.close();
    match sink.reunite(stream) {
        Ok(socket) => finish(socket, ending).await,
        Err(error) => Closed { code: NO_CLOSE, reason: error.to_string() },
    }
}

/// Refuses a client that gets no session: its error, then the close.
pub async fn refuse(mut socket: Socket, error: &StreamError, send_timeout: Duration) {
    let progress = self::progress(&socket);
    if reply::send_error(&mut socket, error, &progress, send_timeout).await.is_ok() {
        drain(socket).await;
    }
}

/// What remains to be done with the connection.
#[derive(Debug)]
enum Ending {
    ByClient(u16),
    BySession(StreamError),
    Violation(Violation),
    Gone(String),
}

fn written(end: WriteEnd) -> Ending {
    match end {
        WriteEnd::Sent(error) => Ending::BySession(error),
        WriteEnd::Broken(error) => Ending::Gone(format!("sending failed: {error}")),
        WriteEnd::Silent => Ending::Gone("the client answered no ping for twice server.ping_interval_s".to_owned()),
        WriteEnd::Stuck => Ending::Gone("the client read nothing for stream.send_timeout_s".to_owned()),
    }
}

async fn finish(socket: Socket, ending: Ending) -> Closed {
    match ending {
        Ending::ByClient(code) => {
            answer_close(socket).await;
            Closed { code, reason: "the client closed".to_owned() }
        }
        Ending::BySession(error) => {
            drain(socket).await;
            Closed { code: error.code.close_code(), reason: error.code.as_str().to_owned() }
        }
        Ending::Violation(violation) => {
            answer_violation(socket, &violation).await;
            Closed { code: violation.code.into(), reason: violation.how }
        }
        Ending::Gone(how) => Closed { code: NO_CLOSE, reason: how },
    }
}

/// The violation of RFC 6455 that this error is, if it is one.
pub fn violation(error: &WsError, text_seen: &TextSeen) -> Option<Violation> {
    match error {
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        WsError::Protocol(violation) => Some(Violation { code: CloseCode::Protocol, how: violation.to_string() }),
        // Of a text message it is no violation: it would be refused with any content.
        WsError::Utf8(_) if !text_seen.get() => Some(Violation {
            code: CloseCode::Invalid,
            how: "the reason of the client's close is not UTF-8".to_owned(),
        }),
        _ => None,
    }
}

/// Ends a connection whose peer broke RFC 6455.
pub async fn answer_violation(mut socket: Socket, violation: &Violation) {
    let reason = if violation.code == CloseCode::Invalid { "not UTF-8" } else { "protocol error" };
    let close = CloseFrame { code: violation.code, reason: reason.into() };
    if let Ok(Ok(())) = timeout(CLOSING, socket.send(Message::Close(Some(close)))).await {
        drain(socket).await;
    }
}

/// Ends a connection that the client closed.
pub async fn answer_close(mut socket: Socket) {
    // The library has queued the answer to the client's close frame; reading on sends it.
    let _ = timeout(CLOSING, async { while let Some(Ok(_)) = socket.next().await {} }).await;
}

/// Reads on, for a while, and throws away what comes: closing a socket with unread data resets the connection, and the
/// client might lose the error that it was just sent.
pub async fn drain(mut socket: Socket) {
    let stream = socket.get_mut();
    let mut scratch = [0; 8 << 10];
    let _ = timeout(CLOSING, async {
        stream.shutdown().await?;
        while stream.read(&mut scratch).await? > 0 {}
        Ok::<(), std::io::Error>(())
    })
    .await;
}

async fn read_frames(
    stream: &mut SplitStream<Socket>,
    text_seen: &TextSeen,
    pulse: &Pulse,
    session: &Arc<Session>,
    engine: &Engine,
    limits: FrameLimits,
) -> ReadEnd {
    loop {
        session.has_room().await;
        pulse.reads();
        let message = stream.next().await;
        pulse.heard();
        match message {
            Some(Ok(Message::Binary(jpeg))) => match ValidFrame::new(Frame::jpeg(jpeg), limits) {
                Ok(frame) => {
                    if session.offer(frame, Instant::now()) {
                        engine.ready(Arc::clone(session) as _);
                    }
                }
                Err(error) => {
                    session.refuse(error.into());
                    return ReadEnd::Refused;
                }
            },
            Some(Ok(Message::Text(_))) => return refuse_text(session),
            Some(Ok(Message::Close(frame))) => {
                return ReadEnd::Closed(frame.map_or(NO_CODE, |frame| frame.code.into()));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => return refuse_broken(error, text_seen, session, limits),
            None => return ReadEnd::Gone("the connection ended".to_owned()),
        }
    }
}

fn refuse_text(session: &Session) -> ReadEnd {
    let detail = "Text messages are not understood; send each JPEG as one binary message.";
    session.end(StreamError::new(ErrorCode::InvalidMessage, detail));
    ReadEnd::Refused
}

fn refuse_broken(error: WsError, text_seen: &TextSeen, session: &Session, limits: FrameLimits) -> ReadEnd {
    if let Some(violation) = violation(&error, text_seen) {
        return ReadEnd::Violation(violation);
    }
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { size, .. }) => {
            session.refuse(FrameError::TooLarge { bytes: size, limit: limits.max_bytes }.into());
            ReadEnd::Refused
        }
        WsError::Utf8(_) => refuse_text(session),
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            ReadEnd::Gone("the client left without a close".to_owned())
        }
        error => ReadEnd::Gone(format!("reading failed: {error}")),
    }
}
