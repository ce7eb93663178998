//! The sockets that the service manager passes (sd_listen_fds(3)), in place of those that the daemon binds: they stay open while the
//! daemon restarts, so whoever connects meanwhile waits in their queues.

use std::net::TcpListener;

use listenfd::ListenFd;
use socket2::SockRef;
use thiserror::Error;

/// Why what was passed cannot be listened on. The text says what to do.
#[derive(Debug, Error)]
pub enum PassedError {
    /// Not TCP, or not listening.
    #[error(
        "what the socket unit passes is no listening TCP socket{}; give forgesyted.socket a ListenStream= with a port, such as \
         8000, and neither ListenDatagram= nor a path nor Accept=yes", of_several(*.place, *.count)
    )]
    Kind {
        /// Which one it is, from 0.
        place: usize,
        /// How many were passed.
        count: usize,
    },
    /// It takes no options.
    #[error("the socket that the socket unit passes cannot be used: {0}; restart forgesyted.socket")]
    System(#[from] std::io::Error),
}

/// The listening sockets that were passed to this process, in their order. Only the first call gets them. What `LISTEN_PID` says was
/// passed to another process, or to nobody in particular, is left alone: its numbers mean other descriptors here.
///
/// # Errors
/// [`PassedError`].
pub fn passed() -> Result<Vec<TcpListener>, PassedError> {
    if !is_for(std::process::id(), std::env::var("LISTEN_PID").ok().as_deref()) {
        return Ok(Vec::new());
    }
    let mut passed = ListenFd::from_env();
    let count = passed.len();
    (0..count).map(|place| take(&mut passed, place, count)).collect()
}

fn take(passed: &mut ListenFd, place: usize, count: usize) -> Result<TcpListener, PassedError> {
    let kind = || PassedError::Kind { place, count };
    let listener = passed.take_tcp_listener(place).ok().flatten().ok_or_else(kind)?;
    if !SockRef::from(&listener).is_listener()? {
        return Err(kind());
    }
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Which of several sockets it is, for a message.
fn of_several(place: usize, count: usize) -> String {
    if count == 1 { String::new() } else { format!(" (number {} of {count})", place + 1) }
}

/// Whether the variable names this process.
fn is_for(process: u32, variable: Option<&str>) -> bool {
    variable.and_then(|text| text.parse().ok()) == Some(process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_to_others_is_not_ours() {
        for (variable, expected) in [(Some("7"), true), (Some("8"), false), (Some(""), false), (None, false)] {
            assert_eq!(is_for(7, variable), expected, "{variable:?}");
        }
    }
}
