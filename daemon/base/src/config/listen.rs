//! Where the daemon listens: the addresses of `server.listen`, and the sockets that they ask for.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// Longest name of a network interface (IFNAMSIZ of Linux, without its end).
const LONGEST_ZONE: usize = 15;

/// The addresses to listen on, as they are written; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen(Vec<Address>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// An address that is good on one network only, with the name of its interface.
    Zoned { ip: Ipv6Addr, zone: String, port: u16 },
    /// `localhost`: this machine's own addresses of both families.
    Localhost(u16),
}

/// A socket that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address.
    pub address: SocketAddr,
    /// The name of the interface that the address is good on.
    pub zone: Option<String>,
    /// Whether a socket of IPv6 takes connections of IPv4 too.
    pub both_families: bool,
    /// Whether it is left out on a machine without IPv6.
    pub only_with_ipv6: bool,
}

impl Listen {
    /// The addresses that these texts are; none where there is no text, or one that is no address.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let addresses = texts.into_iter().map(address).collect::<Option<Vec<_>>>()?;
        (!addresses.is_empty()).then_some(Listen(addresses))
    }

    /// Each address as text.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(Address::to_string)
    }

    /// The sockets that they ask for. `[::]` takes IPv4 too, unless `0.0.0.0` with its port is named beside it. One that another one
    /// includes is left out: the system would refuse the second.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let all: Vec<Endpoint> = self.0.iter().flat_map(Address::endpoints).collect();
        let includes = |one: &Endpoint, other: &Endpoint| {
            let (one, other) = (one.address, other.address);
            // `[::]` takes IPv4 too; every address of IPv4 beside it is a socket of its own.
            let wider = one.ip().is_unspecified() && !other.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4());
            // Port 0 is another port each time.
            wider && one.port() == other.port() && one.port() != 0
        };
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for endpoint in &all {
            let same = |known: &Endpoint| known.address == endpoint.address && known.zone == endpoint.zone;
            let repeated = endpoint.address.port() != 0 && endpoints.iter().any(same);
            if !repeated && !all.iter().any(|other| includes(other, endpoint)) {
                endpoints.push(endpoint.clone());
            }
        }
        for endpoint in &mut endpoints {
            let all_of_ipv4 = endpoint.without_ipv6();
            let shared = all_of_ipv4.port() != 0 && all.iter().any(|other| other.address == all_of_ipv4);
            if endpoint.both_families && shared {
                // IPv4 has its own sockets; without IPv6 nothing is left of this one.
                (endpoint.both_families, endpoint.only_with_ipv6) = (false, true);
            }
        }
        endpoints
    }
}

/// Every address of this machine, of both families.
impl Default for Listen {
    fn default() -> Self {
        Listen(vec![Address::Ip(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8000)))])
    }
}

impl Address {
    fn endpoints(&self) -> Vec<Endpoint> {
        match self {
            Address::Ip(address) => vec![Endpoint::from(*address)],
            Address::Zoned { ip, zone, port } => {
                vec![Endpoint { zone: Some(zone.clone()), ..SocketAddr::from((*ip, *port)).into() }]
            }
            Address::Localhost(port) => {
                let of = |ip: IpAddr| Endpoint::from(SocketAddr::from((ip, *port)));
                let spare = Endpoint { only_with_ipv6: true, ..of(Ipv6Addr::LOCALHOST.into()) };
                vec![of(Ipv4Addr::LOCALHOST.into()), spare]
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(f),
            Address::Zoned { ip, zone, port } => write!(f, "[{ip}%{zone}]:{port}"),
            Address::Localhost(port) => write!(f, "localhost:{port}"),
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        let both_families = address.is_ipv6() && address.ip().is_unspecified();
        Endpoint { address, zone: None, both_families, only_with_ipv6: false }
    }
}

impl Endpoint {
    /// The address with the number of its interface.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        let Some(zone) = &self.zone else { return Ok(self.address) };
        let missing = || io::Error::other(format!("there is no network interface {zone}"));
        let host = format!("{}%{zone}", self.address.ip());
        let mut found = (host.as_str(), self.address.port()).to_socket_addrs().map_err(|_| missing())?;
        found.next().ok_or_else(missing)
    }

    /// The same port on every address of IPv4.
    pub fn without_ipv6(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.address.port()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            None => self.address.fmt(f),
            Some(zone) => write!(f, "[{}%{zone}]:{}", self.address.ip(), self.address.port()),
        }
    }
}

/// Whether this is what a machine without IPv6 says: no such family (`ipv6.disable=1`), or no such address (`disable_ipv6`).
pub fn is_without_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

