//! A client that breaks rules: bytes over TCP, with the WebSocket framing made by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::wait::PATIENCE;

/// A TCP connection.
#[derive(Debug)]
pub struct Raw(TcpStream);

/// A WebSocket frame as it is on the wire.
#[derive(Debug, PartialEq, Eq)]
pub struct WireFrame {
    /// Text is 1, binary 2, close 8, ping 9, pong 10.
    pub opcode: u8,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl WireFrame {
    /// The code of a close frame.
    ///
    /// # Panics
    /// When it is none.
    pub fn close_code(&self) -> u16 {
        assert_eq!(self.opcode, 8, "{self:?}");
        u16::from_be_bytes([self.payload[0], self.payload[1]])
    }
}

impl Raw {
    /// Connects and sends nothing.
    ///
    /// # Panics
    /// When nobody listens.
    pub fn connect(address: SocketAddr) -> Raw {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Raw(stream)
    }

    /// Connects and upgrades.
    ///
    /// # Panics
    /// When the upgrade is refused.
    pub fn upgrade(address: SocketAddr, query: &str) -> Raw {
        Raw::upgrade_at(address, &format!("/ws/video/stream?{query}"))
    }

    /// Connects and upgrades at a path with its query.
    ///
    /// # Panics
    /// When the upgrade is refused.
    pub fn upgrade_at(address: SocketAddr, path: &str) -> Raw {
        let mut raw = Raw::connect(address);
        raw.send(
            format!(
                "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            .as_bytes(),
        );
        let head = raw.read_head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        // The example of RFC 6455, section 1.3.
        assert!(head.to_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        raw
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// When the connection is gone.
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Sends bytes; whether the connection took them.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Sends a masked WebSocket frame; `first` is FIN, reserved bits and opcode.
    ///
    /// # Panics
    /// When the connection is gone.
    pub fn send_frame(&mut self, first: u8, payload: &[u8]) {
        let mut frame = announce(first, payload.len() as u64, true);
        frame.extend([0; 4]);
        frame.extend(payload);
        self.send(&frame);
    }

    /// The next WebSocket frame; none at the end of the connection.
    ///
    /// # Panics
    /// When nothing comes, or half a frame.
    pub fn next_frame(&mut self) -> Option<WireFrame> {
        let mut start = [0; 2];
        self.0.read_exact(&mut start).ok()?;
        assert_eq!(start[1] & 0x80, 0, "a server's frames are not masked");
        let length = match start[1] {
            126 => u64::from(u16::from_be_bytes(self.read_array())),
            127 => u64::from_be_bytes(self.read_array()),
            length => u64::from(length),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).unwrap();
        Some(WireFrame { opcode: start[0] & 0x0F, payload })
    }

    /// Reads to the end of an HTTP header.
    ///
    /// # Panics
    /// When it does not come.
    pub fn read_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.read_array::<1>());
        }
        String::from_utf8(head).unwrap()
    }

    /// Reads whatever comes until the daemon closes the connection, be it by a reset.
    ///
    /// # Panics
    /// When it does not close.
    pub fn read_to_close(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut bytes) {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the daemon keeps the connection");
        }
        bytes
    }

    fn read_array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}

/// The header of a WebSocket frame that announces a payload of this length, without the masking key.
pub fn announce(first: u8, length: u64, masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    match length {
        0..=125 => vec![first, mask | u8::try_from(length).unwrap()],
        126..=65535 => [&[first, mask | 126][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[first, mask | 127][..], &length.to_be_bytes()].concat(),
    }
}
