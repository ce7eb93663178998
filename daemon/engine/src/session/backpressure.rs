//! Backpressure: which state a session is in, whether its oldest waiting frame gives way, and when its client is told
//! to slow down. Pure functions over plain numbers: no clock, no I/O, so each rule is a row of a test.

use std::fmt;

use base::config::StreamConfig;

/// Frames that a session must have received before its drop rate says anything.
pub const VERDICT_AFTER_FRAMES: u64 = 10;

/// How far a session is from keeping up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BackpressureState {
    /// The recent drop rate is at most `drop_threshold`.
    #[default]
    Normal,
    /// Above `drop_threshold`: only the newest frame waits.
    Warning,
    /// Above `slowdown_threshold`: the client is told to slow down as well.
    Critical,
}

impl BackpressureState {
    /// `normal`, `warning` or `critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            BackpressureState::Normal => "normal",
            BackpressureState::Warning => "warning",
            BackpressureState::Critical => "critical",
        }
    }
}

impl fmt::Display for BackpressureState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The numbers that the rules compare with; from [`StreamConfig`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Recent drop rate above which a session is in `warning` (0 to 1).
    pub drop_threshold: f64,
    /// Recent drop rate above which a session is in `critical` (0 to 1).
    pub slowdown_threshold: f64,
    /// Frames over which the recent drop rate is taken; 0 is the whole session.
    pub drop_window_frames: usize,
    /// Longest that the newest frame should wait in `normal`, in milliseconds.
    pub max_lag_ms: f64,
    /// Most frames that wait in `normal`.
    pub max_waiting_frames: usize,
    /// Shortest time between two `slow_down` notices, in milliseconds.
    pub slow_down_interval_ms: u64,
}

impl From<&StreamConfig> for Thresholds {
    fn from(config: &StreamConfig) -> Self {
        Thresholds {
            drop_threshold: config.drop_threshold,
            slowdown_threshold: config.slowdown_threshold,
            drop_window_frames: config.drop_window_frames,
            max_lag_ms: config.max_lag_ms as f64,
            max_waiting_frames: config.max_waiting_frames,
            slow_down_interval_ms: config.slow_down_interval_ms,
        }
    }
}

/// What waits in a session at the moment of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Frames that wait, the newest included.
    pub waiting: usize,
    /// Whether a frame of the session runs.
    pub running: bool,
}

/// The rules.
#[derive(Debug)]
pub struct Backpressure;

impl Backpressure {
    /// The state that a recent drop rate (0 to 1) means. No verdict before [`VERDICT_AFTER_FRAMES`].
    pub fn state(frames: u64, recent_drop_rate: f64, thresholds: &Thresholds) -> BackpressureState {
        if frames < VERDICT_AFTER_FRAMES || recent_drop_rate <= thresholds.drop_threshold {
            BackpressureState::Normal
        } else if recent_drop_rate <= thresholds.slowdown_threshold {
            BackpressureState::Warning
        } else {
            BackpressureState::Critical
        }
    }

    /// Whether the oldest waiting frame gives way now. Never the newest: a frame that is alone has none behind it.
    /// `processing_time_ms` is the session's smoothed time from "could run" to "has a result"; 0 when not known yet.
    pub fn should_drop(
        state: BackpressureState,
        queue: Queue,
        processing_time_ms: f64,
        thresholds: &Thresholds,
    ) -> bool {
        if queue.waiting <= 1 {
            return false;
        }
        if state != BackpressureState::Normal || queue.waiting > thresholds.max_waiting_frames {
            return true;
        }
        let ahead_of_newest = queue.waiting - 1 + usize::from(queue.running);
        ahead_of_newest as f64 * processing_time_ms > thresholds.max_lag_ms
    }

    /// Whether the client is told to slow down: in `critical`, at most once in `slow_down_interval_ms`.
    /// `since_last_ms` is the time since the last notice; none before the first.
    pub fn should_slow_down(state: BackpressureState, since_last_ms: Option<u64>, thresholds: &Thresholds) -> bool {
        state == BackpressureState::Critical
            && since_last_ms.is_none_or(|elapsed| elapsed >= thresholds.slow_down_interval_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::BackpressureState::{Critical, Normal, Warning};
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds {
        drop_threshold: 0.10,
        slowdown_threshold: 0.30,
        drop_window_frames: 100,
        max_lag_ms: 100.0,
        max_waiting_frames: 4,
        slow_down_interval_ms: 1000,
    };

    #[test]
    fn state_follows_the_recent_drop_rate() {
        for (frames, rate, expected) in [
            (0, 0.0, Normal),
            (9, 1.0, Normal),
            (10, 1.0, Critical),
            (10, 0.10, Normal),
            (10, 0.11, Warning),
            (10, 0.30, Warning),
            (1_000_000, 0.31, Critical),
        ] {
            assert_eq!(Backpressure::state(frames, rate, &THRESHOLDS), expected, "{frames} frames, rate {rate}");
        }
    }

    #[test]
    fn the_oldest_gives_way_by_state_lag_and_count() {
        for (state, waiting, running, time_ms, expected, why) in [
            (Critical, 1, true, 1e9, false, "the newest never gives way"),
            (Normal, 0, true, 1e9, false, "nothing waits"),
            (Warning, 2, false, 0.0, true, "only the newest waits in warning"),
            (Critical, 2, true, 0.0, true, "only the newest waits in critical"),
            (Normal, 2, true, 50.0, false, "2 ahead × 50 ms is within the lag"),
            (Normal, 2, true, 50.1, true, "2 ahead × 50.1 ms is too late"),
            (Normal, 2, false, 100.0, false, "1 ahead × 100 ms is within the lag"),
            (Normal, 4, true, 0.0, false, "as many as may wait"),
            (Normal, 5, true, 0.0, true, "one more than may wait"),
        ] {
            let queue = Queue { waiting, running };
            assert_eq!(Backpressure::should_drop(state, queue, time_ms, &THRESHOLDS), expected, "{why}");
        }
    }

    #[test]
    fn slow_down_is_for_critical_and_not_too_often() {
        for (state, since_last_ms, expected) in [
            (Normal, None, false),
            (Warning, None, false),
            (Critical, None, true),
            (Critical, Some(999), false),
            (Critical, Some(1000), true),
        ] {
            assert_eq!(Backpressure::should_slow_down(state, since_last_ms, &THRESHOLDS), expected);
        }
    }
}
