//! Node kinds, one file each. Lives here: what a kind's settings are and what it makes of a frame. Does not live here:
//! the order of nodes (`graph`), decoding (`image`) and libtorch itself (`torch`).

mod batch;
mod classify;
mod detect;
mod filter;
mod labels;
mod measure;
mod noop;
mod payload;
mod read_text;
mod segment;
mod track;

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::image::{ImageNeed, Picture, Scaler};
use super::origin::{Named, Stamp};
use super::torch::{Device, Module, Trial};
use super::tracking::Tracker;
use base::config::Precision;
pub(super) use batch::MOST_BATCH_FRAMES;
pub use payload::Payload;

/// The table of kinds: a name in pipeline files, and what builds it. A new kind is a file and a line here.
const KINDS: &[(&str, Build)] = &[
    ("classify", classify::build),
    ("detect", detect::build),
    ("filter", filter::build),
    ("measure", measure::build),
    ("noop", noop::build),
    ("read_text", read_text::build),
    ("segment", segment::build),
    ("track", track::build),
];

type Build = fn(&NodeSetup<'_>) -> Result<Box<dyn Node>, String>;

/// One step of a pipeline, ready to run. It is shared by all workers.
pub trait Node: Send + Sync + fmt::Debug {
    /// How much of the picture it needs.
    fn needs(&self) -> ImageNeed;

    /// What it keeps of a session between frames, before the session's first frame.
    fn new_state(&self) -> NodeState {
        NodeState::None
    }

    /// Makes its output of a frame.
    ///
    /// # Errors
    /// One sentence for the log, without a trace.
    fn run(&self, frame: &mut NodeFrame<'_>, scaler: &mut Scaler) -> Result<Payload, String>;

    /// Most frames that [`Node::run_batch`] is given at once; 1 where nothing is gained by more, or the model cannot.
    fn max_batch(&self) -> usize {
        1
    }

    /// Its pipeline is loaded: what comes now is live. A node that looks closer at what its model returns while it is on trial
    /// stops.
    fn end_trial(&self) {}

    /// Makes its outputs of several sessions' frames, in their order, by one run of its model. What fails is run again
    /// frame by frame, so it need not find out which frame is to blame.
    fn run_batch(&self, frames: &mut [NodeFrame<'_>], scaler: &mut Scaler) -> Vec<Result<Payload, String>> {
        frames.iter_mut().map(|frame| self.run(frame, scaler)).collect()
    }
}

/// What a node keeps of a session between frames.
#[derive(Clone, Debug, Default)]
pub enum NodeState {
    /// Nothing.
    #[default]
    None,
    /// The objects that `track` follows.
    Tracks(Tracker),
}

/// What a node sees of a frame: the payload, and what it kept of the session.
#[derive(Debug)]
pub struct NodeFrame<'a> {
    /// The frame's number in its session.
    pub frame_index: u64,
    /// The picture, where this node or one before it needs one.
    pub image: Option<Picture<'a>>,
    /// Width and height of the frame as its source sent it, where this node or one before it needs as much.
    pub frame_size: Option<(usize, usize)>,
    /// The outputs of the nodes named in `inputs`, merged; later nodes win.
    pub upstream: Payload,
    /// What the node kept of the session.
    pub state: &'a mut NodeState,
}

/// What a node is built from.
#[derive(Clone, Copy, Debug)]
pub struct NodeSetup<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its own settings.
    pub settings: &'a toml::Table,
    /// Ids of the nodes whose outputs it sees.
    pub inputs: &'a [String],
    /// The pipeline file's folder, searched first for models and other files.
    pub folder: &'a Path,
    /// The configured model folders, searched next.
    pub model_dirs: &'a [PathBuf],
    /// Where its model runs.
    pub device: Device,
    /// What its model computes with.
    pub precision: Precision,
    /// Most frames of a batch, where the pipeline file says so.
    pub max_batch: Option<usize>,
    /// The files that nodes named so far.
    pub(super) files: &'a RefCell<Named>,
    /// The models loaded for it.
    pub(super) models: &'a RefCell<Models>,
}

/// What is known of a node's models while its pipeline is loaded.
#[derive(Debug, Default)]
pub(super) struct Models {
    /// How many there are.
    pub(super) count: usize,
    /// The comparisons of those in half precision with float32.
    pub(super) trials: Vec<Arc<Trial>>,
}

/// Names of all kinds.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, _)| *name)
}

/// Builds a node of a kind; also gives the kind's name as it stands in the table.
///
/// # Errors
/// One sentence: the unknown kind, the setting that is wrong, or why the model does not load.
pub fn build(kind: &str, setup: &NodeSetup<'_>) -> Result<(&'static str, Box<dyn Node>), String> {
    let Some((name, build)) = KINDS.iter().find(|(name, _)| *name == kind) else {
        let known: Vec<&str> = kinds().collect();
        return Err(format!("unknown kind \"{kind}\"; known kinds: {}", known.join(", ")));
    };
    Ok((name, build(setup)?))
}

