//! `track`: gives every detection the id of the object that it shows, the same from frame to frame of a session.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Node, NodeFrame, NodeSetup, NodeState};
use crate::pipeline::detection::{self, DETECTIONS};
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

    fn run(&self, frame: &mut NodeFrame<'_>, _: &mut Scaler) -> Result<Map<String, Value>, String> {
        // A detector that did not look has not lost anything from sight.
        if !frame.upstream.contains_key(DETECTIONS) {
            return Ok(Map::new());
        }
        let NodeState::Tracks(tracker) = &mut *frame.state else {
            return Err("it lost what it kept of the session".to_owned());
        };
        let detections = detection::read(&frame.upstream)?;
        let ids = tracker.update(frame.frame_index, &detections, &self.0);
        let followed = detections.into_iter().zip(ids).filter_map(|(mut detection, id)| {
            detection.more.insert(TRACK_ID.to_owned(), id?.into());
            Some(detection)
        });
        Ok(detection::output(followed.collect()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        let detections = json!([
            {"box": [0.0, 0.0, 40.0, 80.0], "score": 0.9, "label": "person", "class_id": 0, "text": "kept"},
            {"box": [200.0, 0.0, 240.0, 80.0], "score": 0.2, "label": "person", "class_id": 0},
        ]);
        let mut run = |frame_index, upstream| {
            let mut frame = NodeFrame { frame_index, image: None, frame_size: None, upstream, state: &mut state };
            node.run(&mut frame, &mut Scaler::default()).unwrap()
        };
        let upstream = || Map::from_iter([(DETECTIONS.to_owned(), detections.clone())]);
        let output = run(1, upstream());
        let mut followed = detections[0].clone();
        followed[TRACK_ID] = 1.into();
        assert_eq!(Value::from(output.clone()), json!({ DETECTIONS: [followed] }));
        assert_eq!(run(2, Map::new()), Map::new(), "nobody looked");
        assert_eq!(run(3, upstream()), output);
    }
}
