//! `SessionManager`: its fields and rates, and the rule that lets go.

use std::time::{Duration, Instant};

use base::frame::Frame;
use bytes::Bytes;
use engine::session::backpressure::{BackpressureState, Thresholds};
use engine::session::manager::SessionManager;
use uuid::Uuid;

const THRESHOLDS: Thresholds = Thresholds {
    drop_threshold: 0.10,
    slowdown_threshold: 0.30,
    drop_window_frames: 100,
    max_lag_ms: 100.0,
    max_waiting_frames: 4,
    slow_down_interval_ms: 1000,
};

fn manager(thresholds: Thresholds) -> SessionManager {
    SessionManager::new(Uuid::new_v4(), "yard", thresholds)
}

/// Offers a frame and returns what gave way.
fn offer(manager: &mut SessionManager, now: Instant) -> Vec<u64> {
    manager.offer(Frame::jpeg(Bytes::from_static(b"jpeg")), now, now).dropped
}

/// Offers a frame that runs at once, in no time.
fn serve(manager: &mut SessionManager, now: Instant) {
    assert!(offer(manager, now).is_empty());
    while manager.take().is_some() {
        manager.finish(0.1, SessionManager::now_ms());
    }
}

#[test]
fn starts_with_nothing() {
    let id = Uuid::new_v4();
    let manager = SessionManager::new(id, "yard", THRESHOLDS);
    assert_eq!((manager.session_id(), manager.pipeline_id()), (id, "yard"));
    assert_eq!((manager.frame_index(), manager.dropped_frames(), manager.last_processed_ts()), (0, 0, None));
    assert_eq!(manager.backpressure_state(), BackpressureState::Normal);
    assert_eq!((manager.drop_threshold(), manager.slowdown_threshold()), (0.10, 0.30));
    assert_eq!((manager.drop_rate(), manager.recent_drop_rate()), (0.0, 0.0), "no division by no frames");
    assert!(!manager.should_slow_down() && !manager.should_drop_frame(1e9));
    assert_eq!((manager.running(), manager.waiting(), manager.processing_time_ms()), (None, 0, None));
}

#[test]
fn frames_count_from_one_and_rates_are_ratios() {
    let mut manager = manager(THRESHOLDS);
    let now = Instant::now();
    assert!(offer(&mut manager, now).is_empty());
    assert_eq!(manager.take().unwrap().frame_index, 1);
    let dropped: Vec<u64> = (2..=7).flat_map(|_| offer(&mut manager, now)).collect();
    assert_eq!(dropped, [2, 3], "four wait, the oldest gave way");
    assert_eq!((manager.frame_index(), manager.dropped_frames(), manager.waiting()), (7, 2, 4));
    assert_eq!(manager.drop_rate(), 2.0 / 7.0);
    assert_eq!(manager.recent_drop_rate(), 2.0 / 7.0);
    // A refused frame has a number too, and does not wait.
    assert_eq!(manager.increment_frame(), 8);
    assert_eq!(manager.drop_rate(), 2.0 / 8.0);
    assert_eq!(manager.mark_drop(), Some(4));
    assert_eq!((manager.dropped_frames(), manager.drop_rate()), (3, 3.0 / 8.0));
    // What waits when the session is over gave way to nothing.
    assert_eq!((manager.discard_waiting(), manager.waiting(), manager.dropped_frames()), (3, 0, 3));
}

#[test]
fn one_frame_runs_at_a_time_and_its_result_leaves_a_time() {
    let mut manager = manager(THRESHOLDS);
    let before = SessionManager::now_ms();
    let now = Instant::now();
    assert!(manager.offer(Frame::jpeg(Bytes::new()), now, now).became_ready);
    assert!(!manager.offer(Frame::jpeg(Bytes::new()), now, now).became_ready, "it was ready already");
    assert_eq!(manager.take().map(|frame| frame.frame_index), Some(1));
    assert!(manager.running() == Some(1) && manager.take().is_none());
    assert!(manager.finish(20.0, SessionManager::now_ms()), "another waits");
    assert!(manager.last_processed_ts().unwrap() >= before);
    assert_eq!(manager.processing_time_ms(), Some(20.0));
    manager.take();
    assert!(!manager.finish(30.0, SessionManager::now_ms()));
    let smoothed = manager.processing_time_ms().unwrap();
    assert!(20.0 < smoothed && smoothed < 30.0, "{smoothed}");
    manager.increment_frame();
    assert!(manager.offer(Frame::jpeg(Bytes::new()), now, now).became_ready);
    manager.take();
    manager.fail();
    assert_eq!(manager.running(), None);
}

#[test]
fn the_recent_rate_forgets_what_is_older_than_its_window() {
    let mut manager = manager(Thresholds { drop_window_frames: 10, ..THRESHOLDS });
    let now = Instant::now();
    for _ in 0..5 {
        let _ = manager.offer(Frame::jpeg(Bytes::new()), now, now);
    }
    assert_eq!((manager.drop_rate(), manager.recent_drop_rate()), (0.2, 0.2));
    while manager.take().is_some() {
        manager.finish(0.0, 0);
    }
    for _ in 0..5 {
        serve(&mut manager, now);
    }
    assert_eq!(manager.recent_drop_rate(), 0.1);
    serve(&mut manager, now);
    // Frame 1 was the one that gave way, and is the eleventh from the end.
    assert_eq!((manager.dropped_frames(), manager.recent_drop_rate()), (1, 0.0));
}

