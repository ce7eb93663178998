//! Times and rates, as they are recorded and reported.

use std::time::Duration;

use serde::Serialize;

/// Quantiles of a time, in microseconds, to three significant digits; all 0 when `count` is 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Times {
    /// How many were recorded.
    pub count: u64,
    /// Median.
    pub p50_us: u64,
    /// 90 % are at most this.
    pub p90_us: u64,
    /// 99 % are at most this.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// One window: what came in it, whenever its frames were due.
#[derive(Debug, Clone, Serialize)]
pub struct Window {
    /// Start, in seconds of the measured time.
    pub from_s: f64,
    /// End, in seconds of the measured time.
    pub to_s: f64,
    /// Results that came.
    pub results: u64,
    /// The same, a second.
    pub results_per_s: f64,
    /// `dropped` replies that came.
    pub dropped: u64,
    /// Age of these results when they came.
    pub age: Times,
}

/// A rate; 0 when no time passed.
pub(super) fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}
