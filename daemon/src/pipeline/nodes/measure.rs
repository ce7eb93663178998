//! `measure`: runs a TorchScript module on the picture and gives what it returns. A dict of numbers or tensors gives its
//! keys; a tensor or a number gives the node's id as key.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Node, NodeFrame, NodeSetup};
use crate::pipeline::image::{ImageNeed, Scaler};
use crate::pipeline::torch::{Input, Module, Normalise};

/// Largest side of `input_size`, in pixels.
const MAX_SIDE: usize = 8192;

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
}

pub(super) fn build(setup: &NodeSetup<'_>) -> Result<Box<dyn Node>, String> {
    let settings: Settings = setup.settings()?;
    if let Some([width, height]) = settings.input_size
        && !((1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height))
    {
        return Err(format!("input_size = [{width}, {height}]: width and height are 1 to {MAX_SIDE}"));
    }
    let normalise = match settings.input {
        Layout::F32 => Normalise::Unit,
        Layout::U8 => Normalise::Bytes,
    };
    let module = setup.load_module(&settings.model)?;
    Ok(Box::new(Measure { id: setup.id.to_owned(), module, input_size: settings.input_size, normalise }))
}

impl Node for Measure {
    fn needs(&self) -> ImageNeed {
        self.input_size.map_or(ImageNeed::Whole, |[width, height]| ImageNeed::AtLeast(width, height))
    }

    fn run(&self, frame: &mut NodeFrame<'_>, scaler: &mut Scaler) -> Result<Map<String, Value>, String> {
        let picture = frame.image.ok_or("the frame was not decoded for it")?;
        // Without input_size the module gets the frame's own size, also when another node made it decode smaller: the
        // needs of all nodes are added up, and `Whole` wins.
        let [width, height] = self.input_size.unwrap_or([picture.width, picture.height]);
        let input = Input::of(scaler.stretch(&picture, width, height)?, width, height)?;
        Ok(match self.module.run_to_json(&input, &self.normalise)? {
            Value::Object(output) => output,
            other => Map::from_iter([(self.id.clone(), other)]),
        })
    }
}
