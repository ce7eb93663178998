//! The sending side of a connection, for a reader who is never to get old pictures or results: what waits must not wait in the
//! kernel's send buffer, where a newer one cannot replace it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// A handle to a connection's socket; each request of the connection carries one.
#[derive(Clone, Debug)]
pub struct Outlet(Arc<OwnedFd>);

/// Bytes of one watcher's results that the kernel may hold unsent: a usual result or two.
const UNSENT_RESULTS: u32 = 4 << 10;

/// A connection whose socket counts as writable only once nothing in it is unsent.
#[derive(Debug)]
pub struct Emptied(TcpStream);

impl Outlet {
    /// The handle of a connection. Whoever holds one keeps the connection open.
    ///
    /// # Errors
    /// The system's, such as too many open files.
    pub fn of(stream: &TcpStream) -> io::Result<Self> {
        Ok(Outlet(Arc::new(rustix::io::fcntl_dupfd_cloexec(stream, 0)?)))
    }

    /// Has the connection send what it is given before it takes more.
    ///
    /// # Errors
    /// The system's, such as too many open files.
    pub fn emptied(&self) -> io::Result<Emptied> {
        // Writable is then "no byte is unsent" (TCP_NOTSENT_LOWAT, tcp(7)).
        SockRef::from(&self.0).set_tcp_notsent_lowat(1)?;
        Ok(Emptied(TcpStream::from_std(self.0.try_clone()?.into())?))
    }
}

/// Has the kernel take results only while it has next to none unsent. Otherwise its send buffer, which grows to megabytes, would
/// give a slow reader minutes of old results before it is told that it misses any.
pub fn hold_little(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_RESULTS)
}

impl Emptied {
    /// Waits until the kernel holds nothing unsent, or the connection is over.
    ///
    /// # Errors
    /// The system's: the connection cannot be asked.
    pub async fn wait(&self) -> io::Result<()> {
        self.0.async_io(Interest::WRITABLE, || is_writable(&self.0)).await
    }
}

/// Asked of the kernel anew: tokio's own readiness is that of the last event.
fn is_writable(stream: &TcpStream) -> io::Result<()> {
    let mut asked = [PollFd::new(stream, PollFlags::OUT)];
    match poll(&mut asked, Some(&Timespec::default()))? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    }
}
