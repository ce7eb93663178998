//! A stream that counts what the peer took and what came from it, so that a client that reads or sends slowly can be told from one that
//! has stopped.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that have passed one way so far.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

/// A stream and the counts of bytes written to it and read from it.
#[derive(Debug)]
pub struct Counted<S> {
    inner: S,
    progress: Progress,
    received: Progress,
}

impl Progress {
    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> Counted<S> {
    /// Wraps a stream.
    pub fn new(inner: S) -> Self {
        Counted { inner, progress: Progress::default(), received: Progress::default() }
    }

    /// Bytes that the peer's side took.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Bytes that came from the peer.
    pub fn received(&self) -> Progress {
        self.received.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.received.0.fetch_add(buf.filled().len().saturating_sub(before) as u64, Ordering::Relaxed);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes)) = written {
            self.progress.0.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
