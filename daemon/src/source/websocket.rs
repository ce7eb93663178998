//! A client's connection as a session: reads frames and offers them, while the sink writes replies beside it, then sees
//! the connection to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

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

use crate::engine::Engine;
use crate::protocol::{ErrorCode, StreamError};
use crate::session::Session;
use crate::session::frame_validator::{self, FrameError, FrameLimits};
use crate::sink::progress::{Counted, Progress};
use crate::sink::reply::{self, Outbox, WriteEnd};

/// A client's socket after the upgrade.
pub type Socket = WebSocketStream<Counted<TcpStream>>;

/// The read buffer of each connection. The library's default of 128 KiB would be most of an idle session's memory; it is
/// touched as a whole on the first read.
const READ_BUFFER_BYTES: usize = 32 << 10;
/// Replies are small and flushed at once.
const WRITE_BUFFER_BYTES: usize = 16 << 10;
/// How long the daemon waits for the client's part of a closing handshake, and for it to take the last message.
const CLOSING: Duration = Duration::from_secs(2);
/// Close codes that are never on the wire (RFC 6455, section 7.4.1): no code was given; the connection just ended.
const NO_CODE: u16 = 1005;
const NO_CLOSE: u16 = 1006;

/// How the read half ended.
#[derive(Debug)]
enum ReadEnd {
    /// The client closed, with this code.
    Closed(u16),
    /// The connection ended without a closing handshake.
    Gone,
    /// The session was ended in an error, which the write half sends.
    Refused,
    /// The client broke RFC 6455.
    Violation,
}

/// Takes over a connection after its upgrade; `already_read` came with the request.
pub async fn open(stream: TcpStream, already_read: Vec<u8>, max_frame_bytes: usize) -> Socket {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(Some(max_frame_bytes))
        .max_frame_size(Some(max_frame_bytes));
    WebSocketStream::from_partially_read(Counted::new(stream), already_read, Role::Server, Some(config)).await
}

/// Runs a session to its end and returns the close code that it ended with.
pub async fn run(
    socket: Socket,
    session: &Arc<Session>,
    engine: &Engine,
    limits: FrameLimits,
    send_timeout: Duration,
) -> u16 {
    let progress = socket.get_ref().progress();
    let (mut sink, mut stream) = socket.split();
    let code = {
        let read = pin!(read_frames(&mut stream, session, engine, limits));
        let outbox = Outbox { pop: || session.pop_outgoing(), bell: session.outbox_bell() };
        let write = pin!(reply::write_replies(&mut sink, outbox, &progress, send_timeout));
        match future::select(read, write).await {
            future::Either::Left((ReadEnd::Refused, write)) => written(write.await),
            future::Either::Left((ReadEnd::Closed(code), _)) => Ending::ByClient(code),
            future::Either::Left((ReadEnd::Gone, _)) => Ending::Gone,
            future::Either::Left((ReadEnd::Violation, _)) => Ending::Violation,
            future::Either::Right((end, _)) => written(end),
        }
    };
    session.close();
    let Ok(socket) = sink.reunite(stream) else { return NO_CLOSE };
    finish(socket, code, &progress).await
}

/// Refuses a client that gets no session: its error, then the close.
pub async fn refuse(mut socket: Socket, error: &StreamError, send_timeout: Duration) {
    let progress = socket.get_ref().progress();
    if reply::send_error(&mut socket, error, &progress, send_timeout).await.is_ok() {
        drain(socket).await;
    }
}

/// What remains to be done with the connection.
#[derive(Debug)]
enum Ending {
    ByClient(u16),
    BySession(u16),
    Violation,
    Gone,
}

fn written(end: WriteEnd) -> Ending {
    match end {
        WriteEnd::Sent(error) => Ending::BySession(error.code.close_code()),
        WriteEnd::Broken(_) | WriteEnd::Stuck => Ending::Gone,
    }
}

async fn finish(mut socket: Socket, ending: Ending, progress: &Progress) -> u16 {
    match ending {
        Ending::ByClient(code) => {
            // The library has queued the answer to the client's close frame; reading on sends it.
            let _ = timeout(CLOSING, async { while let Some(Ok(_)) = socket.next().await {} }).await;
            code
        }
        Ending::BySession(code) => {
            drain(socket).await;
            code
        }
        Ending::Violation => {
            let close = CloseFrame { code: CloseCode::Protocol, reason: "protocol error".into() };
            if let Ok(Ok(())) = timeout(CLOSING, socket.send(Message::Close(Some(close)))).await {
                drain(socket).await;
            }
            CloseCode::Protocol.into()
        }
        Ending::Gone => {
            log::debug!(event = "stream_gone", sent_bytes = progress.bytes(); "the connection ended without a close");
            NO_CLOSE
        }
    }
}

/// Reads on, for a while, and throws away what comes: closing a socket with unread data resets the connection, and the
/// client might lose the error that it was just sent.
async fn drain(mut socket: Socket) {
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
    session: &Arc<Session>,
    engine: &Engine,
    limits: FrameLimits,
) -> ReadEnd {
    loop {
        session.has_room().await;
        match stream.next().await {
            Some(Ok(Message::Binary(jpeg))) => match frame_validator::validate(&jpeg, limits) {
                Ok(_) => {
                    if session.offer(jpeg) {
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
            Some(Err(error)) => return refuse_broken(error, session, limits),
            None => return ReadEnd::Gone,
        }
    }
}

fn refuse_text(session: &Session) -> ReadEnd {
    let detail = "Text messages are not understood; send each JPEG as one binary message.";
    session.end(StreamError::new(ErrorCode::InvalidMessage, detail));
    ReadEnd::Refused
}

fn refuse_broken(error: WsError, session: &Session, limits: FrameLimits) -> ReadEnd {
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { size, .. }) => {
            session.refuse(FrameError::TooLarge { bytes: size, limit: limits.max_bytes }.into());
            ReadEnd::Refused
        }
        WsError::Utf8(_) => refuse_text(session),
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => ReadEnd::Gone,
        WsError::Protocol(_) => ReadEnd::Violation,
        _ => ReadEnd::Gone,
    }
}
