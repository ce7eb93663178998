//! The settings that `detect` and `segment` share, and what they mean once they are checked.

use std::path::PathBuf;

use serde::Deserialize;

use super::found::Found;
use super::reading::Reading;
use crate::pipeline::nms;
use crate::pipeline::nodes::labels::Labels;
use crate::pipeline::nodes::{NodeSetup, check_input_size};
use crate::pipeline::torch::Normalise;

/// Most detections of a frame; 3000 are about 350 kB of JSON.
const MAX_DETECTIONS: usize = 3000;

const SCORE_THRESHOLD: f32 = 0.25;
/// As ultralytics' predictors have it.
const IOU_THRESHOLD: f32 = 0.7;
const DETECTIONS: usize = 300;

/// What stands in the pipeline file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::pipeline::nodes) struct Settings<F> {
    pub model: PathBuf,
    pub format: F,
    pub input_size: Option<[usize; 2]>,
    pub mean: Option<[f32; 3]>,
    pub std: Option<[f32; 3]>,
    pub labels: Option<Labels>,
    pub score_threshold: Option<f32>,
    pub iou_threshold: Option<f32>,
    pub max_detections: Option<usize>,
    pub classes: Option<Vec<Class>>,
    pub agnostic_nms: Option<bool>,
    pub map_threshold: Option<f32>,
    pub unclip_ratio: Option<f32>,
    pub min_side: Option<f32>,
}

/// A class to keep.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(in crate::pipeline::nodes) enum Class {
    /// By its number.
    Id(i64),
    /// By its label.
    Name(String),
}

/// Which boxes are kept.
#[derive(Clone, Debug)]
pub(in crate::pipeline::nodes) struct Rules {
    /// Scores over it pass; NaN and infinity never do.
    pub score_threshold: f32,
    pub iou_threshold: f32,
    pub max_detections: usize,
    /// None keeps every class.
    pub classes: Option<Vec<i64>>,
    pub agnostic_nms: bool,
    /// How a map is read.
    pub map: Reading,
}

impl<F> Settings<F> {
    /// The same settings for what this format is to a detector.
    pub(in crate::pipeline::nodes) fn with_format<G>(self, format: G) -> Settings<G> {
        Settings {
            format,
            model: self.model,
            input_size: self.input_size,
            mean: self.mean,
            std: self.std,
            labels: self.labels,
            score_threshold: self.score_threshold,
            iou_threshold: self.iou_threshold,
            max_detections: self.max_detections,
            classes: self.classes,
            agnostic_nms: self.agnostic_nms,
            map_threshold: self.map_threshold,
            unclip_ratio: self.unclip_ratio,
            min_side: self.min_side,
        }
    }

