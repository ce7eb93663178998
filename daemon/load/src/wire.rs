//! WebSocket framing for a client that must cost little: frames masked once, replies parsed in place.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Cursor;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

use super::LoadError;

/// Largest message accepted from the daemon: results are JSON of at most some hundred kilobytes.
const MAX_MESSAGE: usize = 16 << 20;

/// A JPEG as it goes over the wire: header, mask, masked payload.
///
/// Each is masked once, with a random key, and sent many times. RFC 6455 wants a fresh key a frame so that whoever
/// chooses the payload cannot choose the bytes on the wire and so fool a proxy (section 10.3). Here the same person
/// chooses the frames and runs the client, so there is nobody to protect; the server's work is the same for any key.
#[derive(Debug, Clone)]
pub(super) struct WireFrame {
    /// The whole WebSocket frame.
    pub bytes: Bytes,
    /// Size of the JPEG.
    pub payload_len: usize,
}

impl WireFrame {
    /// Masks a JPEG.
    pub fn new(jpeg: &Bytes) -> Result<Self, LoadError> {
        let bytes = encode(Frame::message(jpeg.clone(), OpCode::Data(Data::Binary), true))
            .map_err(|e| LoadError::Internal(format!("a frame could not be encoded ({e})")))?;
        Ok(Self { bytes, payload_len: jpeg.len() })
    }
}

/// A masked pong with a ping's payload.
pub(super) fn pong(payload: &[u8]) -> Bytes {
    encode(Frame::pong(Bytes::copy_from_slice(payload))).unwrap_or_default()
}

/// A masked close frame with a code; without one it is empty.
pub(super) fn close(code: Option<u16>) -> Bytes {
    let payload = code.map(|code| Bytes::copy_from_slice(&code.to_be_bytes())).unwrap_or_default();
    let header = FrameHeader { opcode: OpCode::Control(Control::Close), ..FrameHeader::default() };
    encode(Frame::from_payload(header, payload)).unwrap_or_default()
}

fn encode(mut frame: Frame) -> Result<Bytes, tokio_tungstenite::tungstenite::Error> {
    frame.header_mut().mask = Some(random_key());
    let mut wire = Vec::with_capacity(frame.len());
    frame.format(&mut wire)?;
    Ok(wire.into())
}

/// A random key with no zero byte, so that no byte goes unmasked.
fn random_key() -> [u8; 4] {
    let random = RandomState::new().build_hasher().finish();
    (random as u32 | 0x0101_0101).to_le_bytes()
}

/// One message from the daemon.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound<'a> {
    /// A whole text message.
    Text(&'a [u8]),
    /// A binary message, which the protocol does not have in this direction.
    Binary,
    /// A ping, to be answered with its payload.
    Ping(&'a [u8]),
    /// An answer to a ping; nobody asked, nothing to do.
    Pong,
    /// A close frame, with its code when it has one.
    Close(Option<u16>),
}

/// Bytes from the daemon, and the messages in them.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// Where the next frame starts in `bytes`.
    at: usize,
    /// The parts so far of a fragmented message, and whether it is text.
    parts: Option<(bool, Vec<u8>)>,
    /// The last fragmented message, complete.
    whole: Vec<u8>,
}

impl Inbox {
    /// An inbox that starts with bytes read earlier.
    pub fn new(already_read: Vec<u8>) -> Self {
        Self { bytes: already_read, ..Self::default() }
    }

    /// The buffer to read into: new bytes go at its end.
    pub fn space(&mut self) -> &mut Vec<u8> {
        if self.at > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.reserve(16 * 1024);
        &mut self.bytes
    }

