//! From a pipeline file to a warm pipeline: read, check, build the nodes, run the whole on a sample frame.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use thiserror::Error;

use super::definition::{Defined, NodeDefinition};
use super::gate::Gate;
use super::graph::{self, GraphNode};
use super::image::{self, ImageNeed};
use super::nodes::{self, Models, NodeSetup};
use super::origin::{Named, Origin};
use super::service::{self, FrameFailure, FrameRun, Scratch};
use super::state::PipelineState;
use super::torch::{self, Comparison, Device, Trial};
use super::{Pipeline, PipelineNode};
use base::config::{self, DeviceChoice, PipelinesConfig, Precision};

/// Runs of the sample frame: libtorch's profiling executor optimises a module on its first two runs for a shape, and the
/// third shows that what it made works.
const WARM_UP_RUNS: u64 = 3;

/// What all pipelines are loaded with.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// Folders with pipeline files; a later folder's id replaces an earlier one's.
    pub dirs: Vec<PathBuf>,
    /// Folders with models, after the pipeline file's own.
    pub model_dirs: Vec<PathBuf>,
    /// Where models run, unless their node says otherwise.
    pub device: Device,
    /// What models compute with, unless their node says otherwise.
    pub precision: Precision,
}

impl LoadPlan {
    /// The folders of this configuration.
    pub fn new(config: &PipelinesConfig, device: Device, precision: Precision) -> LoadPlan {
        LoadPlan { dirs: config.dirs.clone(), model_dirs: config.model_dirs.clone(), device, precision }
    }
}

/// A pipeline file that was left out, and why.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}: {reason}{}", file.display(), if *.kept_previous { "; its previous version serves until a restart" } else { "" })]
pub struct Rejection {
    /// The file, or the folder that cannot be read.
    pub file: PathBuf,
    /// One sentence; it names the node where one is to blame.
    pub reason: String,
    /// Whether what was loaded from it before still serves.
    pub kept_previous: bool,
}

impl Rejection {
    /// The file's name without its folders.
    pub fn name(&self) -> Option<String> {
        self.file.file_name().map(|name| name.to_string_lossy().into_owned())
    }
}

/// Loads what a pipeline file defines and warms it up; notes in `files` which files its nodes named, also where it is refused.
pub(super) fn load(defined: &Defined, plan: &LoadPlan, files: &RefCell<Named>) -> Result<Pipeline, String> {
    load_whole(defined, plan, files).map_err(config::shortened)
}

fn load_whole(defined: &Defined, plan: &LoadPlan, files: &RefCell<Named>) -> Result<Pipeline, String> {
    let Defined { file, stamp, definition } = defined;
    // Nodes try their models while they are built.
    let _no_grad = torch::prepare_thread(1);
    let graph: Vec<GraphNode<'_>> = definition
        .nodes
        .iter()
        .map(|node| GraphNode { id: &node.id, inputs: node.inputs.iter().map(String::as_str).collect() })
        .collect();
    let order = graph::order(&graph).map_err(|error| error.to_string())?;
    let ordered: Vec<&NodeDefinition> = order.iter().filter_map(|&at| definition.nodes.get(at)).collect();
    let build = |node: &&NodeDefinition| build(node, &ordered, file, plan, files);
    let (built, trials): (Vec<PipelineNode>, Vec<_>) =
        ordered.iter().map(build).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let mut pipeline = Pipeline {
        name: definition.name.as_ref().unwrap_or(&definition.id).clone(),
        id: definition.id.clone(),
        file: file.to_owned(),
        image_need: built.iter().fold(ImageNeed::None, |need, node| need.and(node.node.needs())),
        max_batch: built.iter().map(|node| node.node.max_batch()).max().unwrap_or(1),
        nodes: built,
        origin: Origin { file: stamp.clone(), files: files.borrow().clone() },
        metrics: None,
        comparisons: Vec::new(),
    };
    // What is told of them is of the sample frame alone.
    trials.iter().flatten().for_each(|trial| trial.restart());
    warm_up(&pipeline)?;
    pipeline.nodes.iter().for_each(|node| node.node.end_trial());
    pipeline.comparisons = ended(&pipeline, &trials);
    Ok(pipeline)
}

/// Whether loading the pipeline's file now would make the same pipeline again.
pub(super) fn is_current(pipeline: &Pipeline, file: &Path, plan: &LoadPlan) -> bool {
    pipeline.origin.is_current(file, |named| find(named, file, plan))
}

/// Where a file that a pipeline file names is found now.
pub(super) fn find(named: &Path, file: &Path, plan: &LoadPlan) -> Option<PathBuf> {
    nodes::find_file(named, "file", folder_of(file), &plan.model_dirs).ok()
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("."))
}

