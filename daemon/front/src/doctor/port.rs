//! The port: free, ours, or another program's.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use super::finding::Finding;
use base::config::{Endpoint, is_without_ipv6};

/// Longest wait for the whole answer to a question.
const LIMIT: Duration = Duration::from_secs(2);
/// Most of an answer that is read.
const MOST: usize = 4096;

/// What helps against a port that needs a privilege.
const PRIVILEGED: &str = "choose a higher port, mostly from 1024 on, in server.listen; or let systemd listen there: \
                          `systemctl edit forgesyted.socket` with the port, then `systemctl enable --now forgesyted.socket`";

/// Who has the port.
#[derive(Debug)]
pub enum Port {
    /// Nobody.
    Free,
    /// A forgesyted, and whether it is ready.
    Ours {
        /// What `/readyz` answers, where it is not ready.
        waits: Option<String>,
    },
    /// systemd, for the service that does not run: not asked, since a connection would start it.
    Held,
    /// Nobody, and the service may not have it either.
    Privileged,
    /// Another program, or a forgesyted that does not answer.
    Taken,
    /// The address cannot be listened on.
    Refused(io::Error),
}

/// Tries to listen there; where somebody does already, asks who. Nothing where the daemon would leave it out.
pub fn gather(endpoint: &Endpoint) -> Option<Port> {
    let tried = endpoint.resolve().and_then(|address| {
        TcpListener::bind(address).map(drop).or_else(|error| {
            let instead = endpoint.both_families && is_without_ipv6(&error);
            if instead { TcpListener::bind(endpoint.without_ipv6()).map(drop) } else { Err(error) }
        })
    });
    match tried {
        Ok(()) => Some(Port::Free),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let mut asked = reachable(endpoint).into_iter().map(who);
            // The first that is the daemon's; on another family another program may be.
            let ours = asked.find(|port| matches!(port, Port::Ours { .. }));
            Some(ours.unwrap_or(Port::Taken))
        }
        Err(error) if endpoint.only_with_ipv6 && is_without_ipv6(&error) => None,
        Err(error) => Some(Port::Refused(error)),
    }
}

/// Whether a user without privileges may not listen there, by the kernel's setting below `root`.
pub fn is_privileged(root: &Path, port: u16) -> bool {
    let text = fs::read_to_string(root.join("proc/sys/net/ipv4/ip_unprivileged_port_start")).unwrap_or_default();
    // Port 0 stands for any that is free.
    port != 0 && port < text.trim().parse().unwrap_or(1024)
}

fn who(address: SocketAddr) -> Port {
    let healthy = get(address, "/healthz").is_some_and(|(status, body)| status == 200 && body.trim() == "ok");
    match get(address, "/readyz").filter(|_| healthy) {
        Some((200, _)) => Port::Ours { waits: None },
        Some((503, body)) => Port::Ours { waits: Some(body.trim().to_owned()) },
        _ => Port::Taken,
    }
}

/// Where a listener there can be asked: on all addresses means on this machine's own too.
fn reachable(endpoint: &Endpoint) -> Vec<SocketAddr> {
    let at = |ips: &[IpAddr]| ips.iter().map(|ip| SocketAddr::new(*ip, endpoint.address.port())).collect();
    let (four, six) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    match endpoint.address.ip() {
        ip if !ip.is_unspecified() => endpoint.resolve().into_iter().collect(),
        IpAddr::V4(_) => at(&[four]),
        IpAddr::V6(_) if endpoint.both_families => at(&[six, four]),
        IpAddr::V6(_) => at(&[six]),
    }
}

/// Status and body of `GET path`.
fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let deadline = Instant::now() + LIMIT;
    let left = || Some(deadline.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero());
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).ok()?;
    stream.set_write_timeout(Some(left()?)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    let mut piece = [0; 512];
    while answer.len() < MOST {
        stream.set_read_timeout(Some(left()?)).ok()?;
        match stream.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Who hangs up hard may have answered before.
            Ok(0) | Err(_) => break,
            Ok(length) => answer.extend(piece.iter().take(length)),
        }
    }
    let answer = String::from_utf8(answer).ok()?;
    let status = answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

