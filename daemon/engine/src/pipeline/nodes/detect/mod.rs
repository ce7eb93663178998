//! `detect`: boxes from a TorchScript detector, as its author exported it. Lives here: the settings (`settings`), the formats,
//! a file each (`format` lists them), and the detector that `segment` builds on. Does not live here: suppression (`nms`),
//! and what a detection is (`detection`).
//!
//! The picture is decoded whole and scaled as the packages that these models come from do it: their boxes are ours.

mod db;
mod detector;
mod end2end;
mod format;
mod found;
mod look;
mod output;
mod reading;
mod rectangle;
mod settings;
mod torchvision;
mod yolo;
mod yolov5;

use super::{Node, NodeFrame, NodeSetup, Payload};
use crate::pipeline::image::{ImageNeed, Scaler};

pub(super) use detector::{Answer, Detector, Place};
pub(super) use format::Format;
pub(super) use found::Found;
pub(super) use output::{check_labels, first_tensor, misfit};
pub(super) use settings::Settings;

#[derive(Debug)]
struct Detect {
    detector: Detector,
}

pub(super) fn build(setup: &NodeSetup<'_>) -> Result<Box<dyn Node>, String> {
    let settings: Settings<Format> = setup.settings()?;
    Ok(Box::new(Detect { detector: Detector::build(setup, &settings)? }))
}

impl Node for Detect {
    /// The whole picture: a JPEG decoded at a part of its size is not what the reference sees.
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
        self.output(&answer, 0)
    }

    fn run_batch(&self, frames: &mut [NodeFrame<'_>], scaler: &mut Scaler) -> Vec<Result<Payload, String>> {
        match self.detector.answer(frames, scaler) {
            Ok(answer) => (0..frames.len()).map(|at| self.output(&answer, at)).collect(),
            Err(reason) => frames.iter().map(|_| Err(reason.clone())).collect(),
        }
    }
}

impl Detect {
    fn output(&self, answer: &Answer, at: usize) -> Result<Payload, String> {
        let (found, place) = self.detector.found(answer, at, 0)?;
        Ok(found.iter().map(|found| self.detector.detection(found, &place)).collect::<Vec<_>>().into())
    }
}

#[cfg(test)]
mod tests;
