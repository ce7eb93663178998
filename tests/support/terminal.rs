//! A terminal of its own for a daemon, which a test can close.

use std::os::fd::OwnedFd;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

/// The side of a pseudo-terminal that a terminal's window has. Dropping it closes the terminal.
#[derive(Debug)]
pub struct Terminal {
    window: OwnedFd,
}

impl Terminal {
    /// A new one, and the side that programs have.
    pub(crate) fn open() -> (Terminal, OwnedFd) {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let window = openpt(flags).unwrap();
        grantpt(&window).unwrap();
        unlockpt(&window).unwrap();
        let programs = ioctl_tiocgptpeer(&window, flags).unwrap();
        (Terminal { window }, programs)
    }

    /// Waits until a program writes to it.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn wait_written(&self) {
        assert_ne!(rustix::io::read(&self.window, &mut [0; 1]).unwrap(), 0);
    }

    /// Closes it, as a window is closed or a connection ends.
    pub fn close(self) {
        drop(self);
    }
}
