//! `forgesyted check`: reads the configuration, loads and warms every pipeline, and says what it found.

use std::process::ExitCode;

use crate::app::ConfigSource;
use crate::config;
use crate::engine::device;
use crate::pipeline::registry::PipelineRegistry;
use crate::pipeline::{LoadPlan, torch};
use crate::telemetry::metrics::Metrics;

/// Prints every setting with its origin, then each pipeline; exit status 0 when all is well, 1 otherwise.
pub fn run(source: &ConfigSource) -> ExitCode {
    match check(source) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problems) => {
            problems.iter().for_each(|problem| println!("error    {problem}"));
            ExitCode::FAILURE
        }
    }
}

fn check(source: &ConfigSource) -> Result<bool, Vec<String>> {
    let loaded = source.read().map_err(|error| error.problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    print!("{}", config::describe(&loaded));
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
    let load = LoadPlan { dirs: pipelines.dirs.clone(), model_dirs: pipelines.model_dirs.clone(), device: plan.device };
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
    }
    for rejection in &found.rejected {
        println!("error    {rejection}");
    }
    if found.pipelines.is_empty() {
        println!("error    no pipeline is loaded, so nothing can be served");
    }
    Ok(found.rejected.is_empty() && !found.pipelines.is_empty())
}