fn build(
    node: &NodeDefinition,
    ordered: &[&NodeDefinition],
    file: &Path,
    plan: &LoadPlan,
    files: &RefCell<Named>,
) -> Result<(PipelineNode, Vec<Arc<Trial>>), String> {
    let refused = |reason: String| format!("node \"{}\": {reason}", node.id);
    let models = RefCell::new(Models::default());
    let setup = NodeSetup {
        id: &node.id,
        settings: &node.settings,
        inputs: &node.inputs,
        folder: folder_of(file),
        model_dirs: &plan.model_dirs,
        device: device(node.device, plan.device).map_err(refused)?,
        precision: node.precision.unwrap_or(plan.precision),
        max_batch: node.max_batch,
        files,
        models: &models,
    };
    let earlier = earlier(node, ordered);
    let gate = Gate::new(node.every, node.when.as_deref(), &earlier).map_err(|error| refused(error.to_string()))?;
    let (kind, built) = check_batch(node.max_batch).and_then(|()| nodes::build(&node.kind, &setup)).map_err(refused)?;
    if let Some(asked) = node.max_batch.filter(|&asked| asked > built.max_batch()) {
        return Err(refused(format!("max_batch = {asked}: this kind runs frame by frame; leave it out")));
    }
    let device = setup.device;
    let models = models.into_inner();
    let set = [("device", node.device.is_some()), ("precision", node.precision.is_some())];
    if let Some((key, _)) = set.iter().find(|(_, set)| *set && models.count == 0) {
        return Err(refused(format!("`{key}` is for a node that runs a model, and this one runs none; remove it")));
    }
    let inputs = earlier.iter().filter(|(id, _)| node.inputs.iter().any(|input| input == id)).map(|(_, at)| *at);
    let id = node.id.clone();
    let node = PipelineNode { id, kind, inputs: inputs.collect(), gate, device, node: built };
    Ok((node, models.trials))
}

/// The nodes that a node depends on, over however many others: ids and positions, in the order in which they run.
fn earlier<'a>(node: &NodeDefinition, ordered: &[&'a NodeDefinition]) -> Vec<(&'a str, usize)> {
    let mut needed: HashSet<&str> = node.inputs.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    // Inputs come first in the order; backwards, whoever needs a node is met before the node.
    for (at, other) in ordered.iter().enumerate().rev() {
        if needed.contains(other.id.as_str()) {
            needed.extend(other.inputs.iter().map(String::as_str));
            found.push((other.id.as_str(), at));
        }
    }
    found.reverse();
    found
}

/// Where a node's models run.
fn device(wanted: Option<DeviceChoice>, engines: Device) -> Result<Device, String> {
    match wanted {
        None | Some(DeviceChoice::Auto) => Ok(engines),
        Some(DeviceChoice::Cpu) => Ok(Device::Cpu),
        Some(DeviceChoice::Cuda(number)) => match torch::cuda_devices() {
            count if number < count => Ok(Device::Cuda(number)),
            count => Err(format!(
                "device = \"cuda:{number}\", and libtorch sees {count} CUDA devices; take another, or \"cpu\". CUDA is looked for where \
                 engine.device is \"auto\" or a CUDA device"
            )),
        },
    }
}

/// Ends the trials of half precision, each node's, and says what they found.
fn ended(pipeline: &Pipeline, trials: &[Vec<Arc<Trial>>]) -> Vec<(String, Comparison)> {
    let of_node = |(node, trials): (&PipelineNode, &Vec<Arc<Trial>>)| {
        let id = node.id.clone();
        let found: Vec<Comparison> = trials.iter().filter_map(|trial| trial.end()).collect();
        found.into_iter().map(move |found| (id.clone(), found))
    };
    pipeline.nodes.iter().zip(trials).flat_map(of_node).collect()
}

fn check_batch(asked: Option<usize>) -> Result<(), String> {
    match asked {
        Some(asked) if !(1..=nodes::MOST_BATCH_FRAMES).contains(&asked) => {
            Err(format!("max_batch = {asked}: a batch has 1 to {} frames", nodes::MOST_BATCH_FRAMES))
        }
        _ => Ok(()),
    }
}

/// Runs the sample frame, alone and in the largest batch, as often as libtorch needs to be at its best.
fn warm_up(pipeline: &Pipeline) -> Result<(), String> {
    let sample = image::sample_frame()?;
    let mut scratch = Scratch::default();
    let mut run_on = |frame_index: u64, states: &mut [PipelineState]| {
        let run = |state| FrameRun { frame_index, frame: &sample, could_run_at: Instant::now(), state };
        let mut runs: Vec<FrameRun<'_>> = states.iter_mut().map(run).collect();
        service::run_on_frames(pipeline, &mut runs, &mut scratch).into_iter().try_for_each(|outcome| {
            outcome.map(drop).map_err(|failure| match failure {
                FrameFailure::Node { node, reason } => format!("node \"{node}\" fails on the sample frame: {reason}"),
                FrameFailure::Undecodable(error) => format!("the sample frame does not decode: {error}"),
            })
        })
    };
    let mut states: Vec<PipelineState> = (0..pipeline.max_batch).map(|_| PipelineState::warming_up()).collect();
    let (mut alone, together) = (PipelineState::warming_up(), pipeline.max_batch > 1);
    for frame_index in 1..=WARM_UP_RUNS {
        run_on(frame_index, std::slice::from_mut(&mut alone))?;
        if together {
            run_on(frame_index, &mut states)?;
        }
    }
    Ok(())
}
