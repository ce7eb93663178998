//! A client as the client guide describes it: frames out, JSON messages in.

use std::io;
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Error, Message, WebSocket};

use crate::wait::PATIENCE;

/// What comes from the daemon.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// A text message.
    Json(Value),
    /// A close frame with its code.
    Close(u16),
    /// A pong with its payload.
    Pong(Vec<u8>),
    /// The connection ended, with or without a close frame before.
    End,
}

/// One streaming client. Dropping it drops the connection without a closing handshake.
#[derive(Debug)]
pub struct Client {
    socket: WebSocket<TcpStream>,
}

impl Client {
    /// Connects to the streaming endpoint with this query.
    ///
    /// # Panics
    /// When the upgrade is refused.
    pub fn connect(address: SocketAddr, query: &str) -> Client {
        Client::connect_with(address, query, &[])
    }

    /// Connects with further request headers.
    ///
    /// # Panics
    /// When the upgrade is refused.
    pub fn connect_with(address: SocketAddr, query: &str, headers: &[(&'static str, &str)]) -> Client {
        Client::open(address, &format!("/ws/video/stream?{query}"), headers)
    }

    /// Connects as a watcher with this query.
    ///
    /// # Panics
    /// When the upgrade is refused.
    pub fn watch(address: SocketAddr, query: &str) -> Client {
        Client::open(address, &format!("/ws/watch?{query}"), &[])
    }

    fn open(address: SocketAddr, path: &str, headers: &[(&'static str, &str)]) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (socket, _) = tungstenite::client::client(request, stream).expect("the upgrade is accepted");
        Client { socket }
    }

    /// Sends a frame.
    ///
    /// # Panics
    /// When the connection is gone.
    pub fn send(&mut self, jpeg: &[u8]) {
        self.send_message(Message::binary(jpeg.to_vec()));
    }

    /// Sends any message.
    ///
    /// # Panics
    /// When the connection is gone.
    pub fn send_message(&mut self, message: Message) {
        self.socket.send(message).unwrap();
    }

    /// Sends a frame; a connection that is gone is no matter.
    pub fn try_send(&mut self, jpeg: &[u8]) -> bool {
        self.socket.send(Message::binary(jpeg.to_vec())).is_ok()
    }

    /// The next thing that comes.
    ///
    /// # Panics
    /// When nothing comes.
    pub fn receive(&mut self) -> Received {
        loop {
            return match self.socket.read() {
                Ok(Message::Text(text)) => Received::Json(serde_json::from_str(&text).expect(&text)),
                Ok(Message::Close(frame)) => Received::Close(frame.map_or(1005, |frame| frame.code.into())),
                Ok(Message::Pong(payload)) => Received::Pong(payload.to_vec()),
                Ok(Message::Binary(bytes)) => panic!("the daemon never sends bytes: {bytes:?}"),
                Ok(Message::Ping(_) | Message::Frame(_)) => continue,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    panic!("waited {PATIENCE:?} for a message")
                }
                Err(_) => Received::End,
            };
        }
    }

    /// The next JSON message.
    ///
    /// # Panics
    /// When something else comes.
    pub fn recv(&mut self) -> Value {
        match self.receive() {
            Received::Json(message) => message,
            other => panic!("a JSON message was due and came: {other:?}"),
        }
    }

    /// Sends a frame and returns its result.
    ///
    /// # Panics
    /// When the reply is none.
    pub fn ask(&mut self, jpeg: &[u8]) -> Value {
        self.send(jpeg);
        let reply = self.recv();
        assert!(reply.get("result").is_some(), "a result was due: {reply}");
        reply["result"].clone()
    }

    /// This many JSON messages.
    ///
    /// # Panics
    /// When fewer come.
    pub fn take(&mut self, count: usize) -> Vec<Value> {
        (0..count).map(|_| self.recv()).collect()
    }

    /// Everything until the close frame: the JSON messages and the close code.
    ///
    /// # Panics
    /// When there is no close frame.
    pub fn rest(&mut self) -> (Vec<Value>, u16) {
        let mut messages = Vec::new();
        loop {
            match self.receive() {
                Received::Json(message) => messages.push(message),
                Received::Close(code) => return (messages, code),
                Received::Pong(_) => {}
                Received::End => panic!("the connection ended without a close frame, after {messages:?}"),
            }
        }
    }

    /// Everything until the end, of which the last must be this error and its close code. Returns what came before, and
    /// the error's detail.
    ///
    /// # Panics
    /// When another error, another code or nothing comes.
    pub fn ends_in(&mut self, code: &str, close_code: u16) -> (Vec<Value>, String) {
        let (mut messages, closed) = self.rest();
        let last = messages.pop().expect("an error message");
        let keys: Vec<&str> = last.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["detail", "error"], "{last}");
        assert_eq!((last["error"].as_str(), closed), (Some(code), close_code), "{last}");
        let detail = last["detail"].as_str().unwrap().to_owned();
        let safe = (1..=300).contains(&detail.chars().count()) && !detail.contains(['\n', '/']);
        assert!(safe, "a detail is one sentence without paths: {detail:?}");
        assert!(messages.iter().all(|message| message.get("error").is_none()), "one error, and last: {messages:?}");
        assert_eq!(self.receive(), Received::End);
        (messages, detail)
    }

    /// Closes with this code and waits for the daemon's part of the handshake; returns its code.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn close(mut self, code: u16) -> u16 {
        let frame = CloseFrame { code: code.into(), reason: "done".into() };
        self.socket.close(Some(frame)).unwrap();
        self.rest().1
    }

    /// The connection under it.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.socket.get_mut()
    }
}

/// What a reply says of its frame: `(frame_index, true)` for a result, `(frame_index, false)` for `dropped`.
///
/// # Panics
/// When it is no reply.
pub fn outcome(reply: &Value) -> (u64, bool) {
    let index = reply["frame_index"].as_u64().unwrap_or_else(|| panic!("no reply: {reply}"));
    let keys: Vec<&str> = reply.as_object().unwrap().keys().map(String::as_str).collect();
    match keys[..] {
        ["frame_index", "result"] => (index, true),
        ["dropped", "frame_index"] if reply["dropped"] == true => (index, false),
        _ => panic!("no reply: {reply}"),
    }
}

/// The outcomes among messages, which may hold `slow_down` notices.
pub fn outcomes(messages: &[Value]) -> Vec<(u64, bool)> {
    messages.iter().filter(|message| message.get("warning").is_none()).map(outcome).collect()
}
