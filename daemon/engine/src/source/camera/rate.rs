//! Frames a second, measured. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Time that the rate is taken over.
const WINDOW: Duration = Duration::from_secs(3);
/// Arrivals kept at most: the window at the highest rate that can be configured.
const MOST: usize = 1024;

/// When frames came lately.
#[derive(Debug, Default)]
pub struct Rate(VecDeque<Instant>);

impl Rate {
    /// Notes frames that came at `now`.
    pub fn note(&mut self, frames: u64, now: Instant) {
        for _ in 0..frames.min(MOST as u64) {
            self.0.push_back(now);
        }
        self.forget(now);
    }

    /// Frames a second in the last three seconds up to `now`; 0 with fewer than two frames.
    pub fn per_second(&mut self, now: Instant) -> f64 {
        self.forget(now);
        let (Some(&first), count) = (self.0.front(), self.0.len()) else { return 0.0 };
        let over = now.saturating_duration_since(first).as_secs_f64();
        if count < 2 || over <= 0.0 { 0.0 } else { (count - 1) as f64 / over }
    }

    fn forget(&mut self, now: Instant) {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) > WINDOW;
        while self.0.len() > MOST || self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_that_of_the_last_seconds() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        assert_eq!(rate.per_second(start), 0.0);
        (0..100_u64).for_each(|frame| rate.note(1, start + Duration::from_millis(frame * 40)));
        let last = start + Duration::from_millis(99 * 40);
        assert!((rate.per_second(last) - 25.0).abs() < 0.5);
        assert_eq!(rate.per_second(last + Duration::from_secs(4)), 0.0, "none came for a while");
    }
}