    /// The name of a setting that is given and is about boxes.
    pub(in crate::pipeline::nodes) fn of_boxes(&self) -> Option<&'static str> {
        let given = [
            ("score_threshold", self.score_threshold.is_some()),
            ("iou_threshold", self.iou_threshold.is_some()),
            ("max_detections", self.max_detections.is_some()),
            ("agnostic_nms", self.agnostic_nms.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// The name of a setting that is given and is about maps.
    pub(in crate::pipeline::nodes) fn of_maps(&self) -> Option<&'static str> {
        let given = [
            ("map_threshold", self.map_threshold.is_some()),
            ("unclip_ratio", self.unclip_ratio.is_some()),
            ("min_side", self.min_side.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Width and height of the module's input.
    ///
    /// # Errors
    /// A side that is 0 or too large.
    pub(in crate::pipeline::nodes) fn checked_size(&self) -> Result<Option<[usize; 2]>, String> {
        self.input_size.map_or(Ok(()), check_input_size)?;
        Ok(self.input_size)
    }

    /// How pixels become the module's numbers.
    ///
    /// # Errors
    /// One of `mean` and `std` without the other, or numbers that cannot be.
    pub(in crate::pipeline::nodes) fn normalise(&self) -> Result<Normalise, String> {
        match (self.mean, self.std) {
            (None, None) => Ok(Normalise::Unit),
            (Some(mean), Some(std))
                if mean.iter().all(|value| value.is_finite()) && std.iter().all(|value| *value > 0.0) =>
            {
                Ok(Normalise::Channels { mean, std })
            }
            (Some(_), Some(_)) => Err("mean and std are three numbers each, those of std over 0".to_owned()),
            _ => Err("mean and std belong together: give both, or neither for 0 to 1".to_owned()),
        }
    }

    /// The names of the classes; none where the file gives none.
    ///
    /// # Errors
    /// As [`Labels::read`].
    pub(in crate::pipeline::nodes) fn read_labels(&self, setup: &NodeSetup<'_>) -> Result<Option<Vec<String>>, String> {
        self.labels.as_ref().map(|labels| labels.read(setup)).transpose()
    }

    /// The numbers of the classes to keep; none where all are kept.
    ///
    /// # Errors
    /// A class that the labels do not have.
    pub(in crate::pipeline::nodes) fn kept_classes(
        &self,
        labels: Option<&[String]>,
    ) -> Result<Option<Vec<i64>>, String> {
        let id = |class: &Class| match class {
            Class::Id(id)
                if *id < 0 || labels.is_some_and(|labels| usize::try_from(*id).is_ok_and(|id| id >= labels.len())) =>
            {
                Err(format!("classes: there is no class {id}; classes count from 0, one for each of labels"))
            }
            Class::Id(id) => Ok(*id),
            Class::Name(name) => {
                let labels =
                    labels.ok_or_else(|| format!("classes: \"{name}\" is a name; give labels, or its number"))?;
                let at = labels.iter().position(|label| label == name);
                let at = at.and_then(|at| i64::try_from(at).ok());
                at.ok_or_else(|| format!("classes: \"{name}\" is none of labels"))
            }
        };
        match &self.classes {
            Some(classes) if classes.is_empty() => {
                Err("classes is empty, so nothing would be kept: name some, or leave it out".into())
            }
            Some(classes) => classes.iter().map(id).collect::<Result<_, _>>().map(Some),
            None => Ok(None),
        }
    }

    /// Which boxes are kept.
    ///
    /// # Errors
    /// A number out of its range, or a class that the labels do not have.
    pub(in crate::pipeline::nodes) fn rules(&self, labels: Option<&[String]>) -> Result<Rules, String> {
        let share = |name: &str, value: Option<f32>, default: f32| match value.unwrap_or(default) {
            value if (0.0..=1.0).contains(&value) => Ok(value),
            value => Err(format!("{name} = {value}: it is 0 to 1")),
        };
        let max_detections = self.max_detections.unwrap_or(DETECTIONS);
        if !(1..=MAX_DETECTIONS).contains(&max_detections) {
            return Err(format!("max_detections = {max_detections}: it is 1 to {MAX_DETECTIONS}"));
        }
        let map = Reading {
            map_threshold: self.map_threshold.unwrap_or(Reading::USUAL.map_threshold),
            unclip_ratio: self.unclip_ratio.unwrap_or(Reading::USUAL.unclip_ratio),
            min_side: self.min_side.unwrap_or(Reading::USUAL.min_side),
        };
        map.check()?;
        Ok(Rules {
            map,
            score_threshold: share("score_threshold", self.score_threshold, SCORE_THRESHOLD)?,
            iou_threshold: share("iou_threshold", self.iou_threshold, IOU_THRESHOLD)?,
            max_detections,
            classes: self.kept_classes(labels)?,
            agnostic_nms: self.agnostic_nms.unwrap_or_default(),
        })
    }
}

impl Rules {
    /// Whether a box of this score and class is a candidate.
    pub(in crate::pipeline::nodes) fn pass(&self, score: f32, class_id: i64) -> bool {
        score.is_finite()
            && score > self.score_threshold
            && self.classes.as_ref().is_none_or(|classes| classes.contains(&class_id))
    }

    /// What is left of overlapping boxes.
    pub(in crate::pipeline::nodes) fn suppress(&self, candidates: Vec<Found>) -> Vec<Found> {
        nms::suppress(candidates, self.iou_threshold, self.agnostic_nms, self.max_detections)
    }
}
