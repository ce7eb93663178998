//! Discovery: whether avahi announces this machine on the network, and the port that the daemon listens on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::finding::Finding;
use base::config::Endpoint;

/// What is there of avahi.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Avahi {
    /// Whether it is installed.
    pub installed: bool,
    /// Whether it runs.
    pub runs: bool,
    /// The port that our service file announces; `None` where there is no such file.
    pub announced: Option<u16>,
}

/// Looks for avahi's files below `root`.
pub fn gather(root: &Path) -> Avahi {
    let service = fs::read_to_string(root.join("etc/avahi/services/forgesyted.service"));
    let there = |path: &str| root.join(path).exists();
    Avahi {
        installed: there("usr/sbin/avahi-daemon"),
        runs: there("run/avahi-daemon/pid") || there("run/avahi-daemon/socket"),
        announced: service.ok().as_deref().and_then(port),
    }
}

/// The text of `<port>`.
fn port(service: &str) -> Option<u16> {
    service.split_once("<port>")?.1.split_once("</port>")?.0.trim().parse().ok()
}

/// Discovery as a finding; `listen`: where the daemon listens, as far as the configuration can be read.
pub fn judge(avahi: &Avahi, listen: Option<&[Endpoint]>) -> Finding {
    let Some(announced_port) = avahi.announced else {
        return Finding::skipped("discovery", "this machine is not announced: there is no service file for avahi");
    };
    if !avahi.installed {
        return Finding::skipped("discovery", "this machine is not announced: avahi-daemon is not installed");
    }
    if let Some(listen) = listen {
        let (announced, others): (Vec<_>, Vec<_>) = listen.iter().partition(|it| it.address.port() == announced_port);
        if announced.is_empty() {
            let ports: BTreeSet<u16> = others.iter().map(|endpoint| endpoint.address.port()).collect();
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            return Finding::warning(
                "discovery",
                format!("port {announced_port} is announced, and the daemon listens on {}", ports.join(", ")),
                "correct <port> in /etc/avahi/services/forgesyted.service",
            );
        }
        if announced.iter().all(|endpoint| endpoint.address.ip().is_loopback()) {
            return Finding::warning(
                "discovery",
                format!("port {announced_port} is announced, and only this machine can reach it"),
                "remove /etc/avahi/services/forgesyted.service, or give server.listen an address of the network",
            );
        }
    }
    if !avahi.runs {
        let advice = "`systemctl enable --now avahi-daemon`";
        return Finding::warning("discovery", "avahi-daemon is installed and does not run", advice);
    }
    Finding::ok("discovery", format!("avahi announces port {announced_port} as _forgesyted._tcp"))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::doctor::finding::Status;
    use crate::doctor::tests::{JETSON, Root};

    #[test]
    fn verdicts() {
        use Status::{Ok, Skipped, Warning};
        let avahi = |installed, runs, announced| Avahi { installed, runs, announced };
        for (avahi, listen, expected) in [
            (avahi(true, true, Some(8000)), Some(&["[::]:8000"][..]), Ok),
            (avahi(true, true, Some(8000)), Some(&["127.0.0.1:9000", "192.0.2.1:8000"]), Ok),
            (avahi(true, true, Some(8000)), None, Ok),
            (avahi(true, true, Some(8000)), Some(&["[::]:9000"]), Warning),
            (avahi(true, true, Some(8000)), Some(&["127.0.0.1:8000", "[::1]:8000", "[::]:9000"]), Warning),
            (avahi(true, false, Some(8000)), Some(&["[::]:8000"]), Warning),
            (avahi(false, false, Some(8000)), Some(&["[::]:9000"]), Skipped),
            (avahi(true, true, None), Some(&["[::]:8000"]), Skipped),
        ] {
            let listen: Option<Vec<Endpoint>> =
                listen.map(|texts| texts.iter().map(|text| text.parse::<SocketAddr>().unwrap().into()).collect());
            assert_eq!(judge(&avahi, listen.as_deref()).status, expected, "{avahi:?}");
        }
        assert_eq!(gather(&Root::new("avahi", JETSON).0), avahi(true, true, Some(8000)));
        assert_eq!(gather(&Root::new("no-avahi", &[]).0), Avahi::default());
    }
}
