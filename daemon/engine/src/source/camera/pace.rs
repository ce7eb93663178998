//! How often a camera is read. A camera cannot be told to slow down, so in `critical` it is read at the rate at which its
//! session is served, and more often again, step by step, once nothing is dropped. Pure.

use std::time::{Duration, Instant};

use crate::session::backpressure::BackpressureState;

/// Share of the served rate that a slowed camera is read at: just under it, so that the drops end.
const BELOW_SERVED: f64 = 0.9;
/// A slowed camera is read at least this often, in frames a second.
const LEAST_FPS: f64 = 0.5;
/// Shortest time between two steps down: the step before must show first.
const STEP_DOWN: Duration = Duration::from_secs(1);
/// Time without a drop before a step up, and between two of them.
const STEP_UP: Duration = Duration::from_secs(2);
/// Size of a step up.
const FASTER: f64 = 1.15;

/// What a decision is made from.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The session's state.
    pub state: BackpressureState,
    /// Its smoothed processing time, in milliseconds; none before the first result.
    pub processing_time_ms: Option<f64>,
    /// Frames that it dropped so far.
    pub dropped: u64,
    /// Frames a second that the camera delivers.
    pub camera_fps: f64,
}

/// The rate at which a camera's frames are offered.
#[derive(Debug, Default)]
pub struct Pace {
    /// Frames a second at most; none while every frame is offered.
    limit: Option<f64>,
    next_due: Option<Instant>,
    /// The last step, up or down.
    stepped_at: Option<Instant>,
    /// The last step or drop.
    quiet_since: Option<Instant>,
    /// The session's drops by then.
    dropped: u64,
}

impl Pace {
    /// The rate that the camera is slowed to; none while it is not.
    pub fn limit(&self) -> Option<f64> {
        self.limit
    }

    /// Whether a frame that came at `now` is offered.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let Some(limit) = self.limit else { return true };
        if self.next_due.is_some_and(|due| now < due) {
            return false;
        }
        let interval = Duration::from_secs_f64(1.0 / limit);
        // Counting on from the due time keeps the rate exact; after a pause it starts anew.
        let from = self.next_due.filter(|&due| now < due + interval).unwrap_or(now);
        self.next_due = Some(from + interval);
        true
    }

    /// Takes in what an offered frame did to the session; the next frame is judged by it.
    pub fn adapt(&mut self, load: Load, now: Instant) {
        let rested = |since: Option<Instant>, rest| since.is_none_or(|at| now.saturating_duration_since(at) >= rest);
        let drops = load.dropped > self.dropped;
        match (load.state, self.limit) {
            (BackpressureState::Critical, _) if drops && rested(self.stepped_at, STEP_DOWN) => {
                let served = load.processing_time_ms.map_or(f64::INFINITY, |ms| 1000.0 / ms.max(0.001));
                let before = self.limit.unwrap_or(load.camera_fps);
                self.limit = Some((BELOW_SERVED * served.min(before)).max(LEAST_FPS));
                self.stepped_at = Some(now);
            }
            // A drop starts the rest before a step up anew, and no other.
            (_, Some(_)) if drops => {}
            (BackpressureState::Normal, Some(limit)) if rested(self.quiet_since, STEP_UP) => {
                let faster = limit * FASTER;
                self.limit = (faster < load.camera_fps).then_some(faster);
                self.stepped_at = Some(now);
            }
            _ => return,
        }
        (self.quiet_since, self.dropped) = (Some(now), load.dropped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BackpressureState::{Critical, Normal, Warning};

    fn load(state: BackpressureState, dropped: u64) -> Load {
        Load { state, processing_time_ms: Some(100.0), dropped, camera_fps: 30.0 }
    }

    #[test]
    fn slows_to_below_the_served_rate_only_while_frames_are_dropped() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        pace.adapt(load(Warning, 5), at(0.0));
        assert_eq!(pace.limit(), None, "a warning does not slow it");
        pace.adapt(load(Critical, 5), at(0.1));
        assert_eq!(pace.limit(), Some(9.0));
        pace.adapt(load(Critical, 6), at(0.5));
        assert_eq!(pace.limit(), Some(9.0), "the step must show first");
        pace.adapt(load(Critical, 6), at(3.0));
        assert_eq!(pace.limit(), Some(9.0), "critical remembers old drops; there are no new ones");
        pace.adapt(load(Critical, 9), at(5.0));
        assert_eq!(pace.limit(), Some(8.1), "still more than is served");
    }

    #[test]
    fn comes_down_to_the_rate_at_which_it_is_served_however_close_the_drops_are() {
        // A model that takes 100 ms, on an engine that others use too: three frames a second are served.
        let (mut pace, start, every) = (Pace::default(), Instant::now(), Duration::from_millis(1));
        let (mut waits, mut dropped, mut offered_lately) = (false, 0, 0);
        for ms in 0_u32..120_000 {
            let now = start + every * ms;
            waits &= ms % 333 != 0;
            if ms % 33 == 0 && pace.is_due(now) {
                // The newest frame takes the place of the one that waits.
                dropped += u64::from(std::mem::replace(&mut waits, true));
                offered_lately += u32::from(ms >= 110_000);
                pace.adapt(load(Critical, dropped), now);
            }
        }
        assert!(pace.limit().is_some_and(|limit| limit < 3.1), "it is still at {:?}", pace.limit());
        assert!((25..=31).contains(&offered_lately), "{offered_lately} in ten seconds");
    }

    #[test]
    fn a_drop_puts_off_the_next_step_up() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.adapt(load(Critical, 1), start);
        for half_seconds in 1..20 {
            pace.adapt(load(Normal, 1 + half_seconds), start + Duration::from_millis(500) * half_seconds as u32);
        }
        assert_eq!(pace.limit(), Some(9.0), "no two seconds without a drop");
        pace.adapt(load(Normal, 20), start + Duration::from_millis(11_500));
        assert!(pace.limit() > Some(9.0));
    }

    #[test]
    fn never_stops_altogether() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for second in 0..100 {
            let slow = Load { processing_time_ms: Some(60_000.0), ..load(Critical, second + 1) };
            pace.adapt(slow, start + Duration::from_secs(2 * second));
        }
        assert_eq!(pace.limit(), Some(LEAST_FPS));
    }

    #[test]
    fn climbs_back_when_nothing_is_dropped() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.adapt(load(Critical, 1), start);
        let mut seconds = 0;
        while pace.limit().is_some() {
            seconds += 1;
            assert!(seconds < 60, "it is still at {:?}", pace.limit());
            pace.adapt(load(Normal, 1), start + Duration::from_secs(seconds));
        }
        assert!(seconds > 10, "step by step");
    }

    #[test]
    fn offers_at_the_limit() {
        let (mut pace, start) = (Pace { limit: Some(10.0), ..Pace::default() }, Instant::now());
        let offered = (0..300).filter(|frame| pace.is_due(start + Duration::from_millis(frame * 33))).count();
        assert!((98..=100).contains(&offered), "{offered} of 9.9 seconds at 10 a second");
        let mut open = Pace::default();
        assert!((0..10).all(|_| open.is_due(start)));
    }
}