/// An address as it is written in the setting.
fn address(text: &str) -> Option<Address> {
    if let Ok(socket) = text.parse::<SocketAddr>() {
        let ip = socket.ip().to_canonical();
        // A scope by number is kept: it stands in the socket's address only.
        return Some(Address::Ip(if ip.is_ipv4() { SocketAddr::new(ip, socket.port()) } else { socket }));
    }
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()))?;
    if host.eq_ignore_ascii_case("localhost") {
        return Some(Address::Localhost(port));
    }
    let (ip, zone) = host.strip_prefix('[')?.strip_suffix(']')?.split_once('%')?;
    let fits = (1..=LONGEST_ZONE).contains(&zone.len()) && zone.bytes().all(|byte| byte.is_ascii_graphic());
    let is_name = fits && !zone.contains(['/', ':', '%', '[', ']', ',']);
    let ip = ip.parse().ok().filter(|_| is_name)?;
    Some(Address::Zoned { ip, zone: zone.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(texts: &[&str]) -> Vec<String> {
        let listen = Listen::parse(texts.iter().copied()).unwrap_or_else(|| panic!("{texts:?}"));
        let shown = |endpoint: &Endpoint| {
            let notes = [(endpoint.both_families, " both"), (endpoint.only_with_ipv6, " spare")];
            let notes: String = notes.iter().filter(|(holds, _)| *holds).map(|(_, note)| *note).collect();
            format!("{endpoint}{notes}")
        };
        listen.endpoints().iter().map(shown).collect()
    }

    #[test]
    fn each_address_asks_for_the_sockets_that_it_means() {
        for (texts, expected) in [
            (&["[::]:8000"][..], &["[::]:8000 both"][..]),
            (&["0.0.0.0:8000"], &["0.0.0.0:8000"]),
            (&["192.0.2.1:80", "[2001:db8::1]:80"], &["192.0.2.1:80", "[2001:db8::1]:80"]),
            // As nginx and others want it written.
            (&["0.0.0.0:8000", "[::]:8000"], &["0.0.0.0:8000", "[::]:8000 spare"]),
            (&["[::]:8000", "127.0.0.1:8000"], &["[::]:8000 both"]),
            (&["[::]:8000", "127.0.0.1:8001"], &["[::]:8000 both", "127.0.0.1:8001"]),
            (&["[::]:8000", "[::1]:8000", "[::1]:8001"], &["[::]:8000 both", "[::1]:8001"]),
            (&["127.0.0.1:8000", "0.0.0.0:8000", "127.0.0.1:8000"], &["0.0.0.0:8000"]),
            (&["127.0.0.1:1", "127.0.0.1:1"], &["127.0.0.1:1"]),
            (&["localhost:8000"], &["127.0.0.1:8000", "[::1]:8000 spare"]),
            (&["LocalHost:8000", "[::]:8000"], &["[::]:8000 both"]),
            (&["[::]:0", "0.0.0.0:0", "0.0.0.0:0"], &["[::]:0 both", "0.0.0.0:0", "0.0.0.0:0"]),
            (&["[::ffff:192.0.2.1]:80"], &["192.0.2.1:80"]),
            (&["[fe80::1%eth0]:80", "[fe80::1%2]:80"], &["[fe80::1%eth0]:80", "[fe80::1%2]:80"]),
        ] {
            assert_eq!(endpoints(texts), expected, "{texts:?}");
        }
    }

    #[test]
    fn what_is_no_address_with_a_port_is_refused() {
        for text in [
            "",
            "8000",
            ":8000",
            "*:8000",
            "::",
            "::1:8000",
            "[::]",
            "localhost",
            "localhost:",
            "localhost:+80",
            "localhost:65536",
            "board.local:8000",
            "127.0.0.1",
            "127.0.0.1:x",
            "[fe80::1%]:80",
            "[fe80::1%a/b]:80",
            "[127.0.0.1%eth0]:80",
            "http://127.0.0.1:8000",
            "[fe80::1%sixteen-letters-]:80",
        ] {
            assert_eq!(Listen::parse([text]), None, "{text:?}");
        }
        assert_eq!(Listen::parse([]), None);
        assert_eq!(Listen::parse(["127.0.0.1:1", ""]), None);
    }

    #[test]
    fn an_interface_is_found_by_its_name() {
        let zoned =
            |zone: &str| Listen::parse([format!("[fe80::1%{zone}]:80").as_str()]).unwrap().endpoints().remove(0);
        let SocketAddr::V6(found) = zoned("lo").resolve().unwrap() else { panic!("an address of IPv6") };
        assert_ne!(found.scope_id(), 0);
        let error = zoned("nosuch0").resolve().unwrap_err().to_string();
        assert_eq!(error, "there is no network interface nosuch0");
    }
}
