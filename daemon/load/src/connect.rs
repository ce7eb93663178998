//! One connection: TCP, the WebSocket handshake, and the bare socket back.
//!
//! The handshake is tokio-tungstenite's. It may read past the response's head, because a daemon may send its first
//! message (an error, say) in the same packet, and it would keep those bytes. [`HeadOnly`] gives it the head alone and
//! keeps the rest, so nothing is lost when the socket is taken back.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, HeaderValue};

use super::LoadError;

/// Longest time for TCP and the handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A socket after its handshake.
#[derive(Debug)]
pub(super) struct Connection {
    /// The bare socket.
    pub stream: TcpStream,
    /// WebSocket bytes that arrived together with the handshake's end.
    pub already_read: Vec<u8>,
}

/// Where to connect, parsed once.
#[derive(Debug)]
pub(super) struct Target {
    url: String,
    host: String,
    port: u16,
    token: Option<HeaderValue>,
}

impl Target {
    /// Parses a `ws://` URL and a token.
    pub fn new(url: &str, token: Option<&str>) -> Result<Self, LoadError> {
        let wrong = |reason: &str| LoadError::Url { url: url.to_owned(), reason: reason.to_owned() };
        let request = url.into_client_request().map_err(|e| wrong(&e.to_string()))?;
        let uri = request.uri();
        match uri.scheme_str() {
            Some("ws") => {}
            Some("wss") => return Err(wrong("TLS is not supported; use ws:// on the board's own network")),
            _ => return Err(wrong("it must start with ws://")),
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it names no host"))?;
        let token = match token {
            None => None,
            Some(token) => Some(
                HeaderValue::from_str(&format!("Bearer {token}"))
                    .map_err(|_| LoadError::Plan("the token has characters that a header cannot carry".to_owned()))?,
            ),
        };
        Ok(Self {
            url: url.to_owned(),
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: uri.port_u16().unwrap_or(80),
            token,
        })
    }

    /// Connects and upgrades one session.
    pub async fn connect(&self) -> Result<Connection, LoadError> {
        let address = format!("{}:{}", self.host, self.port);
        let connecting = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
            let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
            let stream = stream.map_err(|source| LoadError::Connect { address: address.clone(), source })?;
            let handshake = client_async(self.request()?, HeadOnly::new(stream)).await;
            match handshake {
                Ok((socket, _)) => Ok(socket.into_inner().into_connection()),
                Err(WsError::Http(response)) => {
                    Err(LoadError::Refused { address: address.clone(), status: response.status().as_u16() })
                }
                Err(e) => Err(LoadError::Handshake { address: address.clone(), reason: e.to_string() }),
            }
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(result) => result,
            Err(_) => Err(LoadError::Handshake { address, reason: "no answer within 10 s".to_owned() }),
        }
    }

    /// A fresh request (each has its own random key).
    fn request(&self) -> Result<Request, LoadError> {
        let mut request = self
            .url
            .as_str()
            .into_client_request()
            .map_err(|e| LoadError::Url { url: self.url.clone(), reason: e.to_string() })?;
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        Ok(request)
    }
}

/// A stream that hands out an HTTP response's head and keeps everything after it.
#[derive(Debug)]
struct HeadOnly<S> {
    inner: S,
    /// How many bytes of `\r\n\r\n` the head ended with so far; 4 when it is complete.
    matched: usize,
    rest: Vec<u8>,
}

impl<S> HeadOnly<S> {
    fn new(inner: S) -> Self {
        Self { inner, matched: 0, rest: Vec::new() }
    }
}

impl HeadOnly<TcpStream> {
    fn into_connection(self) -> Connection {
        Connection { stream: self.inner, already_read: self.rest }
    }
}

/// How many of `bytes` belong to the head, given how much of its end was seen before; and how much is seen after.
fn head_part(bytes: &[u8], mut matched: usize) -> (usize, usize) {
    for (at, byte) in bytes.iter().enumerate() {
        matched = match (byte, matched) {
            (b'\r', 0 | 2) | (b'\n', 1 | 3) => matched + 1,
            (b'\r', _) => 1,
            _ => 0,
        };
        if matched == 4 {
            return (at + 1, matched);
        }
    }
    (bytes.len(), matched)
}

impl<S: AsyncRead + Unpin> AsyncRead for HeadOnly<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.matched == 4 {
            return Poll::Ready(Ok(()));
        }
        let before = out.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, out))?;
        let new = out.filled().get(before..).unwrap_or_default();
        let (head, matched) = head_part(new, this.matched);
        this.matched = matched;
        this.rest.extend_from_slice(new.get(head..).unwrap_or_default());
        out.set_filled(before + head);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeadOnly<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[test]
    fn the_head_ends_where_its_blank_line_ends() {
        assert_eq!(head_part(b"HTTP/1.1 101 x\r\nA: b\r\n\r\n\x81\x02hi", 0), (24, 4));
        assert_eq!(head_part(b"A: b\r\n", 0), (6, 2));
        assert_eq!(head_part(b"\r\nrest", 2), (2, 4));
        assert_eq!(head_part(b"\r\r\n\r\n", 0), (5, 4));
    }

    #[tokio::test]
    async fn what_follows_the_head_is_kept() {
        let mut stream = HeadOnly::new(&b"HTTP/1.1 101 x\r\n\r\n\x81\x02hi"[..]);
        let mut head = Vec::new();
        stream.read_to_end(&mut head).await.unwrap();
        assert_eq!(head, b"HTTP/1.1 101 x\r\n\r\n");
        assert_eq!(stream.rest, b"\x81\x02hi");
    }

    #[test]
    fn urls_that_cannot_be_used_are_named() {
        for (url, part) in [("http://h:1/", "ws://"), ("wss://h/", "TLS"), ("ws:///x", ""), ("nonsense", "")] {
            let error = Target::new(url, None).unwrap_err();
            assert!(matches!(error, LoadError::Url { .. }), "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
        let target = Target::new("ws://[::1]:9/ws", Some("secret")).unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 9));
    }
}
