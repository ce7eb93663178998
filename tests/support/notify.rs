//! A service manager's notify socket, as sd_notify(3) describes it.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::wait;

/// The manager's end.
#[derive(Debug)]
pub struct NotifySocket {
    socket: UnixDatagram,
    seen: Vec<String>,
}

impl NotifySocket {
    /// Binds the socket at a path.
    ///
    /// # Panics
    /// When it cannot be bound.
    pub fn bind(path: &Path) -> NotifySocket {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        NotifySocket { socket, seen: Vec::new() }
    }

    /// Every assignment so far, such as `READY=1`, in order.
    pub fn seen(&mut self) -> &[String] {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            self.seen.extend(text.lines().map(str::to_owned));
        }
        &self.seen
    }

    /// How often an assignment has come.
    pub fn count(&mut self, assignment: &str) -> usize {
        self.seen().iter().filter(|line| *line == assignment).count()
    }

    /// Waits until an assignment has come this often.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_for(&mut self, assignment: &str, times: usize) {
        wait::until(&format!("{times} × {assignment}"), || self.count(assignment) >= times);
    }
}
