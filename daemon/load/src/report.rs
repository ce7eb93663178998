//! The outcome of a run, in numbers.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use serde::Serialize;

use super::tally::{Common, Tally};
use super::times::per_second;
pub use super::times::{Times, Window};
use super::{LoadPlan, Pace};

/// What a run measured. Frames count by when they were due: those of the warm-up are in no count of frames, and
/// `frames_sent = results + dropped + unanswered`. Rates count what came inside the measured time.
#[derive(Debug, Clone, Serialize)]
pub struct LoadReport {
    /// Where the frames went.
    pub url: String,
    /// Number of sessions.
    pub sessions: usize,
    /// Frames a second of each session; `None` in a closed loop.
    pub fps: Option<f64>,
    /// Seconds measured: the plan's duration, or less when every session ended early.
    pub measured_s: f64,
    /// Frames whose sending began.
    pub frames_sent: u64,
    /// Open loop: frames that were due but never begun, because TCP was blocked or the session had ended.
    pub frames_unsent: u64,
    /// Open loop: frames begun late because the socket was still full of earlier ones.
    pub frames_blocked: u64,
    /// Frames answered with a result.
    pub results: u64,
    /// Frames answered with `dropped`.
    pub dropped: u64,
    /// Frames without a reply when the session ended or the wait was over.
    pub unanswered: u64,
    /// `slow_down` notices.
    pub slow_downs: u64,
    /// Replies out of order, messages unknown, broken framing; of the whole run.
    pub protocol_errors: u64,
    /// The first of them, in words.
    pub first_protocol_error: Option<String>,
    /// Sessions that ended early, by error code of the protocol; besides those, `closed` is a close without an error
    /// message and `connection_lost` an end without a close. Of the whole run.
    pub errors: BTreeMap<String, SessionErrors>,
    /// Sessions by the daemon's close code (1005 for a close frame without one). Of the whole run.
    pub close_codes: BTreeMap<u16, u64>,
    /// Sessions that ended without the daemon's close frame. Of the whole run.
    pub unclean_closes: u64,
    /// Results a second that came inside the measured time, all sessions together.
    pub results_per_s: f64,
    /// JPEG bytes sent a second, all sessions together.
    pub bytes_per_s: f64,
    /// Reply times of results: from when the frame was due (open loop) or begun (closed loop).
    pub reply: Times,
    /// How late frames began to be sent.
    pub lateness: Times,
    /// Results of each session.
    pub results_per_session: Vec<u64>,
    /// Jain's index of the results per session: 1.0 when all got the same.
    pub fairness: f64,
    /// The measured time in windows, when the plan asked for them.
    pub windows: Vec<Window>,
}

/// Sessions that ended with one code.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionErrors {
    /// How many sessions.
    pub sessions: u64,
    /// The detail of the first.
    pub detail: String,
}

/// Jain's fairness index, `(Σx)² / (n · Σx²)`: 1.0 when all are equal, `1/n` when one has everything. 1.0 for no values
/// or only zeros.
pub fn jain(values: &[f64]) -> f64 {
    let sum: f64 = values.iter().sum();
    let squares: f64 = values.iter().map(|x| x * x).sum();
    if squares > 0.0 { sum * sum / (values.len() as f64 * squares) } else { 1.0 }
}

/// Adds up what the sessions counted.
pub(super) fn build(plan: &LoadPlan, common: &Common, tallies: &[Tally]) -> LoadReport {
    let end = common.clock.end;
    let last = tallies.iter().map(|tally| tally.stopped.unwrap_or(end).min(end)).max().unwrap_or(end);
    let measured = last.saturating_duration_since(common.clock.measure_from);
    let recorded = common.recorder.lock().unwrap_or_else(PoisonError::into_inner).finish(measured);
    let sum = |count: fn(&Tally) -> u64| tallies.iter().map(count).sum::<u64>();

    let mut errors: BTreeMap<String, SessionErrors> = BTreeMap::new();
    let mut close_codes = BTreeMap::new();
    for tally in tallies {
        if let Some((code, detail)) = &tally.error {
            let entry = errors.entry(code.clone());
            entry.or_insert_with(|| SessionErrors { sessions: 0, detail: detail.clone() }).sessions += 1;
        }
        if let Some(code) = tally.close_code {
            *close_codes.entry(code).or_insert(0) += 1;
        }
    }
    let results_per_session: Vec<u64> = tallies.iter().map(|tally| tally.results).collect();
    LoadReport {
        url: plan.url.clone(),
        sessions: plan.sessions,
        fps: match plan.pace {
            Pace::ClosedLoop => None,
            Pace::Fps(fps) => Some(fps),
        },
        measured_s: measured.as_secs_f64(),
        frames_sent: sum(|tally| tally.sent),
        frames_unsent: sum(|tally| tally.unsent),
        frames_blocked: sum(|tally| tally.blocked),
        results: sum(|tally| tally.results),
        dropped: sum(|tally| tally.dropped),
        unanswered: sum(|tally| tally.unanswered),
        slow_downs: sum(|tally| tally.slow_downs),
        protocol_errors: sum(|tally| tally.protocol_errors),
        first_protocol_error: tallies.iter().find_map(|tally| tally.first_protocol_error.clone()),
        errors,
        close_codes,
        unclean_closes: tallies.iter().filter(|tally| tally.close_code.is_none()).count() as u64,
        results_per_s: per_second(recorded.results_in_time, measured),
        bytes_per_s: per_second(sum(|tally| tally.bytes), measured),
        reply: recorded.reply,
        lateness: recorded.lateness,
        fairness: jain(&results_per_session.iter().map(|n| *n as f64).collect::<Vec<_>>()),
        results_per_session,
        windows: recorded.windows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jains_index_is_one_when_all_are_equal() {
        assert_eq!(jain(&[5.0, 5.0, 5.0]), 1.0);
        assert_eq!(jain(&[1.0, 0.0, 0.0, 0.0]), 0.25);
        assert_eq!((jain(&[]), jain(&[0.0, 0.0])), (1.0, 1.0));
        assert!((jain(&[1.0, 2.0]) - 0.9).abs() < 1e-12);
    }
}
