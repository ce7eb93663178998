//! Tracks through small scenes, and what holds for any.

use proptest::prelude::*;

use super::*;

const THRESHOLDS: Thresholds =
    Thresholds { high: 0.5, low: 0.1, new_track: 0.6, matching: 0.8, max_lost_frames: 30, per_class: false };

/// An object of 40 x 80 pixels around a point.
fn object(x: f32, y: f32, score: f32) -> Detection {
    let bounds = Bounds { x1: x - 20.0, y1: y - 40.0, x2: x + 20.0, y2: y + 40.0 };
    Detection { bounds, score, label: "person".into(), ..Detection::default() }
}

fn update(tracker: &mut Tracker, frame_index: u64, detections: &[Detection]) -> Vec<Option<u64>> {
    tracker.update(frame_index, detections, &THRESHOLDS)
}

/// A tracker that has followed one object at rest, with id 1, up to this frame.
fn follows_one(until: u64) -> Tracker {
    let mut tracker = Tracker::default();
    for frame in 1..=until {
        assert_eq!(update(&mut tracker, frame, &[object(100.0, 100.0, 0.9)]), [Some(1)]);
    }
    tracker
}

#[test]
fn objects_that_cross_keep_their_ids() {
    let mut tracker = Tracker::default();
    for frame in 0..=50_u8 {
        let way = 6.0 * f32::from(frame);
        // They pass each other at frame 25, ten pixels apart; the order of the list changes from frame to frame.
        let (a, b) = (object(100.0 + way, 200.0, 0.9), object(400.0 - way, 210.0, 0.9));
        let ids = if frame % 2 == 0 {
            update(&mut tracker, frame.into(), &[a, b])
        } else {
            let ids = update(&mut tracker, frame.into(), &[b, a]);
            vec![ids[1], ids[0]]
        };
        assert_eq!(ids, [Some(1), Some(2)], "frame {frame}");
    }
}

#[test]
fn a_lost_object_comes_back_with_its_id_and_too_late_with_another() {
    let lost = THRESHOLDS.max_lost_frames;
    for (unseen, same) in [(1, true), (lost, true), (lost + 1, false)] {
        let mut tracker = follows_one(10);
        (1..=unseen).for_each(|step| assert!(update(&mut tracker, 10 + step, &[]).is_empty()));
        let back =
            |tracker: &mut Tracker, later: u64| update(tracker, 10 + unseen + later, &[object(101.0, 100.0, 0.9)])[0];
        if same {
            assert_eq!(back(&mut tracker, 1), Some(1), "{unseen} frames");
        } else {
            assert_eq!((back(&mut tracker, 1), back(&mut tracker, 2)), (None, Some(2)), "{unseen} frames");
        }
    }
}

#[test]
fn frames_that_did_not_run_are_time_that_passed() {
    let moving = |frame: u64| [object(50.0 + 8.0 * frame as f32, 100.0, 0.9)];
    let mut tracker = Tracker::default();
    (1..=20).for_each(|frame| assert_eq!(update(&mut tracker, frame, &moving(frame)), [Some(1)]));
    // It is 160 pixels from where it was last seen: four times its width.
    assert_eq!(update(&mut tracker, 40, &moving(40)), [Some(1)]);
    assert_eq!(update(&mut tracker, 71, &moving(71)), [Some(1)], "30 frames were left out");
    assert_eq!(update(&mut tracker, 72, &[]), []);
    assert_eq!(update(&mut tracker, 103, &moving(103)), [None], "it was lost, and 31 frames went by since it was seen");
}

#[test]
fn what_was_seen_on_the_last_frame_is_not_lost_however_many_were_left_out() {
    let every = THRESHOLDS.max_lost_frames + 10;
    let mut tracker = Tracker::default();
    for run in 0..20 {
        let slow = object(50.0 + 2.0 * run as f32, 100.0, 0.9);
        assert_eq!(update(&mut tracker, 1 + every * run, &[slow]), [Some(1)], "run {run}");
    }
    // A new one needs a second frame here, too.
    let (known, new) = (object(88.0, 100.0, 0.9), object(400.0, 100.0, 0.9));
    assert_eq!(update(&mut tracker, 1 + every * 20, &[known.clone(), new.clone()]), [Some(1), None]);
    assert_eq!(update(&mut tracker, 1 + every * 21, &[known.clone(), new]), [Some(1), Some(2)]);
    // Out of sight it is forgotten as ever.
    assert_eq!(update(&mut tracker, 1 + every * 22, &[]), []);
    assert_eq!(update(&mut tracker, 1 + every * 23, &[known]), [None]);
}

