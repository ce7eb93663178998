//! The socket that the service manager passes (sd_listen_fds(3)), in place of one that the daemon binds: it stays open while the
//! daemon restarts, so whoever connects meanwhile waits in its queue.

use std::net::TcpListener;

use listenfd::ListenFd;
use socket2::SockRef;
use thiserror::Error;

/// Why what was passed cannot be listened on. The text says what to do.
#[derive(Debug, Error)]
pub enum PassedError {
    /// The daemon answers on one socket.
    #[error(
        "the socket unit passes {0} sockets, and the daemon listens on one; leave one ListenStream= in forgesyted.socket \
         (8000 alone takes every address, IPv4 and IPv6)"
    )]
    Many(usize),
    /// Not TCP, or not listening.
    #[error(
        "what the socket unit passes is no listening TCP socket; give forgesyted.socket a ListenStream= with a port, such as \
         8000, and neither ListenDatagram= nor a path nor Accept=yes"
    )]
    Kind,
    /// It takes no options.
    #[error("the socket that the socket unit passes cannot be used: {0}; restart forgesyted.socket")]
    System(#[from] std::io::Error),
}

/// The listening socket that was passed to this process, if one was. Only the first call gets it. What `LISTEN_PID` says was
/// passed to another process, or to nobody in particular, is left alone: its numbers mean other descriptors here.
///
/// # Errors
/// [`PassedError`].
pub fn passed() -> Result<Option<TcpListener>, PassedError> {
    if !is_for(std::process::id(), std::env::var("LISTEN_PID").ok().as_deref()) {
        return Ok(None);
    }
    let mut passed = ListenFd::from_env();
    match passed.len() {
        0 => return Ok(None),
        1 => {}
        many => return Err(PassedError::Many(many)),
    }
    let listener = passed.take_tcp_listener(0).ok().flatten().ok_or(PassedError::Kind)?;
    if !SockRef::from(&listener).is_listener()? {
        return Err(PassedError::Kind);
    }
    listener.set_nonblocking(true)?;
    Ok(Some(listener))
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
