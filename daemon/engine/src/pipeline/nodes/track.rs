//! `track`: gives every detection the id of the object that it shows, the same from frame to frame of a session.

use serde::Deserialize;

use super::{Node, NodeFrame, NodeSetup, NodeState, Payload};
use crate::pipeline::image::{ImageNeed, Scaler};
use crate::pipeline::tracking::{Thresholds, Tracker};

/// The key of a detection under which the id of its track stands.
const TRACK_ID: &str = "track_id";
/// Largest `max_lost_frames`: five minutes at 30 frames a second.
const MAX_LOST_FRAMES: u64 = 9000;

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    max_lost_frames: u64,
    high_threshold: f32,
    low_threshold: f32,
    new_track_threshold: f32,
    match_threshold: f32,
    per_class: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_lost_frames: 30,
            high_threshold: 0.5,
            low_threshold: 0.1,
            new_track_threshold: 0.6,
            match_threshold: 0.8,
            per_class: false,
        }
    }
}

#[derive(Debug)]
struct Track(Thresholds);

pub(super) fn build(setup: &NodeSetup<'_>) -> Result<Box<dyn Node>, String> {
    let settings: Settings = setup.settings()?;
    setup.needs_inputs()?;
    Ok(Box::new(Track(settings.thresholds()?)))
}

impl Settings {
    fn thresholds(&self) -> Result<Thresholds, String> {
        for (name, value) in [
            ("high_threshold", self.high_threshold),
            ("low_threshold", self.low_threshold),
            ("new_track_threshold", self.new_track_threshold),
            ("match_threshold", self.match_threshold),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("{name} = {value}: a threshold is 0 to 1"));
            }
        }
        if !(self.low_threshold <= self.high_threshold && self.high_threshold <= self.new_track_threshold) {
            return Err(format!(
                "low_threshold = {}, high_threshold = {}, new_track_threshold = {}: each is at least the one before",
                self.low_threshold, self.high_threshold, self.new_track_threshold
            ));
        }
        if self.max_lost_frames > MAX_LOST_FRAMES {
            return Err(format!("max_lost_frames = {}: at most {MAX_LOST_FRAMES}", self.max_lost_frames));
        }
        Ok(Thresholds {
            high: self.high_threshold,
            low: self.low_threshold,
            new_track: self.new_track_threshold,
            matching: self.match_threshold,
            max_lost_frames: self.max_lost_frames,
            per_class: self.per_class,
        })
    }
}

impl Node for Track {
    fn needs(&self) -> ImageNeed {
        ImageNeed::None
    }

    fn new_state(&self) -> NodeState {
        NodeState::Tracks(Tracker::default())
    }

    fn run(&self, frame: &mut NodeFrame<'_>, _: &mut Scaler) -> Result<Payload, String> {
        // A detector that did not look has not lost anything from sight.
        let Some(detections) = frame.upstream.detections()? else { return Ok(Payload::default()) };
        let NodeState::Tracks(tracker) = &mut *frame.state else {
            return Err("it lost what it kept of the session".to_owned());
        };
        let ids = tracker.update(frame.frame_index, &detections, &self.0);
        let followed = detections.into_iter().zip(ids).filter_map(|(mut detection, id)| {
            detection.more.insert(TRACK_ID.to_owned(), id?.into());
            Some(detection)
        });
        Ok(followed.collect::<Vec<_>>().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::detection::{Bounds, Detection};

    fn settings(text: &str) -> Result<Thresholds, String> {
        toml::from_str::<Settings>(text).map_err(|error| error.message().to_owned())?.thresholds()
    }

    #[test]
    fn settings_are_checked() {
        assert!(settings("").is_ok());
        assert!(settings("high_threshold = 0.3\nnew_track_threshold = 0.3\nlow_threshold = 0.3").is_ok());
        for (text, says) in [
            ("max_lost = 3", "unknown field `max_lost`"),
            ("max_lost_frames = 9001", "at most 9000"),
            ("max_lost_frames = -1", "invalid value"),
            ("match_threshold = 1.2", "match_threshold = 1.2: a threshold is 0 to 1"),
            ("low_threshold = nan", "low_threshold = NaN"),
            ("high_threshold = 0.7", "each is at least the one before"),
            ("low_threshold = 0.55", "each is at least the one before"),
        ] {
            let error = settings(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn gives_ids_and_leaves_out_what_it_does_not_follow() {
        let node = Track(settings("").unwrap());
        let mut state = node.new_state();
        let person = |x1: f32, score: f32| {
            let bounds = Bounds { x1, y1: 0.0, x2: x1 + 40.0, y2: 80.0 };
            Detection { bounds, score, label: "person".to_owned(), ..Detection::default() }
        };
        let mut clear = person(0.001, 0.9);
        clear.more.insert("text".to_owned(), "kept".into());
        let detections = vec![clear.clone(), person(200.0, 0.2)];
        let mut run = |frame_index, upstream| {
            let mut frame = NodeFrame { frame_index, image: None, frame_size: None, upstream, state: &mut state };
            node.run(&mut frame, &mut Scaler::default()).unwrap()
        };
        let upstream = || Payload::from(detections.clone());
        let output = run(1, upstream());
        clear.more.insert(TRACK_ID.to_owned(), 1.into());
        assert_eq!(output, vec![clear].into());
        assert_eq!(run(2, Payload::default()), Payload::default(), "nobody looked");
        assert_eq!(run(3, upstream()), output);
    }
}
