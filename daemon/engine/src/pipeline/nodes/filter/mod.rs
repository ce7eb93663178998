//! `filter`: keeps the detections that one asks for, by class, score, size and place.

mod zone;

use serde::Deserialize;

use self::zone::Zone;
use super::{Node, NodeFrame, NodeSetup, Payload};
use crate::pipeline::detection::{Bounds, Detection};
use crate::pipeline::image::{ImageNeed, Scaler};

/// Most zones of a node.
const MAX_ZONES: usize = 64;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    classes: Option<Vec<Class>>,
    min_score: Option<f32>,
    min_area: Option<f32>,
    max_area: Option<f32>,
    zones: Option<Vec<Vec<[f32; 2]>>>,
    anchor: Option<Anchor>,
}

/// A class, by its number or its name.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Class {
    Id(i64),
    Name(String),
}

/// The point of a box that lies in a zone or does not.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Anchor {
    /// The middle of the lower edge: where something stands.
    #[default]
    Bottom,
    /// The middle of the box.
    Center,
}

/// What is kept; what is not set keeps everything.
#[derive(Debug, Default)]
struct Filter {
    classes: Option<Vec<Class>>,
    min_score: f32,
    /// Smallest and largest part of the frame that a box covers.
    area: Option<(f32, f32)>,
    zones: Option<Vec<Zone>>,
    anchor: Anchor,
}

pub(super) fn build(setup: &NodeSetup<'_>) -> Result<Box<dyn Node>, String> {
    let settings: Settings = setup.settings()?;
    setup.needs_inputs()?;
    Ok(Box::new(Filter::new(settings)?))
}

impl Filter {
    fn new(settings: Settings) -> Result<Filter, String> {
        let Settings { classes, min_score, min_area, max_area, zones, anchor } = settings;
        if classes.is_none() && min_score.is_none() && min_area.is_none() && max_area.is_none() && zones.is_none() {
            return Err(
                "nothing to filter by: set `classes`, `min_score`, `min_area`, `max_area` or `zones`".to_owned()
            );
        }
        if classes.as_ref().is_some_and(Vec::is_empty) {
            return Err("classes = []: name at least one, or leave it out".to_owned());
        }
        for (name, part) in [("min_score", min_score), ("min_area", min_area), ("max_area", max_area)] {
            if let Some(part) = part.filter(|part| !(0.0..=1.0).contains(part)) {
                let of = if name == "min_score" { "a score" } else { "a part of the frame" };
                return Err(format!("{name} = {part}: {of} is 0 to 1"));
            }
        }
        let (least, most) = (min_area.unwrap_or(0.0), max_area.unwrap_or(f32::INFINITY));
        if least > most {
            return Err(format!("min_area = {least} is above max_area = {most}: no detection would be kept"));
        }
        if anchor.is_some() && zones.is_none() {
            return Err("`anchor` has no use without `zones`".to_owned());
        }
        Ok(Filter {
            classes,
            min_score: min_score.unwrap_or(f32::NEG_INFINITY),
            area: (min_area.is_some() || max_area.is_some()).then_some((least, most)),
            zones: zones.map(read_zones).transpose()?,
            anchor: anchor.unwrap_or_default(),
        })
    }

    fn keeps(&self, detection: &Detection, frame_size: (f32, f32)) -> bool {
        let is_class = |class: &Class| match class {
            Class::Id(id) => detection.class_id == *id,
            Class::Name(name) => detection.label == *name,
        };
        let (width, height) = frame_size;
        let is_large =
            |&(least, most): &(f32, f32)| (least..=most).contains(&(detection.bounds.area() / (width * height)));
        let (x, y) = self.anchor.of(&detection.bounds);
        // A box may reach a little out of the frame; where it stands is still in it.
        let (x, y) = ((x / width).clamp(0.0, 1.0), (y / height).clamp(0.0, 1.0));
        self.classes.as_ref().is_none_or(|classes| classes.iter().any(is_class))
            && detection.score >= self.min_score
            && self.area.as_ref().is_none_or(is_large)
            && self.zones.as_ref().is_none_or(|zones| zones.iter().any(|zone| zone.contains(x, y)))
    }
}

impl Anchor {
    fn of(self, bounds: &Bounds) -> (f32, f32) {
        let x = f32::midpoint(bounds.x1, bounds.x2);
        match self {
            Anchor::Bottom => (x, bounds.y2),
            Anchor::Center => (x, f32::midpoint(bounds.y1, bounds.y2)),
        }
    }
}

fn read_zones(zones: Vec<Vec<[f32; 2]>>) -> Result<Vec<Zone>, String> {
    if !(1..=MAX_ZONES).contains(&zones.len()) {
        return Err(format!("{} zones: give 1 to {MAX_ZONES}", zones.len()));
    }
    let read = |(at, corners)| Zone::new(corners).map_err(|why| format!("zone {}: {why}", at + 1));
    zones.into_iter().enumerate().map(read).collect()
}

impl Node for Filter {
    fn needs(&self) -> ImageNeed {
        if self.area.is_some() || self.zones.is_some() { ImageNeed::Size } else { ImageNeed::None }
    }

