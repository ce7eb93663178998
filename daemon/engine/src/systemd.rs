//! What the service manager is told (sd_notify(3)): ready, reloading, stopping, status, and the watchdog's beat. Without
//! a manager nothing is sent. The beat is sent only when every worker and the reactor came round since the last one,
//! and the engine answers frames.

use std::time::Duration;

use sd_notify::NotifyState;

/// Decides when the watchdog is fed: pure, the caller brings the workers' counts.
#[derive(Debug, Default)]
pub struct Heartbeat {
    seen: Vec<u64>,
}

impl Heartbeat {
    /// Whether every worker has come round since the last time that this said so.
    pub fn all_came_round(&mut self, rounds: Vec<u64>) -> bool {
        let all = self.seen.len() != rounds.len() || rounds.iter().zip(&self.seen).all(|(now, seen)| now > seen);
        if all {
            self.seen = rounds;
        }
        all
    }
}

/// How often to try to feed the watchdog: a quarter of the manager's limit; none when it watches nothing. Idle workers come
/// round once a second, so the limit should be 3 s or more.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()).map(|limit| limit / 4)
}

/// Everything is up; `status` is one line for `systemctl status`.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload has begun; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(_) => send(&[NotifyState::Reloading]),
    }
}

/// The daemon stops.
pub fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("stopping: answering the frames that run")]);
}

/// All loops came round.
pub fn watchdog() {
    send(&[NotifyState::Watchdog]);
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!(event = "notify_failed", err:% = error; "the service manager cannot be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_only_when_every_worker_came_round() {
        let mut heartbeat = Heartbeat::default();
        for (rounds, expected) in [
            (vec![0, 0], true),
            (vec![0, 0], false),
            (vec![5, 0], false),
            (vec![9, 1], true),
            (vec![9, 2], false),
            (vec![10, 2], true),
        ] {
            assert_eq!(heartbeat.all_came_round(rounds.clone()), expected, "{rounds:?}");
        }
    }
}
