//! `forgesyted check`: reads the configuration, loads and warms every pipeline, and says what it found.

use std::process::ExitCode;

use crate::config::{self, CameraConfig, ConfigSource};
use crate::engine::device;
use crate::pipeline::registry::{Loaded, PipelineRegistry};
use crate::pipeline::{LoadPlan, torch};
use crate::source::camera;
use crate::telemetry::metrics::Metrics;

/// Prints every setting with its origin, then each pipeline; exit status 0 when all is well, 1 otherwise.
pub fn run(source: &ConfigSource) -> ExitCode {
    let loaded = match source.read() {
        Ok(loaded) => loaded,
        Err(error) => return super::print_rejected(&error),
    };
    match check(&loaded) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problems) => {
            problems.iter().for_each(|problem| println!("error    {problem}"));
            ExitCode::FAILURE
        }
    }
}

fn check(loaded: &config::Loaded) -> Result<bool, Vec<String>> {
    print!("{}", config::describe(loaded));
    loaded.warnings.iter().for_each(|warning| println!("warning  {warning}"));
    torch::prepare_process();
    let plan = device::plan(&loaded.config.engine).map_err(|error| vec![error.to_string()])?;
    println!(
        "device   {:?}, {} workers with {} threads each, libtorch {}",
        plan.device,
        plan.workers,
        plan.threads_per_worker,
        torch::TORCH_VERSION
    );
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), torch::TORCH_VERSION).map_err(|e| vec![e.to_string()])?;
    let pipelines = &loaded.config.pipelines;
    let load = LoadPlan {
        dirs: pipelines.dirs.clone(),
        model_dirs: pipelines.model_dirs.clone(),
        device: plan.device,
        precision: loaded.config.engine.precision,
    };
    let found = PipelineRegistry::default().load(&load, &metrics);
    for dir in &found.missing_dirs {
        println!("warning  pipeline folder {} does not exist", dir.display());
    }
    for pipeline in found.pipelines.values() {
        println!(
            "pipeline {} ({}): nodes {}",
            pipeline.id(),
            pipeline.file().display(),
            pipeline.node_ids().join(" → ")
        );
        for (node, found) in pipeline.comparisons() {
            println!("note     node \"{node}\" of pipeline {} in {found}", pipeline.id());
        }
    }
    for rejection in &found.rejected {
        println!("error    {rejection}");
    }
    if found.pipelines.is_empty() {
        println!("error    no pipeline is loaded, so nothing can be served");
    }
    let cameras_fit = check_cameras(&loaded.config.cameras, &found);
    Ok(found.rejected.is_empty() && !found.pipelines.is_empty() && cameras_fit)
}

/// Prints what is wrong with cameras: a pipeline that is not there is an error; a device that is not there now may come.
fn check_cameras(cameras: &[CameraConfig], found: &Loaded) -> bool {
    let mut fit = true;
    for camera in cameras {
        let name = &camera.name;
        match &camera.pipeline {
            Some(id) if !found.pipelines.contains_key(id) => {
                println!("error    camera \"{name}\": there is no pipeline \"{id}\"");
                fit = false;
            }
            _ => {}
        }
        match camera::open(camera) {
            Ok(opened) => {
                println!("camera   {name}: {}", opened.capture.agreed());
                opened.notes.iter().for_each(|note| println!("note     camera \"{name}\": {note}"));
            }
            Err(fault) => println!("warning  camera \"{name}\": {fault}"),
        }
    }
    fit
}
