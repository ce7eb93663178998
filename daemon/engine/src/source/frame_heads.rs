//! The heads of WebSocket frames, looked at as their bytes pass on the way to the library, which reads them: its error for a close
//! frame whose reason is no UTF-8 is the one that it has for a text message.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Opcode of the first frame of a text message (RFC 6455, section 5.2).
const TEXT: u8 = 1;

/// A stream whose frames' heads are looked at as they are read.
#[derive(Debug)]
pub struct Heads<S> {
    inner: S,
    seen: Seen,
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    head: Vec<u8>,
    /// Bytes of the payload that are still to pass.
    payload: u64,
    text: TextSeen,
}

/// Whether a text message began.
#[derive(Clone, Debug, Default)]
pub struct TextSeen(Arc<AtomicBool>);

impl TextSeen {
    /// Whether one did so far.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> Heads<S> {
    /// Wraps a stream, of which these bytes were read already.
    pub fn new(inner: S, already_read: &[u8]) -> Self {
        let mut seen = Seen::default();
        seen.pass(already_read);
        Heads { inner, seen }
    }

    /// The stream under it.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Whether a text message began, now or later.
    pub fn text_seen(&self) -> TextSeen {
        self.seen.text.clone()
    }
}

impl Seen {
    fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            let passed = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
            if passed > 0 {
                self.payload -= passed as u64;
                bytes = bytes.get(passed..).unwrap_or_default();
                continue;
            }
            self.head.push(first);
            bytes = rest;
            if let Some(payload) = payload_of(&self.head) {
                if self.head.first().is_some_and(|byte| byte & 0x0F == TEXT) {
                    self.text.0.store(true, Ordering::Relaxed);
                }
                self.payload = payload;
                self.head.clear();
            }
        }
    }
}

/// The length of the payload, once the head is whole, with its masking key.
fn payload_of(head: &[u8]) -> Option<u64> {
    let second = *head.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (length, extended) = match second & 0x7F {
        126 => (head.get(2..4)?, true),
        127 => (head.get(2..10)?, true),
        _ => (head.get(1..2)?, false),
    };
    let end = if extended { 2 + length.len() } else { 2 } + mask;
    let number = length.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
    (head.len() >= end).then_some(if extended { number } else { number & 0x7F })
}

impl<S: AsyncRead + Unpin> AsyncRead for Heads<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.seen.pass(buf.filled().get(before..).unwrap_or_default());
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heads<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A masked frame of this many bytes, which look like heads of text messages.
    fn frame(first: u8, length: usize) -> Vec<u8> {
        let head = match length {
            0..=125 => vec![first, 0x80 | length as u8],
            126..=65_535 => [&[first, 0x80 | 126][..], &(length as u16).to_be_bytes()].concat(),
            _ => [&[first, 0x80 | 127][..], &(length as u64).to_be_bytes()].concat(),
        };
        [head, vec![0x81; 4 + length]].concat()
    }

    #[test]
    fn a_text_message_is_seen_between_others_however_the_bytes_come() {
        let others = [frame(0x82, 0), frame(0x82, 125), frame(0x02, 126), frame(0x80, 70_000), frame(0x88, 2)].concat();
        let texts = [frame(0x81, 3), frame(0x01, 300)];
        for piece in [1, 2, 7, 4096, usize::MAX] {
            let mut seen = Seen::default();
            others.chunks(piece.min(others.len())).for_each(|bytes| seen.pass(bytes));
            assert!(!seen.text.get() && seen.head.is_empty() && seen.payload == 0, "{piece}");
            for text in &texts {
                let mut seen = Seen::default();
                let all = [others.as_slice(), text].concat();
                all.chunks(piece.min(all.len())).for_each(|bytes| seen.pass(bytes));
                assert!(seen.text.get(), "{piece}");
            }
        }
    }
}
