//! A client's address.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A client's address, as the log and the lists show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its IP address; one of IPv4 is one, also on a socket of IPv6.
    pub address: IpAddr,
    /// Its port; proxies seldom tell.
    pub port: Option<u16>,
}

impl From<SocketAddr> for Peer {
    fn from(socket: SocketAddr) -> Self {
        Peer { address: socket.ip().to_canonical(), port: Some(socket.port()) }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.address, port).fmt(f),
            None => self.address.fmt(f),
        }
    }
}
