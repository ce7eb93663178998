//! `segment`: masks. Of found objects, as polygons, from a YOLO-seg export (`instance`, `contour`); or of every pixel's class, as
//! run lengths (`semantic`). Does not live here: how boxes are found, which is `detect`'s.

mod contour;
mod instance;
mod semantic;

use serde::Deserialize;

use super::batch::probe_batch;
use super::detect::{self, Detector, Settings};
use super::{Node, NodeFrame, NodeSetup, Payload, fails_on};
use crate::pipeline::image::{ImageNeed, Scaler};
use crate::pipeline::torch::{Input, Module, Normalise, Returned};

const MASK_THRESHOLD: f64 = 0.5;

/// What the module's output looks like.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum Format {
    /// Boxes `[B, 4 + classes + masks, N]` and prototypes `[B, masks, h, w]`.
    #[serde(rename = "yolo")]
    Yolo,
    /// Boxes `[B, N, 6 + masks]` and prototypes.
    #[serde(rename = "yolo-end2end")]
    YoloEnd2end,
    /// `[B, classes, H, W]`.
    #[serde(rename = "semantic")]
    Semantic,
}

#[derive(Debug)]
struct Instances {
    detector: Detector,
    input_size: [usize; 2],
    limit: f32,
}

#[derive(Debug)]
struct Semantic {
    module: Module,
    input_size: [usize; 2],
    normalise: Normalise,
    labels: Option<Vec<String>>,
    classes: Option<Vec<i64>>,
    limit: f32,
    max_batch: usize,
}

pub(super) fn build(setup: &NodeSetup<'_>) -> Result<Box<dyn Node>, String> {
    let mut rest = setup.settings.clone();
    let limit = limit(rest.remove("mask_threshold"))?;
    let setup = NodeSetup { settings: &rest, ..*setup };
    let settings: Settings<Format> = setup.settings()?;
    let Some(input_size) = settings.checked_size()? else {
        return Err("input_size is missing: give the [width, height] that the model was exported with".to_owned());
    };
    let format = match settings.format {
        Format::Yolo => detect::Format::Yolo,
        Format::YoloEnd2end => detect::Format::YoloEnd2end,
        Format::Semantic => return semantic(&setup, &settings, input_size, limit),
    };
    let detector = Detector::build(&setup, &settings.with_format(format))?;
    Ok(Box::new(Instances { detector, input_size, limit }))
}

fn semantic(
    setup: &NodeSetup<'_>,
    settings: &Settings<Format>,
    input_size: [usize; 2],
    limit: f32,
) -> Result<Box<dyn Node>, String> {
    if let Some(name) = settings.of_boxes().or_else(|| settings.of_maps()) {
        return Err(format!("{name} is not for format = \"semantic\", which finds no boxes; remove it"));
    }
    let normalise = settings.normalise()?;
    let labels = settings.read_labels(setup)?;
    let classes = settings.kept_classes(labels.as_deref())?;
    let module = setup.load_module(&settings.model)?;
    let max_batch = probe_batch(setup, &module, (input_size[0], input_size[1]), &normalise)?;
    Ok(Box::new(Semantic { module, input_size, normalise, labels, classes, limit, max_batch }))
}

/// The threshold as what a sigmoid made it of.
fn limit(setting: Option<toml::Value>) -> Result<f32, String> {
    let share = match setting {
        None => MASK_THRESHOLD,
        Some(toml::Value::Float(share)) => share,
        Some(other) => return Err(format!("mask_threshold = {other}: it is a number between 0 and 1, such as 0.5")),
    };
    if !(share > 0.0 && share < 1.0) {
        return Err(format!("mask_threshold = {share}: it is a number between 0 and 1, such as 0.5"));
    }
    #[allow(clippy::cast_possible_truncation)] // a threshold needs no more than f32 has
    Ok((share / (1.0 - share)).ln() as f32)
}

impl Node for Instances {
    /// The whole picture, as `detect`.
    fn needs(&self) -> ImageNeed {
        ImageNeed::Whole
    }

    fn max_batch(&self) -> usize {
        self.detector.max_batch()
    }

    fn end_trial(&self) {
        self.detector.end_trial();
    }

    fn run(&self, frame: &mut NodeFrame<'_>, scaler: &mut Scaler) -> Result<Payload, String> {
        let answer = self.detector.answer(std::slice::from_ref(frame), scaler)?;
        self.output(&answer, 0, 1)
    }

    fn run_batch(&self, frames: &mut [NodeFrame<'_>], scaler: &mut Scaler) -> Vec<Result<Payload, String>> {
        match self.detector.answer(frames, scaler) {
            Ok(answer) => (0..frames.len()).map(|at| self.output(&answer, at, frames.len())).collect(),
            Err(reason) => frames.iter().map(|_| Err(reason.clone())).collect(),
        }
    }
}

impl Instances {
    fn output(&self, answer: &detect::Answer, at: usize, batch: usize) -> Result<Payload, String> {
        let prototypes = instance::Prototypes::of(&answer.returned, at, batch)?;
        let (found, place) = self.detector.found(answer, at, prototypes.count)?;
        let outlined = instance::outlined(&prototypes, &found, &place, self.input_size, self.limit);
        let detections = outlined.into_iter().map(|(found, more)| {
            let mut detection = self.detector.detection(found, &place);
            detection.more = more;
            detection
        });
        Ok(detections.collect::<Vec<_>>().into())
    }
}

impl Node for Semantic {
    fn needs(&self) -> ImageNeed {
        ImageNeed::AtLeast(self.input_size[0], self.input_size[1])
    }

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn run(&self, frame: &mut NodeFrame<'_>, scaler: &mut Scaler) -> Result<Payload, String> {
        let frames = std::slice::from_mut(frame);
        self.run_batch(frames, scaler).pop().unwrap_or_else(|| Err("the module gave no answer".to_owned()))
    }

    fn run_batch(&self, frames: &mut [NodeFrame<'_>], scaler: &mut Scaler) -> Vec<Result<Payload, String>> {
        let (returned, sizes) = match self.answer(frames, scaler) {
            Ok(answer) => answer,
            Err(reason) => return frames.iter().map(|_| Err(reason.clone())).collect(),
        };
        let classes =
            semantic::Classes { labels: self.labels.as_deref(), kept: self.classes.as_deref(), limit: self.limit };
        let batch = sizes.len();
        let masks = |(at, size)| semantic::masks(&returned, (at, batch), size, &classes).map(Payload::from);
        sizes.into_iter().enumerate().map(masks).collect()
    }
}

impl Semantic {
    /// Runs the module once on the pictures of all frames; gives the frames' sizes too.
    fn answer(&self, frames: &[NodeFrame<'_>], scaler: &mut Scaler) -> Result<(Returned, Vec<(usize, usize)>), String> {
        let [width, height] = self.input_size;
        let mut input = Input::new(width, height);
        let mut sizes = Vec::with_capacity(frames.len());
        for frame in frames {
            let picture = frame.image.ok_or("the frame was not decoded for it")?;
            input.push(scaler.stretch(&picture, width, height)?)?;
            sizes.push(picture.frame_size);
        }
        let returned = self.module.run(&input, &self.normalise).map_err(fails_on(width, height))?;
        Ok((returned, sizes))
    }
}

#[cfg(test)]
mod tests;