/// The port as a finding. `socket`: whether systemd listens there for the service.
pub fn judge(address: &Endpoint, port: &Port, socket: bool) -> Finding {
    match port {
        Port::Free => Finding::ok("port", format!("{address} is free")),
        Port::Ours { waits: None } => Finding::ok("port", format!("{address} is forgesyted's, and it is ready")),
        Port::Ours { waits: Some(why) } => Finding::warning(
            "port",
            format!("{address} is forgesyted's, and it is not ready: {why}"),
            "look at the pipelines above, and at `journalctl -u forgesyted`",
        ),
        Port::Held => Finding::ok(
            "port",
            "systemd holds the port of forgesyted.socket; it was not asked, since a connection starts the service",
        ),
        Port::Privileged => Finding::error(
            "port",
            format!("{address} is free, but the service may not listen there: so low a port needs a privilege"),
            PRIVILEGED,
        ),
        Port::Refused(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Finding::error("port", format!("you may not listen on {address}: {error}"), PRIVILEGED)
        }
        Port::Taken if socket => Finding::ok("port", format!("systemd listens on {address} for forgesyted")),
        Port::Taken => Finding::error(
            "port",
            format!("{address} is taken by a program that does not answer as forgesyted does"),
            "`ss -ltnp` names it; stop it, or set server.listen to another port",
        ),
        Port::Refused(error) => Finding::error(
            "port",
            format!("nobody can listen on {address}: {error}"),
            "correct server.listen; [::] listens on all addresses",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::doctor::finding::Status;
    use crate::doctor::tests::Root;

    const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn verdicts() {
        let refused = || Port::Refused(io::Error::from(io::ErrorKind::AddrNotAvailable));
        for (port, socket, expected) in [
            (Port::Free, false, Status::Ok),
            (Port::Ours { waits: None }, false, Status::Ok),
            (Port::Ours { waits: Some("starting".into()) }, false, Status::Warning),
            (Port::Taken, false, Status::Error),
            (Port::Taken, true, Status::Ok),
            (Port::Held, true, Status::Ok),
            (Port::Privileged, false, Status::Error),
            (refused(), false, Status::Error),
        ] {
            assert_eq!(judge(&LOCAL.into(), &port, socket).status, expected, "{port:?}");
        }
    }

    #[test]
    fn low_ports_are_for_the_privileged() {
        const SETTING: &str = "proc/sys/net/ipv4/ip_unprivileged_port_start";
        for (files, port, expected) in [
            (&[][..], 80, true),
            (&[], 1023, true),
            (&[], 1024, false),
            (&[], 0, false),
            (&[(SETTING, "80\n")], 79, true),
            (&[(SETTING, "80\n")], 80, false),
        ] {
            let root = Root::new("low-ports", files);
            assert_eq!(is_privileged(&root.0, port), expected, "{files:?} {port}");
        }
        let advice = judge(&LOCAL.into(), &Port::Privileged, false).advice.unwrap();
        assert!(advice.contains("forgesyted.socket"), "{advice}");
    }

    /// Answers each of two requests with one of these.
    fn server(answers: [&'static str; 2]) -> SocketAddr {
        let listener = TcpListener::bind(LOCAL).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 512];
                let _ = stream.read(&mut request).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
            // The port stays taken.
            thread::park();
        });
        address
    }

    #[test]
    fn who_answers_as_the_daemon_does_is_the_daemon() {
        let ok = "HTTP/1.1 200 OK\r\n\r\nok\n";
        let not_ready = "HTTP/1.1 503 Service Unavailable\r\n\r\nno pipeline is loaded\n";
        let gather = |address: SocketAddr| gather(&address.into()).unwrap();
        assert!(matches!(gather(server([ok, ok])), Port::Ours { waits: None }));
        let waits = gather(server([ok, not_ready]));
        assert!(matches!(&waits, Port::Ours { waits: Some(why) } if why == "no pipeline is loaded"), "{waits:?}");
        assert!(matches!(gather(server(["HTTP/1.1 404 Not Found\r\n\r\n", ok])), Port::Taken));
        assert!(matches!(gather(server(["SSH-2.0-x\r\n", "SSH-2.0-x\r\n"])), Port::Taken));
        assert!(matches!(gather(LOCAL), Port::Free));
        assert!(matches!(gather("192.0.2.1:8000".parse().unwrap()), Port::Refused(_)));
        // Every address of both families, of which another daemon has those of one.
        let all = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), server([ok, ok]).port());
        assert!(matches!(gather(all), Port::Ours { waits: None }));
    }

    #[test]
    fn all_addresses_are_asked_on_this_machine() {
        for (address, expected) in [
            ("0.0.0.0:1", &["127.0.0.1:1"][..]),
            ("[::]:1", &["[::1]:1", "127.0.0.1:1"]),
            ("192.0.2.1:1", &["192.0.2.1:1"]),
        ] {
            let address: SocketAddr = address.parse().unwrap();
            let found: Vec<String> = reachable(&address.into()).iter().map(SocketAddr::to_string).collect();
            assert_eq!(found, expected);
        }
    }
}