    fn run(&self, frame: &mut NodeFrame<'_>, _: &mut Scaler) -> Result<Payload, String> {
        let Some(mut detections) = frame.upstream.detections()? else { return Ok(Payload::default()) };
        // Frames are far smaller than the 16 million that f32 counts exactly. Where no size is asked for, none is used.
        let (width, height) = frame.frame_size.unwrap_or((1, 1));
        let frame_size = (width as f32, height as f32);
        detections.retain(|detection| self.keeps(detection, frame_size));
        Ok(detections.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(settings: &str) -> Result<Filter, String> {
        toml::from_str(settings).map_err(|error| error.message().to_owned()).and_then(Filter::new)
    }

    /// In a frame of 640 x 480: 10 % of it, standing at (0.25, 0.75), with its middle at (0.25, 0.5).
    fn person() -> Detection {
        let bounds = Bounds { x1: 96.0, y1: 120.0, x2: 224.0, y2: 360.0 };
        Detection { bounds, score: 0.6, label: "person".into(), class_id: 3, ..Detection::default() }
    }

    fn keeps(settings: &str, detection: &Detection) -> bool {
        filter(settings).unwrap().keeps(detection, (640.0, 480.0))
    }

    #[test]
    fn keeps_what_all_settings_allow() {
        for (settings, kept) in [
            ("classes = [\"person\"]", true),
            ("classes = [\"car\", 3]", true),
            ("classes = [\"car\", \"Person\", 4]", false),
            ("min_score = 0.6", true),
            ("min_score = 0.61", false),
            ("min_area = 0.1", true),
            ("min_area = 0.11", false),
            ("max_area = 0.11", true),
            ("max_area = 0.09", false),
            ("classes = [3]\nmin_score = 0.5\nmin_area = 0.05", true),
            ("classes = [3]\nmin_score = 0.7\nmin_area = 0.05", false),
            ("zones = [[[0, 0.7], [0.5, 0.7], [0.5, 1], [0, 1]]]", true),
            ("zones = [[[0, 0.7], [0.5, 0.7], [0.5, 1], [0, 1]]]\nanchor = \"center\"", false),
            ("zones = [[[0, 0], [0.5, 0], [0.5, 0.6], [0, 0.6]]]\nanchor = \"bottom\"", false),
            ("zones = [[[0, 0], [0.5, 0], [0.5, 0.6], [0, 0.6]]]\nanchor = \"center\"", true),
            ("zones = [[[0.8, 0], [1, 0], [1, 1]], [[0, 0.7], [0.5, 0.7], [0, 1]]]", true),
        ] {
            assert_eq!(keeps(settings, &person()), kept, "{settings}");
        }
    }

    #[test]
    fn a_box_that_reaches_out_of_the_frame_stands_at_its_border() {
        let bounds = Bounds { x1: 500.0, y1: 300.0, x2: 640.0, y2: 489.5 };
        let low = Detection { bounds, ..person() };
        assert!(keeps("zones = [[[0.5, 0.5], [1, 0.5], [1, 1], [0.5, 1]]]", &low));
    }

    #[test]
    fn what_is_not_set_keeps_scores_below_zero_and_boxes_larger_than_the_frame() {
        let logit = Detection { score: -1.5, ..person() };
        assert!(keeps("classes = [3]", &logit) && !keeps("min_score = 0", &logit));
        let bounds = Bounds { x1: -10.0, y1: -10.0, x2: 650.0, y2: 490.0 };
        let large = Detection { bounds, ..person() };
        assert!(keeps("min_area = 0.5", &large) && !keeps("max_area = 1", &large));
    }

    #[test]
    fn scores_and_boxes_that_are_no_numbers_are_never_kept() {
        let odd = Detection { score: f32::NAN, ..person() };
        assert!(!keeps("classes = [3]", &odd));
        let nowhere = Detection { bounds: Bounds { x1: f32::NAN, ..person().bounds }, ..person() };
        assert!(!keeps("zones = [[[0, 0], [1, 0], [1, 1], [0, 1]]]", &nowhere));
    }

    #[test]
    fn settings_are_checked() {
        for (settings, says) in [
            ("", "nothing to filter by"),
            ("speed = 3", "unknown field `speed`"),
            ("classes = []", "classes = []"),
            ("min_score = 1.5", "min_score = 1.5: a score is 0 to 1"),
            ("min_area = -0.1", "min_area = -0.1: a part of the frame is 0 to 1"),
            ("max_area = nan", "max_area = NaN"),
            ("min_area = 0.5\nmax_area = 0.2", "no detection would be kept"),
            ("min_score = 0.2\nanchor = \"center\"", "`anchor` has no use without `zones`"),
            ("zones = []", "0 zones"),
            ("zones = [[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1]]]", "zone 2: 2 corners"),
            ("zones = [[[0, 0], [640, 0], [1, 1]]]", "zone 1: corner [640, 0]"),
            ("zones = [[[0, 0], [1, 0], [1, 1]]]\nanchor = \"top\"", "unknown variant `top`"),
        ] {
            let error = filter(settings).unwrap_err();
            assert!(error.contains(says), "{settings}: {error}");
        }
    }
}