#[test]
fn a_window_shorter_than_what_waits_counts_every_drop() {
    for window in 1..=4 {
        // No verdict but normal, so that four frames wait throughout.
        let thresholds = Thresholds { drop_window_frames: window, drop_threshold: 1.0, ..THRESHOLDS };
        let mut manager = manager(thresholds);
        let now = Instant::now();
        (1..=4).for_each(|_| assert!(offer(&mut manager, now).is_empty()));
        for frame in 5..=20 {
            assert_eq!(offer(&mut manager, now), [frame - 4]);
            let marked = usize::try_from(frame - 4).unwrap().min(window);
            assert_eq!(manager.recent_drop_rate(), marked as f64 / window as f64, "window {window}, frame {frame}");
        }
        // And it lets go: as many frames later as the window has.
        while manager.take().is_some() {
            manager.finish(0.0, 0);
        }
        for left in (0..window).rev() {
            serve(&mut manager, now);
            assert_eq!(manager.recent_drop_rate(), left as f64 / window as f64);
        }
    }
}

#[test]
fn a_window_of_nothing_is_the_whole_session() {
    let mut manager = manager(Thresholds { drop_window_frames: 0, ..THRESHOLDS });
    let now = Instant::now();
    for _ in 0..6 {
        let _ = manager.offer(Frame::jpeg(Bytes::new()), now, now);
    }
    while manager.take().is_some() {
        manager.finish(0.0, 0);
    }
    for frames in 7..=500 {
        serve(&mut manager, now);
        assert_eq!(manager.recent_drop_rate(), 2.0 / f64::from(frames));
        assert_eq!(manager.recent_drop_rate(), manager.drop_rate());
    }
}

#[test]
fn new_thresholds_judge_the_next_frame() {
    let mut manager = manager(THRESHOLDS);
    let now = Instant::now();
    for _ in 0..4 {
        assert!(offer(&mut manager, now).is_empty());
    }
    manager.set_thresholds(Thresholds {
        max_waiting_frames: 1,
        drop_threshold: 0.5,
        drop_window_frames: 3,
        ..THRESHOLDS
    });
    assert_eq!(manager.drop_threshold(), 0.5);
    assert_eq!(offer(&mut manager, now), [1, 2, 3, 4]);
    // Four gave way, and the new window is three frames.
    assert_eq!(manager.recent_drop_rate(), 1.0);
}

#[test]
fn slow_down_is_repeated_after_its_interval_and_no_sooner() {
    let mut manager = manager(THRESHOLDS);
    let start = Instant::now();
    let _ = manager.offer(Frame::jpeg(Bytes::new()), start, start);
    manager.take();
    let notices: Vec<u64> = (0..40_u64)
        .filter(|frame| {
            let now = start + Duration::from_millis(frame * 100);
            manager.offer(Frame::jpeg(Bytes::new()), now, now).slow_down
        })
        .collect();
    // Critical from the tenth frame of the session on; then every tenth of 100 ms each.
    assert_eq!(notices, [8, 18, 28, 38]);
}

/// A rule about dropping: takes a frame that arrives while the one before still runs, or when nothing runs.
trait Rule {
    fn frame(&mut self, busy: bool);
    fn is_normal(&self) -> bool;
}

/// The contract's rule, with a frame that runs for as long as `busy` is said.
struct Recent(SessionManager);

impl Rule for Recent {
    fn frame(&mut self, busy: bool) {
        if !busy && self.0.running().is_some() {
            self.0.finish(1.0, 0);
        }
        let now = Instant::now();
        let _ = self.0.offer(Frame::jpeg(Bytes::new()), now, now);
        while !busy && self.0.take().is_some() {
            self.0.finish(1.0, 0);
        }
        self.0.take();
    }

    fn is_normal(&self) -> bool {
        self.0.backpressure_state() == BackpressureState::Normal
    }
}

/// The naive rule: drop an arriving frame while the lifetime drop rate is above the threshold.
#[derive(Default)]
struct Lifetime {
    frames: u64,
    dropped: u64,
}

impl Lifetime {
    fn rate(&self) -> f64 {
        self.dropped as f64 / self.frames.max(1) as f64
    }
}

impl Rule for Lifetime {
    fn frame(&mut self, busy: bool) {
        let give_way = busy || (self.frames >= 10 && self.rate() > THRESHOLDS.drop_threshold);
        self.frames += 1;
        self.dropped += u64::from(give_way);
    }

    fn is_normal(&self) -> bool {
        self.frames < 10 || self.rate() <= THRESHOLDS.drop_threshold
    }
}

/// Calm frames after an overload until a rule is back to normal; none when it is not after 100,000.
fn lets_go_after(rule: &mut impl Rule) -> Option<u64> {
    (0..200).for_each(|_| rule.frame(true));
    assert!(!rule.is_normal(), "it was an overload");
    (1..=100_000).find(|_| {
        rule.frame(false);
        rule.is_normal()
    })
}

#[test]
fn the_rule_lets_go_and_the_naive_one_never_does() {
    assert_eq!(lets_go_after(&mut Lifetime::default()), None, "every drop raises the rate that causes drops");
    for window in [10, 50, 100] {
        let thresholds = Thresholds { drop_window_frames: window, ..THRESHOLDS };
        let frames = lets_go_after(&mut Recent(manager(thresholds))).expect("it lets go");
        assert!(frames <= window as u64, "{frames} calm frames, and the window is {window}");
    }
}
