//! A limit on log lines that someone outside can cause.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets at most a number of lines through per interval and counts the rest.
///
/// ```ignore
/// if let Some(suppressed) = limit.allow(Instant::now()) {
///     log::warn!(event = "connection_refused", suppressed; "too many connections");
/// }
/// ```
#[derive(Debug)]
pub struct RateLimited {
    most: u32,
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Start of the interval that `passed` counts in.
    since: Option<Instant>,
    passed: u32,
    suppressed: u64,
}

impl RateLimited {
    /// At most `most` lines in each `interval`, which starts with the first line after the one before it ended.
    pub const fn new(most: u32, interval: Duration) -> Self {
        Self { most, interval, state: Mutex::new(State { since: None, passed: 0, suppressed: 0 }) }
    }

    /// Whether a line may be written at `now`: `Some` with the number suppressed since the last one that was, or `None`.
    pub fn allow(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |since| now.saturating_duration_since(since) >= self.interval;
        if state.since.is_none_or(over) {
            state.since = Some(now);
            state.passed = 0;
        }
        if state.passed >= self.most {
            state.suppressed += 1;
            return None;
        }
        state.passed += 1;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_n_through_and_tells_how_many_it_held_back() {
        let limit = RateLimited::new(2, Duration::from_secs(10));
        let start = Instant::now();
        let at = |seconds| limit.allow(start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(0));
        assert_eq!(at(1), Some(0));
        assert_eq!(at(2), None);
        assert_eq!(at(9), None);
        assert_eq!(at(10), Some(2), "a new interval, and what was lost");
        assert_eq!(at(11), Some(0));
        assert_eq!(at(12), None);
        assert_eq!(at(30), Some(1));
    }
}
