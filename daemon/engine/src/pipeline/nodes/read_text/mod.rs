//! `read_text`: reads every detection's crop with a module that ends in connectionist temporal classification. Lives here:
//! the settings, the probe and the run. Beside it: `alphabet`, `crops` (what the module is fed) and `ctc` (what its output
//! says), and `lines` (the order in which people read).

mod alphabet;
mod crops;
mod ctc;
mod lines;

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Map;

use self::alphabet::Alphabet;
use self::crops::Batch;
use self::ctc::Reading;
use super::batch::{crops_go_together, probe_batch};
use super::{Node, NodeFrame, NodeSetup, Payload};
use crate::pipeline::detection::{Detection, rounded};
use crate::pipeline::image::{ImageNeed, Picture, Scaler};
use crate::pipeline::quad::Quad;
use crate::pipeline::torch::{self, Array, Input, Module, Normalise, Returned};

/// What a detection gets: its text, and how sure the model is of it.
const TEXT: &str = "text";
const TEXT_SCORE: &str = "text_score";

/// Bounds of `input_height` and of each of `widths`, in pixels.
const HEIGHTS: std::ops::RangeInclusive<usize> = 8..=256;
const WIDTHS: std::ops::RangeInclusive<usize> = 8..=8192;
/// Most `widths`: the module is warmed up with each.
const MAX_WIDTHS: usize = 16;
/// Most crops that the module gets at once, and that are in memory: a frame may have hundreds.
const MAX_AT_ONCE: usize = 32;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    model: PathBuf,
    alphabet: Alphabet,
    #[serde(default = "default_height")]
    input_height: usize,
    #[serde(default = "default_widths")]
    widths: Vec<usize>,
}

fn default_height() -> usize {
    32
}

fn default_widths() -> Vec<usize> {
    vec![128, 256, 512]
}

#[derive(Debug)]
struct ReadText {
    module: Module,
    alphabet: Vec<String>,
    height: usize,
    /// In rising order.
    widths: Vec<usize>,
    /// Most crops that the module runs at once.
    at_once: usize,
    max_batch: usize,
}

pub(super) fn build(setup: &NodeSetup<'_>) -> Result<Box<dyn Node>, String> {
    setup.needs_inputs()?;
    let settings: Settings = setup.settings()?;
    let (height, widths) = (settings.input_height, settings.widths);
    if !HEIGHTS.contains(&height) {
        return Err(format!("input_height = {height}: it is {} to {}", HEIGHTS.start(), HEIGHTS.end()));
    }
    let rising = widths.windows(2).all(|pair| pair.first() < pair.last());
    if !(1..=MAX_WIDTHS).contains(&widths.len()) || !rising || !widths.iter().all(|width| WIDTHS.contains(width)) {
        return Err(format!(
            "widths = {widths:?}: they are 1 to {MAX_WIDTHS} numbers in rising order, each {} to {}",
            WIDTHS.start(),
            WIDTHS.end()
        ));
    }
    let alphabet = settings.alphabet.read(setup)?;
    let module = setup.load_module(&settings.model)?;
    let mut node = ReadText { module, alphabet, height, widths, at_once: 1, max_batch: 1 };
    node.at_once = node.probe(setup)?;
    // On the narrowest width, which costs least: the probe has looked at batches of the others.
    let narrowest = node.widths.first().copied().unwrap_or(1);
    node.max_batch = probe_batch(setup, &node.module, (narrowest, height), &Normalise::Unit)?;
    Ok(Box::new(node))
}

impl ReadText {
    /// Runs the module with every width, so that a wrong one is refused, and the right one is warm: the sample frame of the
    /// pipeline may have nothing to read. Gives how many crops it runs at once: one reader looks across its batch, another
    /// was traced for a single crop.
    fn probe(&self, setup: &NodeSetup<'_>) -> Result<usize, String> {
        let _no_grad = torch::prepare_thread(1);
        for &width in &self.widths {
            let blank = Input::of(&vec![128; width * self.height * 3], width, self.height)?;
            self.forward(&blank).map_err(|reason| format!("on a blank crop of {width}x{}: {reason}", self.height))?;
        }
        let together = |&width: &usize| crops_go_together(setup, &self.module, (width, self.height), &Normalise::Unit);
        Ok(if self.widths.iter().all(together) { MAX_AT_ONCE } else { 1 })
    }