impl NodeSetup<'_> {
    /// The settings as a kind's own struct; what is wrong with one is told with its name.
    fn settings<T: DeserializeOwned>(&self) -> Result<T, String> {
        self.settings.clone().try_into().map_err(|error: toml::de::Error| one_line(&error))
    }

    /// For kinds that take detections.
    fn needs_inputs(&self) -> Result<(), String> {
        if self.inputs.is_empty() {
            return Err("it has no `inputs`: name the node whose detections it takes".to_owned());
        }
        Ok(())
    }

    /// Loads a module where this node's models run, and in its precision.
    fn load_module(&self, model: &Path) -> Result<Module, String> {
        let module = Module::load_in(&self.find_file(model, "model")?, self.device, self.precision)?;
        let mut models = self.models.borrow_mut();
        models.count += 1;
        models.trials.extend(module.trial());
        Ok(module)
    }

    /// Finds a file that the setting `what` names and notes it as one that the pipeline is made of, or would be.
    fn find_file(&self, file: &Path, what: &str) -> Result<PathBuf, String> {
        let found = find_file(file, what, self.folder, self.model_dirs);
        let stamp = found.as_ref().ok().and_then(|found| Stamp::of(found));
        self.files.borrow_mut().push((file.to_owned(), stamp));
        found
    }
}

/// The message, and the setting that it is about, on one line.
fn one_line(error: &toml::de::Error) -> String {
    error.to_string().trim_end().replace('\n', " ")
}

/// Largest side of an `input_size`, in pixels.
const MAX_SIDE: usize = 8192;

/// Most pixels of an `input_size`: those of a 4K picture. The node is tried at that size when it is loaded.
const MAX_INPUT_PIXELS: usize = 4096 * 2160;

/// Refuses an `input_size` of a side, or of more pixels, than a node takes.
fn check_input_size([width, height]: [usize; 2]) -> Result<(), String> {
    if !((1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height)) {
        return Err(format!("input_size = [{width}, {height}]: width and height are 1 to {MAX_SIDE}"));
    }
    match width * height {
        pixels if pixels > MAX_INPUT_PIXELS => Err(format!(
            "input_size = [{width}, {height}]: that is {pixels} pixels, and at most {MAX_INPUT_PIXELS} (4096 × 2160) are taken; give a \
             smaller size"
        )),
        _ => Ok(()),
    }
}

/// What to say where a module fails on a picture of this size: mostly it was exported for another one.
fn fails_on(width: usize, height: usize) -> impl Fn(String) -> String {
    move |reason| format!("the module fails on a picture of {width}x{height} (its input_size): {reason}")
}

/// Finds a file of a node: as it stands when absolute, else beside the pipeline file, then in the model folders.
pub(super) fn find_file(file: &Path, what: &str, folder: &Path, model_dirs: &[PathBuf]) -> Result<PathBuf, String> {
    let folders = std::iter::once(folder).chain(model_dirs.iter().map(PathBuf::as_path));
    let mut candidates: Vec<PathBuf> = folders.map(|folder| folder.join(file)).collect();
    candidates.dedup();
    match candidates.iter().find(|candidate| candidate.is_file()) {
        Some(found) => Ok(found.clone()),
        None => {
            let places: Vec<String> = candidates.iter().map(|place| place.display().to_string()).collect();
            Err(format!(
                "{what} \"{}\" is not there; looked for {}. Put it there, or correct `{what}` or pipelines.model_dirs",
                file.display(),
                places.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why a node of this kind, with no inputs, is refused.
    fn refusal(kind: &str, settings: &str) -> String {
        let settings: toml::Table = toml::from_str(settings).unwrap();
        let setup = NodeSetup {
            id: "a",
            settings: &settings,
            inputs: &[],
            folder: Path::new("."),
            model_dirs: &[],
            device: Device::Cpu,
            precision: Precision::Fp32,
            max_batch: None,
            files: &RefCell::default(),
            models: &RefCell::default(),
        };
        build(kind, &setup).unwrap_err()
    }

    #[test]
    fn a_setting_that_is_wrong_is_named() {
        for (text, name) in [
            ("labels = 3", "labels"),
            ("top_k = \"two\"", "top_k"),
            ("std = [1, 2]", "std"),
            ("of = \"crops\"", "of"),
            ("softmax = 1", "softmax"),
        ] {
            let error = refusal("classify", &format!("model = \"a.pt\"\ninput_size = [8, 8]\n{text}"));
            assert!(error.ends_with(&format!(" in `{name}`")) && !error.contains('\n'), "{error}");
        }
        assert_eq!(refusal("measure", ""), "missing field `model`");
    }

    #[test]
    fn pictures_larger_than_4k_are_refused_before_the_model_is_loaded() {
        for (kind, more) in [("measure", ""), ("detect", "format = \"yolo\""), ("segment", "format = \"semantic\"")] {
            for (size, what) in
                [("[8192, 8192]", "67108864 pixels"), ("[9000, 1]", "1 to 8192"), ("[0, 4]", "1 to 8192")]
            {
                let error = refusal(kind, &format!("model = \"a.pt\"\ninput_size = {size}\n{more}"));
                assert!(error.contains(what), "{kind} {size}: {error}");
            }
            let taken = refusal(kind, &format!("model = \"a.pt\"\ninput_size = [4096, 2160]\n{more}"));
            assert!(taken.contains("is not there"), "{kind}: {taken}");
        }
    }

    #[test]
    fn kinds_that_take_detections_need_inputs() {
        for kind in ["filter", "read_text", "track"] {
            assert!(refusal(kind, "").contains("no `inputs`"), "{kind}");
        }
    }

    #[test]
    fn semantic_masks_have_no_settings_of_boxes_or_maps() {
        for name in ["score_threshold", "map_threshold", "unclip_ratio", "min_side"] {
            let settings = "model = \"a.pt\"\nformat = \"semantic\"\ninput_size = [8, 8]";
            let error = refusal("segment", &format!("{settings}\n{name} = 0.5"));
            assert!(error.starts_with(&format!("{name} is not for format = \"semantic\"")), "{error}");
        }
    }
}
