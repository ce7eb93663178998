//! `measure`: runs a TorchScript module on the picture and gives what it returns. A dict of numbers or tensors gives its
//! keys; a tensor or a number gives the node's id as key.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::batch::probe_batch;
use super::{Node, NodeFrame, NodeSetup, Payload, check_input_size};
use crate::pipeline::image::{self, ImageNeed, Picture, Scaler};
use crate::pipeline::torch::{Input, Module, Normalise};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    model: PathBuf,
    input_size: Option<[usize; 2]>,
    #[serde(default)]
    input: Layout,
}

/// What the module is fed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Layout {
    /// `[1, 3, H, W]`, float32, 0 to 1.
    #[default]
    F32,
    /// `[3, H, W]`, uint8.
    U8,
}

#[derive(Debug)]
struct Measure {
    id: String,
    module: Module,
    input_size: Option<[usize; 2]>,
    normalise: Normalise,
    max_batch: usize,
}

pub(super) fn build(setup: &NodeSetup<'_>) -> Result<Box<dyn Node>, String> {
    let settings: Settings = setup.settings()?;
    settings.input_size.map_or(Ok(()), check_input_size)?;
    let normalise = match settings.input {
        Layout::F32 => Normalise::Unit,
        Layout::U8 => Normalise::Bytes,
    };
    let module = setup.load_module(&settings.model)?;
    let sample = settings.input_size.map_or(image::SAMPLE_SIZE, |[width, height]| (width, height));
    let max_batch = probe_batch(setup, &module, sample, &normalise)?;
    let id = setup.id.to_owned();
    Ok(Box::new(Measure { id, module, input_size: settings.input_size, normalise, max_batch }))
}

impl Node for Measure {
    fn needs(&self) -> ImageNeed {
        self.input_size.map_or(ImageNeed::Whole, |[width, height]| ImageNeed::AtLeast(width, height))
    }

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn run(&self, frame: &mut NodeFrame<'_>, scaler: &mut Scaler) -> Result<Payload, String> {
        let picture = picture_of(frame)?;
        let (width, height) = self.size_for(&picture);
        let input = Input::of(scaler.stretch(&picture, width, height)?, width, height)?;
        self.module.run_to_json(&input, &self.normalise).map(|output| self.named(output))
    }

    fn run_batch(&self, frames: &mut [NodeFrame<'_>], scaler: &mut Scaler) -> Vec<Result<Payload, String>> {
        match self.run_as_one(frames, scaler) {
            Ok(outputs) => outputs.into_iter().map(|output| Ok(self.named(output))).collect(),
            Err(reason) => frames.iter().map(|_| Err(reason.clone())).collect(),
        }
    }
}

impl Measure {
    /// Width and height that the module gets: without `input_size` the frame's own, also when another node made it decode
    /// smaller: the needs of all nodes are added up, and `Whole` wins.
    fn size_for(&self, picture: &Picture<'_>) -> (usize, usize) {
        self.input_size.map_or((picture.width, picture.height), |[width, height]| (width, height))
    }

    /// Runs the module once. Frames of several sizes, which only a node without `input_size` meets, are no batch.
    fn run_as_one(&self, frames: &[NodeFrame<'_>], scaler: &mut Scaler) -> Result<Vec<Value>, String> {
        let (width, height) = frames.first().map(picture_of).transpose()?.map_or((0, 0), |first| self.size_for(&first));
        let mut input = Input::new(width, height);
        for frame in frames {
            let picture = picture_of(frame)?;
            if self.size_for(&picture) != (width, height) {
                return Err("frames of several sizes".to_owned());
            }
            input.push(scaler.stretch(&picture, width, height)?)?;
        }
        self.module.run_rows_to_json(&input, &self.normalise)
    }

    fn named(&self, output: Value) -> Payload {
        match output {
            Value::Object(output) => output.into(),
            other => Map::from_iter([(self.id.clone(), other)]).into(),
        }
    }
}

fn picture_of<'a>(frame: &NodeFrame<'a>) -> Result<Picture<'a>, String> {
    frame.image.ok_or_else(|| "the frame was not decoded for it".to_owned())
}
