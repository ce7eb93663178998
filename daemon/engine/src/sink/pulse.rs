//! Whether the peer of an idle connection is still there: when it is pinged, and when it is given up. The pings also keep the
//! connection open in proxies, which cut one on which nothing passes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::progress::Progress;

/// Intervals in which something has to come after a ping.
const PATIENCE: u32 = 2;

/// The pulse of one connection.
#[derive(Debug)]
pub struct Pulse {
    interval: Duration,
    /// Bytes from the peer: part of a message is an answer too, and no pong can stand inside one.
    received: Progress,
    state: Mutex<State>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A ping.
    Ping,
    /// The end: nothing came after the pings.
    End,
}

#[derive(Debug)]
struct State {
    /// When something came or was sent last.
    active: Instant,
    /// When the first ping was sent after which nothing came.
    asked: Option<Instant>,
    /// Bytes that had come when this was looked at last.
    received: u64,
    /// Whether what comes is read at the moment. Where it is not, an answer may lie there.
    reads: bool,
}

impl Pulse {
    /// Of a connection that was opened just now, on which `received` counts what comes.
    pub fn new(interval: Duration, received: Progress) -> Self {
        let state = State { active: Instant::now(), asked: None, received: received.bytes(), reads: false };
        Pulse { interval, received, state: Mutex::new(state) }
    }

    /// Notes that what comes is read from now on.
    pub fn reads(&self) {
        let mut state = self.lock();
        (state.reads, state.asked) = (true, None);
    }

    /// Notes that something came; nothing further is read for now.
    pub fn heard(&self) {
        let mut state = self.lock();
        (state.reads, state.asked, state.active) = (false, None, Instant::now());
    }

    /// Notes that something other than a ping was sent.
    pub fn sent(&self) {
        self.lock().active = Instant::now();
    }

    /// Notes that a ping was sent.
    pub fn asked(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        state.active = now;
        state.asked.get_or_insert(now);
    }

    /// Waits until something is due. Cancel safe.
    pub async fn due(&self) -> Due {
        loop {
            let due = {
                let mut state = self.lock();
                let received = self.received.bytes();
                if state.received != received {
                    (state.received, state.asked) = (received, None);
                }
                state.due(self.interval, Instant::now())
            };
            match due {
                Ok(due) => return due,
                Err(at) => sleep_until(at).await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is due now, or when to ask again.
    fn due(&self, interval: Duration, now: Instant) -> Result<Due, Instant> {
        let end = self.asked.filter(|_| self.reads).map(|asked| asked + PATIENCE * interval);
        let ping = self.active + interval;
        match end {
            Some(end) if now >= end => Ok(Due::End),
            _ if now >= ping => Ok(Due::Ping),
            Some(end) => Err(end.min(ping)),
            None => Err(ping),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(20);

    /// What is due this many seconds after the start; a number says when to ask again.
    fn due(state: &State, start: Instant, seconds: u64) -> Result<Due, u64> {
        state.due(INTERVAL, start + Duration::from_secs(seconds)).map_err(|at| (at - start).as_secs())
    }

    #[test]
    fn an_idle_peer_is_pinged_and_a_silent_one_given_up() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut state = State { active: start, asked: None, received: 0, reads: true };
        assert_eq!((due(&state, start, 0), due(&state, start, 20)), (Err(20), Ok(Due::Ping)));
        (state.asked, state.active) = (Some(at(20)), at(20));
        assert_eq!((due(&state, start, 21), due(&state, start, 40)), (Err(40), Ok(Due::Ping)), "proxies see pings on");
        state.active = at(50);
        assert_eq!((due(&state, start, 59), due(&state, start, 60)), (Err(60), Ok(Due::End)));
        state.reads = false;
        assert_eq!(
            (due(&state, start, 60), due(&state, start, 70)),
            (Err(70), Ok(Due::Ping)),
            "its answer may lie there"
        );
    }

    #[test]
    fn whatever_comes_is_an_answer() {
        let pulse = Pulse::new(INTERVAL, Progress::default());
        pulse.reads();
        pulse.asked();
        pulse.asked();
        assert!(pulse.lock().asked.is_some());
        pulse.sent();
        assert!(pulse.lock().asked.is_some(), "what was sent is no answer");
        pulse.heard();
        assert!(pulse.lock().asked.is_none());
    }
}
