//! SIGHUP: a reload that somebody asks for, or the end of the terminal that the daemon was started from.
//!
//! The kernel sends it when a terminal is closed, to the terminal's foreground programs among others; shells pass it on to what they
//! started. Everyone else who sends it wants a reload. So it is read from a descriptor, which says who sent it; it stays blocked.

use std::fs::OpenOptions;
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{fstat, major};
use tokio::io::unix::AsyncFd;

use base::launch::signals;

/// What is read of a signal.
const WHOLE: usize = size_of::<libc::signalfd_siginfo>();
/// Where it says by which way it came, and from which process.
const CODE: usize = offset_of!(libc::signalfd_siginfo, ssi_code);
const PROCESS: usize = offset_of!(libc::signalfd_siginfo, ssi_pid);

/// What a SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hangup {
    /// Configuration and pipelines are to be read again.
    Reload,
    /// The terminal is closed, and the daemon ends as its other programs do.
    Closed,
    /// The terminal is closed, and the daemon was started to outlive it (`nohup`).
    Outlived,
}

/// Reads them.
#[derive(Debug)]
pub(super) struct Hangups {
    signals: AsyncFd<OwnedFd>,
    /// Whether there was a terminal at the start.
    terminal: bool,
    /// Whether it was there when it was looked for last.
    there: AtomicBool,
    /// Whether whoever started the daemon had it ignore them.
    ignored: bool,
}

impl Hangups {
    /// Reads them from now on, those that came since the process began included.
    pub(super) fn catch() -> io::Result<Hangups> {
        signals::prepare();
        // Loading libtorch takes long enough for a terminal to close meanwhile.
        let terminal = has_terminal() || was_started_in_one();
        let (there, ignored) = (AtomicBool::new(terminal), signals::are_hangups_ignored());
        Ok(Hangups { signals: signals::hangups()?, terminal, there, ignored })
    }

    /// Looks whether the terminal is still there; to be called now and then. A shell within a shell may be who passes the signal on,
    /// and the kernel merges signals that wait: so whoever sends the first one after the terminal went says that it is closed.
    pub(super) fn look(&self) {
        self.there.store(self.terminal && has_terminal(), Ordering::Relaxed);
    }

    /// Waits for the next one. Cancel safe.
    pub(super) async fn recv(&self) -> io::Result<Hangup> {
        let mut signal = [0; WHOLE];
        loop {
            let mut ready = self.signals.readable().await?;
            // It may be ready without reason.
            if let Ok(read) = ready.try_io(|signals| Ok(rustix::io::read(signals.get_ref(), &mut signal)?)) {
                read?;
                break;
            }
        }
        let (from_kernel, sender) = origin(&signal);
        let from_shell = sender.is_some() && sender == signals::session_leader();
        let gone = self.terminal && !has_terminal();
        let just_gone = self.there.swap(!gone && self.terminal, Ordering::Relaxed) && gone;
        let closed = is_closed(from_kernel, from_shell && gone, just_gone);
        Ok(match (closed, self.ignored) {
            (false, _) => Hangup::Reload,
            (true, false) => Hangup::Closed,
            (true, true) => Hangup::Outlived,
        })
    }
}

/// Whether the kernel sent it, or else which process did.
fn origin(signal: &[u8; WHOLE]) -> (bool, Option<i32>) {
    let field = |at: usize| signal.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    (field(CODE) == Some(libc::SI_KERNEL), field(PROCESS))
}

/// Whether a SIGHUP says that the terminal is closed: it comes from the kernel, or from the shell of a terminal that is gone, or from
/// whomever when that has just gone. A shell may be asked to send one for a reload while its terminal is there.
fn is_closed(from_kernel: bool, from_shell_of_gone: bool, just_gone: bool) -> bool {
    from_kernel || from_shell_of_gone || just_gone
}

/// Whether standard input, output or error is a terminal, also one that is closed by now: isatty(3) would ask the terminal itself.
fn was_started_in_one() -> bool {
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    [input.as_fd(), output.as_fd(), error.as_fd()].into_iter().any(|standard| {
        // Consoles and serial lines; pseudo-terminals (Documentation/admin-guide/devices.txt of Linux).
        fstat(standard).is_ok_and(|about| matches!(major(about.st_rdev), 4 | 5 | 136..=143))
    })
}

/// Whether this process has a terminal, one that is not closed.
fn has_terminal() -> bool {
    OpenOptions::new().read(true).custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK).open("/dev/tty").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_terminals_end_ends_the_daemon() {
        for (from_kernel, from_shell_of_gone, just_gone, expected) in [
            (true, true, true, true),
            // The shell was killed, and its terminal is still being taken down.
            (true, false, false, true),
            (false, true, false, true),
            // A shell within a shell.
            (false, false, true, true),
            // `kill -HUP`, or a daemon that outlived its terminal and is asked by its number.
            (false, false, false, false),
        ] {
            let closed = is_closed(from_kernel, from_shell_of_gone, just_gone);
            assert_eq!(closed, expected, "{from_kernel} {from_shell_of_gone} {just_gone}");
        }
    }
}
