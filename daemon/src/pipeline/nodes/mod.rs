//! Node kinds, one file each. Lives here: what a kind's settings are and what it makes of a frame. Does not live here:
//! the order of nodes (`graph`), decoding (`image`) and libtorch itself (`torch`).

mod measure;
mod noop;

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::image::{ImageNeed, Picture, Scaler};
use super::origin::Stamp;
use super::torch::Device;

/// The table of kinds: a name in pipeline files, and what builds it. A new kind is a file and a line here.
const KINDS: &[(&str, Build)] = &[("measure", measure::build), ("noop", noop::build)];

type Build = fn(&NodeSetup<'_>) -> Result<Box<dyn Node>, String>;

/// One step of a pipeline, ready to run. It is shared by all workers.
pub trait Node: Send + Sync + fmt::Debug {
    /// How much of the picture it needs.
    fn needs(&self) -> ImageNeed;

    /// Makes its output of a frame.
    ///
    /// # Errors
    /// One sentence for the log, without a trace.
    fn run(&self, payload: &Payload<'_>, scaler: &mut Scaler) -> Result<Map<String, Value>, String>;
}

/// What a node sees of a frame.
#[derive(Debug)]
pub struct Payload<'a> {
    /// The frame's number in its session.
    pub frame_index: u64,
    /// The picture; none in a pipeline of which no node needs one.
    pub image: Option<Picture<'a>>,
    /// The outputs of the nodes named in `inputs`, merged; later nodes win.
    pub upstream: Map<String, Value>,
}

/// What a node is built from.
#[derive(Clone, Copy, Debug)]
pub struct NodeSetup<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its own settings.
    pub settings: &'a toml::Table,
    /// The pipeline file's folder, searched first for models.
    pub folder: &'a Path,
    /// The configured model folders, searched next.
    pub model_dirs: &'a [PathBuf],
    /// Where models run.
    pub device: Device,
    /// The models found so far.
    pub(super) models: &'a RefCell<Vec<(PathBuf, Stamp)>>,
}

/// Builds a node of a kind; also gives the kind's name as it stands in the table.
///
/// # Errors
/// One sentence: the unknown kind, the setting that is wrong, or why the model does not load.
pub fn build(kind: &str, setup: &NodeSetup<'_>) -> Result<(&'static str, Box<dyn Node>), String> {
    let Some((name, build)) = KINDS.iter().find(|(name, _)| *name == kind) else {
        let known: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
        return Err(format!("unknown kind \"{kind}\"; known kinds: {}", known.join(", ")));
    };
    Ok((name, build(setup)?))
}

impl NodeSetup<'_> {
    /// The settings as a kind's own struct.
    fn settings<T: DeserializeOwned>(&self) -> Result<T, String> {
        self.settings.clone().try_into().map_err(|error: toml::de::Error| error.message().replace('\n', " "))
    }

    /// Finds a model file and notes it as one that the pipeline is made of.
    fn find_model(&self, model: &Path) -> Result<PathBuf, String> {
        let found = find_model(model, self.folder, self.model_dirs)?;
        self.models.borrow_mut().extend(Stamp::of(&found).map(|stamp| (model.to_owned(), stamp)));
        Ok(found)
    }
}

/// Finds a model file: as it stands when absolute, else beside the pipeline file, then in the model folders.
pub(super) fn find_model(model: &Path, folder: &Path, model_dirs: &[PathBuf]) -> Result<PathBuf, String> {
    let folders = std::iter::once(folder).chain(model_dirs.iter().map(PathBuf::as_path));
    let mut candidates: Vec<PathBuf> = folders.map(|folder| folder.join(model)).collect();
    candidates.dedup();
    match candidates.iter().find(|candidate| candidate.is_file()) {
        Some(found) => Ok(found.clone()),
        None => {
            let places: Vec<String> = candidates.iter().map(|place| place.display().to_string()).collect();
            Err(format!(
                "model \"{}\" is not there; looked for {}. Put it there, or correct `model` or pipelines.model_dirs",
                model.display(),
                places.join(", ")
            ))
        }
    }
}
