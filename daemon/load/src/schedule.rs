//! When each frame of an open loop is due, and the thread that says so.
//!
//! tokio's timer counts in milliseconds, which would add up to one to every reply time measured from its deadline. A
//! thread that parks until the next deadline is exact to about 0.1 ms and costs one wake a frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, park_timeout};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::LoadError;

/// Absolute deadlines: frame `k` of session `i` is due at `(k + i / sessions) / fps` seconds after the start, so the
/// sessions are spread over one period and no rounding adds up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Schedule {
    /// Frames a second of each session, 0.001 to 100,000.
    pub fps: f64,
    /// Number of sessions, at least 1.
    pub sessions: usize,
}

impl Schedule {
    /// When a session's frame is due (both count from 0), after the start.
    pub fn due(&self, session: usize, frame: u64) -> Duration {
        let seconds = (frame as f64 + session as f64 / self.sessions as f64) / self.fps;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// How many frames of a session are due before `total` has passed.
    pub fn count(&self, session: usize, total: Duration) -> u64 {
        let offset = session as f64 / self.sessions as f64;
        let mut count = (total.as_secs_f64() * self.fps - offset).ceil().max(0.0) as u64;
        while count > 0 && self.due(session, count - 1) >= total {
            count -= 1;
        }
        while self.due(session, count) < total {
            count += 1;
        }
        count
    }

    /// Deadline number `tick` over all sessions, in time order: whose it is, and when.
    pub fn tick(&self, tick: u64) -> (usize, Duration) {
        let sessions = self.sessions as u64;
        let session = (tick % sessions) as usize;
        (session, self.due(session, tick / sessions))
    }
}

/// One notification a session; held by the metronome and the sessions.
pub(super) type Beats = Arc<[Notify]>;

/// The pacing thread. Dropping it stops the thread.
#[derive(Debug)]
pub(super) struct Metronome {
    beats: Beats,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Metronome {
    /// Notifies each session at each of its deadlines, until `total` has passed since `start`.
    pub fn start(schedule: Schedule, start: Instant, total: Duration) -> Result<Self, LoadError> {
        let beats: Beats = (0..schedule.sessions).map(|_| Notify::new()).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let (to_notify, stopped) = (Arc::clone(&beats), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("load-pace".to_owned())
            .spawn(move || {
                for tick in 0.. {
                    let (session, due) = schedule.tick(tick);
                    if due >= total || !park_until(start + due, &stopped) {
                        return;
                    }
                    if let Some(beat) = to_notify.get(session) {
                        beat.notify_one();
                    }
                }
            })
            .map_err(|e| LoadError::Internal(format!("the pacing thread could not be started ({e})")))?;
        Ok(Self { beats, stop, thread: Some(thread) })
    }

    /// The sessions' notifications, by session index.
    pub fn beats(&self) -> Beats {
        Arc::clone(&self.beats)
    }
}

impl Drop for Metronome {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It only parks and notifies, so it ends at once and cannot have panicked.
            let _ = thread.join();
        }
    }
}

/// Waits until `due`; false when told to stop.
fn park_until(due: Instant, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Acquire) {
            return false;
        }
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_spread_over_one_period() {
        let schedule = Schedule { fps: 10.0, sessions: 4 };
        let ms = |session, frame| schedule.due(session, frame).as_micros() as f64 / 1000.0;
        assert_eq!([ms(0, 0), ms(1, 0), ms(2, 0), ms(3, 0), ms(0, 1)], [0.0, 25.0, 50.0, 75.0, 100.0]);
        let ticks: Vec<_> = (0..6).map(|tick| schedule.tick(tick)).collect();
        assert!(ticks.is_sorted_by_key(|(_, due)| *due));
        assert_eq!(ticks.iter().map(|(session, _)| *session).collect::<Vec<_>>(), [0, 1, 2, 3, 0, 1]);
    }

    #[test]
    fn deadlines_do_not_drift() {
        let schedule = Schedule { fps: 29.97, sessions: 1 };
        let hour = schedule.due(0, 107_892);
        assert!(hour.abs_diff(Duration::from_secs(3600)) < Duration::from_micros(1), "{hour:?}");
    }

    #[test]
    fn exactly_the_frames_due_before_the_end_count() {
        let second = Duration::from_secs(1);
        for (fps, sessions, session, expected) in
            [(10.0, 1, 0, 10), (10.0, 4, 3, 10), (0.5, 1, 0, 1), (0.5, 2, 1, 0), (3.0, 1, 0, 3), (0.001, 1, 0, 1)]
        {
            let schedule = Schedule { fps, sessions };
            let count = schedule.count(session, second);
            assert_eq!(count, expected, "{schedule:?} session {session}");
            assert!(count == 0 || schedule.due(session, count - 1) < second);
            assert!(schedule.due(session, count) >= second);
        }
    }

    #[tokio::test]
    async fn the_metronome_beats_for_every_session_and_stops() {
        let schedule = Schedule { fps: 1000.0, sessions: 3 };
        let metronome = Metronome::start(schedule, Instant::now(), Duration::from_secs(3600)).unwrap();
        for session in [0, 1, 2, 2, 1, 0] {
            metronome.beats()[session].notified().await;
        }
    }
}