#[test]
fn a_low_score_goes_on_with_a_track_and_begins_none() {
    let mut tracker = follows_one(5);
    for frame in 6..60 {
        let ids = update(&mut tracker, frame, &[object(400.0, 100.0, 0.3), object(100.0, 100.0, 0.2)]);
        assert_eq!(ids, [None, Some(1)], "frame {frame}");
    }
    assert_eq!(update(&mut tracker, 60, &[object(100.0, 100.0, 0.05)]), [None], "below the low threshold");
    assert_eq!(update(&mut tracker, 61, &[object(100.0, 100.0, 0.2)]), [None], "a lost one needs a high score");
    assert_eq!(update(&mut tracker, 62, &[object(100.0, 100.0, 0.7)]), [Some(1)]);
    assert_eq!(update(&mut tracker, 63, &[object(400.0, 100.0, 0.55)]), [None], "high, but too low to begin a track");
    assert_eq!(update(&mut tracker, 64, &[object(400.0, 100.0, 0.55)]), [None]);
}

#[test]
fn an_object_is_followed_from_its_second_frame() {
    let mut tracker = follows_one(3);
    let (known, new) = (object(100.0, 100.0, 0.9), object(300.0, 100.0, 0.9));
    assert_eq!(update(&mut tracker, 4, &[new.clone(), known.clone()]), [None, Some(1)]);
    assert_eq!(update(&mut tracker, 5, std::slice::from_ref(&known)), [Some(1)], "a flicker");
    assert_eq!(update(&mut tracker, 6, &[new.clone(), known.clone()]), [None, Some(1)]);
    assert_eq!(update(&mut tracker, 7, &[new, known]), [Some(2), Some(1)]);
}

#[test]
fn a_class_that_flickers_keeps_its_id_unless_classes_are_apart() {
    let class = |class_id| [Detection { class_id, ..object(100.0, 100.0, 0.9) }];
    for (per_class, expected) in [(false, Some(1)), (true, None)] {
        let thresholds = Thresholds { per_class, ..THRESHOLDS };
        let mut tracker = Tracker::default();
        assert_eq!(tracker.update(1, &class(2), &thresholds), [Some(1)]);
        assert_eq!(tracker.update(2, &class(7), &thresholds), [expected], "{per_class}");
    }
}

#[test]
fn what_has_no_place_has_no_track() {
    let mut tracker = Tracker::default();
    let flat = Detection { bounds: Bounds { x1: 3.0, y1: 3.0, x2: 9.0, y2: 3.0 }, score: 0.9, ..Detection::default() };
    let odd = Detection { bounds: Bounds { x1: f32::NAN, ..flat.bounds }, ..flat.clone() };
    let unsure = object(100.0, 100.0, f32::NAN);
    for frame in 1..4 {
        assert_eq!(update(&mut tracker, frame, &[flat.clone(), odd.clone(), unsure.clone()]), [None; 3]);
    }
    assert!(tracker.tracks.is_empty());
}

#[test]
fn memory_is_bounded_when_everything_is_lost_at_once() {
    let patient = Thresholds { max_lost_frames: 9000, ..THRESHOLDS };
    let mut tracker = Tracker::default();
    for round in 0..12_u16 {
        let crowd: Vec<Detection> =
            (0..150_u16).map(|at| object(100.0 * f32::from(at), 200.0 * f32::from(round), 0.9)).collect();
        let frame = 2 * u64::from(round) + 1;
        tracker.update(frame, &crowd, &patient);
        let ids = tracker.update(frame + 1, &crowd, &patient);
        assert!(ids.iter().all(Option::is_some), "round {round}");
    }
    assert_eq!(tracker.tracks.len(), MAX_TRACKS);
}

proptest! {
    #[test]
    fn ids_are_unique_in_a_frame_and_never_given_twice(
        frames in proptest::collection::vec(
            (1_u64..5, proptest::collection::vec((0_f32..300.0, 0_f32..300.0, 0_f32..1.0), 0..12)),
            1..25,
        )
    ) {
        let (mut tracker, mut frame_index, mut largest) = (Tracker::default(), 0, 0);
        let mut gone: Vec<u64> = Vec::new();
        let mut last_given: std::collections::HashMap<u64, u64> = std::collections::HashMap::new();
        for (step, objects) in frames {
            frame_index += step;
            let detections: Vec<Detection> = objects.into_iter().map(|(x, y, score)| object(x, y, score)).collect();
            let ids = update(&mut tracker, frame_index, &detections);
            prop_assert_eq!(ids.len(), detections.len());
            let mut given: Vec<u64> = ids.iter().copied().flatten().collect();
            let count = given.len();
            given.sort_unstable();
            given.dedup();
            prop_assert_eq!(given.len(), count, "an id stands twice in frame {}", frame_index);
            for id in given {
                prop_assert!(!gone.contains(&id), "{} was forgotten", id);
                prop_assert!(last_given.contains_key(&id) || id > largest, "{} is neither known nor new", id);
                largest = largest.max(id);
                last_given.insert(id, frame_index);
            }
            let late = |seen: u64| frame_index - seen > THRESHOLDS.max_lost_frames;
            gone.extend(last_given.iter().filter(|(_, seen)| late(**seen)).map(|(id, _)| *id));
        }
    }
}
