//! The times of one stage of a pipeline: in buckets, which cost little and suit a graph, and, where somebody measures, one by
//! one, for true percentiles.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hdrhistogram::Histogram;

/// Longest time that is told apart, in nanoseconds: an hour.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// One stage. A clone observes into the same times.
#[derive(Clone, Debug)]
pub struct Stage {
    buckets: prometheus::Histogram,
    exact: Option<Arc<Mutex<Histogram<u64>>>>,
}

/// What was observed, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct StageTimes {
    /// Frames.
    pub count: u64,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// 99 of a hundred took no longer.
    pub p99_ms: f64,
    /// None took longer.
    pub max_ms: f64,
}

impl Stage {
    /// A stage that observes into these buckets, and keeps exact times where `exact`.
    pub(super) fn new(buckets: prometheus::Histogram, exact: bool) -> Stage {
        // The bounds are fixed and valid.
        let times = || Histogram::new_with_bounds(1, LONGEST_NS, 3).ok().map(|times| Arc::new(Mutex::new(times)));
        Stage { buckets, exact: if exact { times() } else { None } }
    }

    /// Counts a frame that took so many seconds.
    pub fn observe(&self, seconds: f64) {
        self.buckets.observe(seconds);
        if let Some(mut times) = self.exact() {
            // Never negative, and cut at the longest.
            times.saturating_record((seconds * 1e9) as u64);
        }
    }

    /// Forgets the exact times so far: a warm-up is over.
    pub fn reset(&self) {
        if let Some(mut times) = self.exact() {
            times.reset();
        }
    }

    /// The exact times; none where they are not kept.
    pub fn times(&self) -> Option<StageTimes> {
        let times = self.exact()?;
        let ms = |nanoseconds: u64| nanoseconds as f64 / 1e6;
        Some(StageTimes {
            count: times.len(),
            p50_ms: ms(times.value_at_quantile(0.50)),
            p99_ms: ms(times.value_at_quantile(0.99)),
            max_ms: ms(times.max()),
        })
    }

    fn exact(&self) -> Option<MutexGuard<'_, Histogram<u64>>> {
        self.exact.as_ref().map(|times| times.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_times_and_a_warm_up_is_forgotten() {
        let buckets = || prometheus::Histogram::with_opts(prometheus::HistogramOpts::new("a", "b")).unwrap();
        let stage = Stage::new(buckets(), true);
        stage.observe(9.0);
        stage.reset();
        (1..=100).for_each(|ms| stage.clone().observe(f64::from(ms) / 1e3));
        let times = stage.times().unwrap();
        let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 0.002;
        assert!(times.count == 100 && near(times.p50_ms, 50.0) && near(times.p99_ms, 99.0), "{times:?}");
        assert!(near(times.max_ms, 100.0), "{times:?}");
        let plain = Stage::new(buckets(), false);
        plain.observe(1.0);
        assert_eq!((plain.times(), plain.buckets.get_sample_count()), (None, 1));
    }
}