    /// The next message, `None` when more bytes are needed, or what the daemon did wrong.
    pub fn next_message(&mut self) -> Result<Option<Inbound<'_>>, String> {
        loop {
            let unread = self.bytes.get(self.at..).unwrap_or_default();
            let mut cursor = Cursor::new(unread);
            let Some((header, len)) = FrameHeader::parse(&mut cursor).map_err(|e| e.to_string())? else {
                return Ok(None);
            };
            if header.mask.is_some() {
                return Err("the server sent a masked frame".to_owned());
            }
            if header.rsv1 || header.rsv2 || header.rsv3 {
                return Err("the server set a reserved bit".to_owned());
            }
            let held = self.parts.as_ref().map_or(0, |(_, parts)| parts.len());
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            if len.saturating_add(held) > MAX_MESSAGE {
                return Err(format!("the server sent a message above {MAX_MESSAGE} bytes"));
            }
            let from = self.at + cursor.position() as usize;
            let to = from + len;
            if self.bytes.len() < to {
                return Ok(None);
            }
            self.at = to;
            match header.opcode {
                OpCode::Control(_) if !header.is_final || len > 125 => {
                    return Err("the server sent a fragmented or overlong control frame".to_owned());
                }
                OpCode::Control(Control::Close) => return Ok(Some(Inbound::Close(close_code(self.slice(from, to))))),
                OpCode::Control(Control::Ping) => return Ok(Some(Inbound::Ping(self.slice(from, to)))),
                OpCode::Control(_) => return Ok(Some(Inbound::Pong)),
                OpCode::Data(Data::Continue) => {
                    let payload = self.bytes.get(from..to).unwrap_or_default();
                    let Some((is_text, mut parts)) = self.parts.take() else {
                        return Err("the server continued a message that it had not begun".to_owned());
                    };
                    parts.extend_from_slice(payload);
                    if header.is_final {
                        self.whole = parts;
                        return Ok(Some(if is_text { Inbound::Text(&self.whole) } else { Inbound::Binary }));
                    }
                    self.parts = Some((is_text, parts));
                }
                OpCode::Data(kind) => {
                    if self.parts.is_some() {
                        return Err("the server began a message inside another".to_owned());
                    }
                    let is_text = kind == Data::Text;
                    if header.is_final {
                        return Ok(Some(if is_text { Inbound::Text(self.slice(from, to)) } else { Inbound::Binary }));
                    }
                    self.parts = Some((is_text, self.slice(from, to).to_vec()));
                }
            }
        }
    }

    fn slice(&self, from: usize, to: usize) -> &[u8] {
        self.bytes.get(from..to).unwrap_or_default()
    }
}

fn close_code(payload: &[u8]) -> Option<u16> {
    payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_frame(opcode: OpCode, is_final: bool, payload: &[u8]) -> Vec<u8> {
        let header = FrameHeader { opcode, is_final, ..FrameHeader::default() };
        let mut wire = Vec::new();
        Frame::from_payload(header, Bytes::copy_from_slice(payload)).format(&mut wire).unwrap();
        wire
    }

    #[test]
    fn messages_come_out_whole_however_the_bytes_arrive() {
        let text = OpCode::Data(Data::Text);
        let long = vec![b'x'; 70_000];
        let mut wire = server_frame(text, true, b"one");
        wire.extend(server_frame(text, false, b"tw"));
        wire.extend(server_frame(OpCode::Control(Control::Ping), true, b"p"));
        wire.extend(server_frame(OpCode::Data(Data::Continue), true, b"o"));
        wire.extend(server_frame(text, true, &long));
        wire.extend(server_frame(OpCode::Control(Control::Close), true, &1008u16.to_be_bytes()));
        for step in [1, 2, 7, 1000, wire.len()] {
            let mut inbox = Inbox::default();
            let mut seen = Vec::new();
            for piece in wire.chunks(step) {
                inbox.space().extend_from_slice(piece);
                while let Some(message) = inbox.next_message().unwrap() {
                    seen.push(match message {
                        Inbound::Text(text) => format!("{}:{}", text.len(), text[0] as char),
                        other => format!("{other:?}"),
                    });
                }
            }
            assert_eq!(seen, ["3:o", "Ping([112])", "3:t", "70000:x", "Close(Some(1008))"], "step {step}");
        }
    }

    #[test]
    fn a_server_that_breaks_the_framing_is_named() {
        let cases = [
            (server_frame(OpCode::Data(Data::Continue), true, b"x"), "not begun"),
            (close(Some(1000)).to_vec(), "masked"),
            (vec![0xC1, 0], "reserved"),
            (vec![0x81, 127, 0, 0, 0, 9, 0, 0, 0, 0], "above"),
            (vec![0x09, 0], "control"),
        ];
        for (wire, part) in cases {
            let error = Inbox::new(wire).next_message().map(|_| ()).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_masked_frame_decodes_to_its_jpeg() {
        let jpeg = Bytes::from_static(b"\xFF\xD8 picture \xFF\xD9");
        let frame = WireFrame::new(&jpeg).unwrap();
        let mut cursor = Cursor::new(&frame.bytes);
        let (header, len) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
        let key = header.mask.unwrap();
        let payload = &frame.bytes[cursor.position() as usize..];
        let plain: Vec<u8> = payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
        assert_eq!((len as usize, plain.as_slice(), frame.payload_len), (jpeg.len(), &jpeg[..], jpeg.len()));
        assert_ne!(payload, &jpeg[..]);
    }
}
