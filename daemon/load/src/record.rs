//! Times and windows, recorded by all sessions together.
//!
//! A frame belongs to the measurement when it was due inside it; a reply belongs to the window in which it came.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::LoadError;
use super::times::{Times, Window, per_second};

/// Longest time told apart, in microseconds: one hour. Longer ones count as this.
const LONGEST_US: u64 = 3_600_000_000;

/// What all sessions record into.
#[derive(Debug)]
pub(super) struct Recorder {
    measure_from: Instant,
    end: Instant,
    every: Option<Duration>,
    reply: Micros,
    lateness: Micros,
    /// Results that came inside the measurement, whenever their frames were due.
    results_in_time: u64,
    current: Current,
    windows: Vec<Window>,
}

/// A histogram of microseconds, three significant digits.
#[derive(Debug)]
struct Micros(Histogram<u64>);

/// The window that is being filled.
#[derive(Debug)]
struct Current {
    index: u32,
    dropped: u64,
    age: Micros,
}

impl Recorder {
    /// Records from one instant to another, in windows of `every`.
    ///
    /// # Errors
    /// The histograms cannot be made.
    pub fn new(measure_from: Instant, end: Instant, every: Option<Duration>) -> Result<Self, LoadError> {
        Ok(Self {
            measure_from,
            end,
            every,
            reply: Micros::new()?,
            lateness: Micros::new()?,
            results_in_time: 0,
            current: Current { index: 0, dropped: 0, age: Micros::new()? },
            windows: Vec::new(),
        })
    }

    /// Whether a moment is inside the measurement.
    pub fn measures(&self, at: Instant) -> bool {
        at >= self.measure_from && at < self.end
    }

    /// A frame due at `due` began to be sent at `now`.
    pub fn sent(&mut self, due: Instant, now: Instant) {
        if self.measures(due) {
            self.lateness.record(now.saturating_duration_since(due));
        }
    }

    /// The result of a frame due at `due` came at `now`.
    pub fn result(&mut self, due: Instant, now: Instant) {
        let age = now.saturating_duration_since(due);
        if self.measures(due) {
            self.reply.record(age);
        }
        if self.measures(now) {
            self.results_in_time += 1;
            self.turn_to(now);
            self.current.age.record(age);
        }
    }

    /// A frame was reported dropped at `now`.
    pub fn dropped(&mut self, now: Instant) {
        if self.measures(now) {
            self.turn_to(now);
            self.current.dropped += 1;
        }
    }

    /// What was recorded; the last window ends with the measurement (`measured` long).
    pub fn finish(&mut self, measured: Duration) -> Recorded {
        if let Some(every) = self.every {
            let last = measured.as_nanos().saturating_sub(1) / every.as_nanos().max(1);
            self.close_windows(u32::try_from(last).unwrap_or(u32::MAX).saturating_add(1), measured);
        }
        Recorded {
            reply: self.reply.times(),
            lateness: self.lateness.times(),
            results_in_time: self.results_in_time,
            windows: std::mem::take(&mut self.windows),
        }
    }

    /// Closes the windows before the one that `now` is in.
    fn turn_to(&mut self, now: Instant) {
        if let Some(every) = self.every {
            let index = now.duration_since(self.measure_from).as_nanos() / every.as_nanos().max(1);
            self.close_windows(u32::try_from(index).unwrap_or(u32::MAX), Duration::MAX);
        }
    }

    /// Closes the windows before number `index`; none ends after `limit`.
    fn close_windows(&mut self, index: u32, limit: Duration) {
        let every = self.every.unwrap_or_default();
        // Two threads may come a moment out of order; the later window takes the earlier's straggler.
        while self.current.index < index {
            let from = every.saturating_mul(self.current.index);
            let to = from.saturating_add(every).min(limit);
            let age = self.current.age.times();
            self.windows.push(Window {
                from_s: from.as_secs_f64(),
                to_s: to.as_secs_f64(),
                results: age.count,
                results_per_s: per_second(age.count, to.saturating_sub(from)),
                dropped: self.current.dropped,
                age,
            });
            self.current.age.0.reset();
            self.current.dropped = 0;
            self.current.index += 1;
        }
    }
}

/// A recorder's outcome.
#[derive(Debug)]
pub(super) struct Recorded {
    /// Reply times of the results of measured frames.
    pub reply: Times,
    /// How late measured frames began to be sent.
    pub lateness: Times,
    /// Results that came inside the measurement.
    pub results_in_time: u64,
    /// The windows, in time order.
    pub windows: Vec<Window>,
}

impl Micros {
    fn new() -> Result<Self, LoadError> {
        Histogram::new_with_bounds(1, LONGEST_US, 3)
            .map(Self)
            .map_err(|e| LoadError::Internal(format!("a histogram could not be made ({e})")))
    }

    fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    fn times(&self) -> Times {
        let at = |quantile| if self.0.is_empty() { 0 } else { self.0.value_at_quantile(quantile) };
        Times { count: self.0.len(), p50_us: at(0.50), p90_us: at(0.90), p99_us: at(0.99), max_us: at(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_warm_up_is_left_out_and_replies_after_the_end_count_for_time_only() {
        let from = Instant::now() + SECOND;
        let end = from + 2 * SECOND;
        let mut recorder = Recorder::new(from, end, None).unwrap();
        recorder.result(from - 10 * MS, from - 5 * MS); // warm-up
        recorder.result(from - 10 * MS, from + 10 * MS); // due before, came inside
        recorder.result(from, from + 30 * MS);
        recorder.result(end - MS, end + 99 * MS); // due inside, came after
        let recorded = recorder.finish(2 * SECOND);
        assert_eq!((recorded.reply.count, recorded.results_in_time), (2, 2));
        assert!(recorded.reply.max_us.abs_diff(100_000) <= 100, "{:?}", recorded.reply);
    }

    #[test]
    fn windows_follow_the_clock_and_empty_ones_stand() {
        let from = Instant::now();
        let mut recorder = Recorder::new(from, from + 25 * SECOND / 10, Some(SECOND / 2)).unwrap();
        recorder.result(from, from + 100 * MS);
        recorder.result(from, from + 200 * MS);
        recorder.dropped(from + 1600 * MS);
        recorder.result(from + 2000 * MS, from + 2100 * MS);
        let windows = recorder.finish(23 * SECOND / 10).windows;
        let counts: Vec<_> = windows.iter().map(|w| (w.results, w.dropped)).collect();
        assert_eq!(counts, [(2, 0), (0, 0), (0, 0), (0, 1), (1, 0)]);
        assert_eq!(windows[0].results_per_s, 4.0);
        assert!((windows[4].to_s - 2.3).abs() < 1e-9);
        assert!(windows[0].age.p99_us.abs_diff(200_000) <= 200);
    }
}
