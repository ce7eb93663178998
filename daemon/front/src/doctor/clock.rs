//! The clock: not in the past, and kept by somebody.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::finding::Finding;
use base::clock;
use base::launch::child;

/// Longest wait for the service manager's answer.
const LIMIT: Duration = Duration::from_secs(5);

/// What the machine says of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// How far it is behind the newest thing that is known to have happened.
    pub behind: Option<Duration>,
    /// Whether a time server keeps it; `None` where nobody says.
    pub synchronised: Option<bool>,
}

/// Reads the clock, and asks systemd whether it is kept.
pub fn gather(root: &Path) -> Clock {
    Clock { behind: clock::behind(SystemTime::now(), clock::oldest_possible()), synchronised: synchronised(root) }
}

fn synchronised(root: &Path) -> Option<bool> {
    if root.join("run/systemd/timesync/synchronized").exists() {
        return Some(true);
    }
    if !root.join("run/systemd/system").exists() {
        return None;
    }
    let mut ask = Command::new("timedatectl");
    let answer = child::ask(ask.args(["show", "--property=NTPSynchronized", "--value"]), LIMIT).ok()?;
    match answer.output.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// The clock as a finding.
pub fn judge(clock: &Clock) -> Finding {
    if let Some(behind) = clock.behind {
        let days = behind.as_secs() / 86_400;
        return Finding::error(
            "clock",
            format!("it is wrong: at least {days} days behind, since this program is newer than its time"),
            "set it with `timedatectl set-time`, or give the board a time server or a battery for its clock",
        );
    }
    match clock.synchronised {
        Some(true) => Finding::ok("clock", "a time server keeps it"),
        Some(false) => Finding::warning(
            "clock",
            "no time server keeps it, so times in the log may be wrong",
            "`timedatectl set-ntp true`, and a network that reaches a time server",
        ),
        None => Finding::ok("clock", "plausible; nobody here says whether a time server keeps it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Status;
    use crate::doctor::tests::Root;

    #[test]
    fn verdicts() {
        let day = Duration::from_secs(86_400);
        for (behind, synchronised, expected) in [
            (None, Some(true), Status::Ok),
            (None, None, Status::Ok),
            (None, Some(false), Status::Warning),
            (Some(day * 9000), Some(true), Status::Error),
            (Some(Duration::from_secs(1)), None, Status::Error),
        ] {
            assert_eq!(judge(&Clock { behind, synchronised }).status, expected, "{behind:?} {synchronised:?}");
        }
    }

    #[test]
    fn a_mark_of_timesyncd_is_enough_and_without_systemd_nobody_is_asked() {
        assert_eq!(synchronised(&Root::new("clock", &[("run/systemd/timesync/synchronized", "")]).0), Some(true));
        assert_eq!(synchronised(&Root::new("clockless", &[]).0), None);
    }
}