    /// Each crop's rows of `alphabet + 1` numbers, one crop after another.
    fn forward(&self, input: &Input) -> Result<Vec<f32>, String> {
        let classes = self.alphabet.len() + 1;
        let expected = || {
            format!(
                "[{}, T, {classes}] (crops, steps, a blank and the {} characters of alphabet)",
                input.len(),
                self.alphabet.len()
            )
        };
        match self.module.run(input, &Normalise::Unit)? {
            Returned::Tensor(Array { shape, values }) => match shape[..] {
                [crops, steps, found] if crops == input.len() && steps > 0 && found == classes => Ok(values),
                _ => Err(format!("the module returned a tensor of shape {shape:?}; expected {}", expected())),
            },
            _ => Err(format!("the module returned no tensor; expected one of shape {}", expected())),
        }
    }

    /// What each crop of a batch says.
    fn read(&self, batch: &Batch) -> Result<Vec<Reading>, String> {
        let values = self.forward(&batch.input)?;
        let numbers = values.len() / batch.places.len().max(1);
        Ok(values.chunks_exact(numbers.max(1)).map(|steps| ctc::greedy(steps, &self.alphabet)).collect())
    }

    /// What the region of each place says; nothing where there is no region.
    fn read_all(&self, regions: &[Option<(Picture<'_>, Quad)>]) -> Result<Vec<Reading>, String> {
        let mut readings = vec![Reading::default(); regions.len()];
        crops::for_each_batch(regions, self.height, &self.widths, self.at_once, |batch| {
            for (&place, reading) in batch.places.iter().zip(self.read(batch)?) {
                if let Some(kept) = readings.get_mut(place) {
                    *kept = reading;
                }
            }
            Ok(())
        })?;
        Ok(readings)
    }
}

impl Node for ReadText {
    fn needs(&self) -> ImageNeed {
        // Small letters are few pixels of the frame as it is.
        ImageNeed::Whole
    }

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn run(&self, frame: &mut NodeFrame<'_>, scaler: &mut Scaler) -> Result<Payload, String> {
        let mut outputs = self.run_batch(std::slice::from_mut(frame), scaler);
        outputs.pop().unwrap_or_else(|| Err("it gave no output for the frame".to_owned()))
    }

    fn run_batch(&self, frames: &mut [NodeFrame<'_>], _: &mut Scaler) -> Vec<Result<Payload, String>> {
        let found: Vec<Result<Option<Found<'_>>, String>> = frames.iter().map(found).collect();
        // The crops of all frames go together.
        let regions: Vec<_> = found
            .iter()
            .flatten()
            .flatten()
            .flat_map(|&(picture, ref detections)| detections.iter().map(move |detection| (picture, detection)))
            .map(|(picture, detection)| crops::region(detection, picture.frame_size).map(|quad| (picture, quad)))
            .collect();
        let mut readings = self.read_all(&regions).map(Vec::into_iter);
        let mut finish = |found: Option<Found<'_>>| match (found, &mut readings) {
            (None, _) => Ok(Payload::default()),
            (Some((_, detections)), Ok(readings)) => Ok(output(detections, readings)),
            (Some(_), Err(reason)) => Err(reason.clone()),
        };
        found.into_iter().map(|frame| frame.and_then(&mut finish)).collect()
    }
}

/// A frame's picture, and what is to be read there.
type Found<'a> = (Picture<'a>, Vec<Detection>);

/// None where its inputs say nothing about detections: they did not run.
fn found<'a>(frame: &NodeFrame<'a>) -> Result<Option<Found<'a>>, String> {
    let Some(detections) = frame.upstream.detections()? else { return Ok(None) };
    Ok(Some((frame.image.ok_or("the frame was not decoded for it")?, detections)))
}

/// The detections with what they say, and the whole text under `text`.
fn output(mut detections: Vec<Detection>, readings: &mut impl Iterator<Item = Reading>) -> Payload {
    let mut texts = Vec::new();
    for (detection, Reading { text, score }) in detections.iter_mut().zip(readings) {
        texts.push((detection.bounds, text.clone()));
        detection.more.insert(TEXT.to_owned(), text.into());
        detection.more.insert(TEXT_SCORE.to_owned(), rounded(score, 4));
    }
    Payload::new(detections, Map::from_iter([(TEXT.to_owned(), lines::in_reading_order(texts).into())]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::nodes::NodeState;

    #[test]
    fn inputs_that_did_not_run_are_no_empty_list() {
        let mut state = NodeState::None;
        let image = Some(Picture { rgb: &[0; 3], width: 1, height: 1, frame_size: (1, 1) });
        let upstream = Payload::default();
        let mut frame = NodeFrame { frame_index: 0, image, frame_size: Some((1, 1)), upstream, state: &mut state };
        assert!(found(&frame).unwrap().is_none());
        frame.upstream = Vec::new().into();
        assert!(found(&frame).unwrap().is_some_and(|(_, detections)| detections.is_empty()));
        frame.upstream = Map::from_iter([("detections".to_owned(), 3.into())]).into();
        assert!(found(&frame).unwrap_err().contains("no list"));
    }
}
