//! Discovery: whether avahi announces this machine on the network, and the port that the daemon listens on.

use std::fs;
use std::path::Path;

use super::finding::Finding;

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

/// Discovery as a finding; `listen`: the port that the daemon listens on, where the configuration says.
pub fn judge(avahi: &Avahi, listen: Option<u16>) -> Finding {
    let Some(announced) = avahi.announced else {
        return Finding::skipped("discovery", "this machine is not announced: there is no service file for avahi");
    };
    if !avahi.installed {
        return Finding::skipped("discovery", "this machine is not announced: avahi-daemon is not installed");
    }
    if let Some(listen) = listen.filter(|listen| *listen != announced) {
        return Finding::warning(
            "discovery",
            format!("port {announced} is announced, and the daemon listens on {listen}"),
            "correct <port> in /etc/avahi/services/forgesyted.service",
        );
    }
    if !avahi.runs {
        let advice = "`systemctl enable --now avahi-daemon`";
        return Finding::warning("discovery", "avahi-daemon is installed and does not run", advice);
    }
    Finding::ok("discovery", format!("avahi announces port {announced} as _forgesyted._tcp"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Status;
    use crate::commands::doctor::tests::{JETSON, Root};

    #[test]
    fn verdicts() {
        use Status::{Ok, Skipped, Warning};
        let avahi = |installed, runs, announced| Avahi { installed, runs, announced };
        for (avahi, listen, expected) in [
            (avahi(true, true, Some(8000)), Some(8000), Ok),
            (avahi(true, true, Some(8000)), None, Ok),
            (avahi(true, true, Some(8000)), Some(9000), Warning),
            (avahi(true, false, Some(8000)), Some(8000), Warning),
            (avahi(false, false, Some(8000)), Some(9000), Skipped),
            (avahi(true, true, None), Some(8000), Skipped),
        ] {
            assert_eq!(judge(&avahi, listen).status, expected, "{avahi:?}");
        }
        assert_eq!(gather(&Root::new("avahi", JETSON).0), avahi(true, true, Some(8000)));
        assert_eq!(gather(&Root::new("no-avahi", &[]).0), Avahi::default());
    }
}
