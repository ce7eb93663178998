//! The sockets that the daemon answers on: those that the service manager passed, or else those of `server.listen`.

use std::io;

use tokio::net::TcpListener;

use super::StartError;
use crate::server;
use base::config::{Endpoint, Listen};

/// The listening sockets, and who made them.
#[derive(Debug)]
pub(super) struct Listeners {
    sockets: Vec<std::net::TcpListener>,
    /// By the service manager; otherwise by this process, at the configured addresses.
    passed: bool,
}

impl Listeners {
    /// Takes the sockets that were passed, or binds those that are configured: all of them, or none.
    pub(super) fn new(listen: &Listen) -> Result<Listeners, StartError> {
        let passed = server::passed()?;
        if !passed.is_empty() {
            return Ok(Listeners { sockets: passed, passed: true });
        }
        let bind = |endpoint: Endpoint| server::bind(&endpoint).map_err(|error| refused(&endpoint, error)).transpose();
        let sockets = listen.endpoints().into_iter().filter_map(bind).collect::<Result<_, _>>()?;
        Ok(Listeners { sockets, passed: false })
    }

    /// The sockets for the reactor, and whether they were passed.
    pub(super) fn into_tokio(self) -> io::Result<(Vec<TcpListener>, bool)> {
        let sockets = self.sockets.into_iter().map(TcpListener::from_std).collect::<io::Result<_>>()?;
        Ok((sockets, self.passed))
    }
}

/// Where they listen, as text.
pub(super) fn addresses(listeners: &[TcpListener]) -> io::Result<String> {
    let address = |listener: &TcpListener| listener.local_addr().map(|address| address.to_string());
    Ok(listeners.iter().map(address).collect::<io::Result<Vec<_>>>()?.join(", "))
}

/// Why an address cannot be listened on, and what to do.
fn refused(endpoint: &Endpoint, error: io::Error) -> StartError {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "Another program has this port (`ss -ltnp` names it); stop it, or set server.listen or FORGESYTED_LISTEN."
        }
        io::ErrorKind::PermissionDenied => {
            "Ports below 1024 need a privilege: choose a higher one in server.listen, or let systemd open it by forgesyted.socket \
             (`systemctl edit forgesyted.socket`, `systemctl enable --now forgesyted.socket`)."
        }
        io::ErrorKind::AddrNotAvailable => "This machine has no such address; [::] listens on all it has.",
        _ if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            "IPv6 is off on this machine: name addresses of IPv4 in server.listen; 0.0.0.0 listens on all it has."
        }
        _ if error.raw_os_error() == Some(libc::EINVAL) && endpoint.address.is_ipv6() => {
            "An address that starts with fe80: needs the network interface that it is good on, such as [fe80::1%eth0]:8000."
        }
        _ => "Check server.listen or FORGESYTED_LISTEN.",
    };
    StartError::Listen { address: endpoint.to_string(), error, advice }
}
