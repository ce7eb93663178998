//! `forgesyted check`: reads the configuration, loads and warms every pipeline, and says what it found: what is wrong first,
//! then what is there, then what is set.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::engine::Prepared;
use crate::pipeline::registry::{Loaded, PipelineRegistry};
use crate::pipeline::torch;
use base::capture;
use base::config::{self, CameraConfig, ConfigSource};

/// What was found, by how much it concerns the reader.
#[derive(Debug, Default)]
struct Report {
    errors: Vec<String>,
    warnings: Vec<String>,
    /// Lines of their own form: what is there.
    facts: Vec<String>,
}

/// Prints what it found, and the settings that are set; `all`: those that have their defaults too. Exit status 0 when all is
/// well, 1 otherwise.
pub fn run(source: &ConfigSource, all: bool) -> ExitCode {
    let loaded = match source.read() {
        Ok(loaded) => loaded,
        Err(error) => return base::command_line::print_rejected(&error),
    };
    let mut report = Report { warnings: loaded.warnings.clone(), ..Report::default() };
    if let Err(problem) = check(&loaded, &mut report) {
        report.errors.push(problem);
    }
    // Whoever reads only the first lines closes the pipe; the exit status tells the same.
    let _ = io::stdout().write_all(format!("{}{}", report.text(), config::describe(&loaded, all)).as_bytes());
    if report.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Report {
    fn text(&self) -> String {
        let errors = self.errors.iter().map(|error| format!("error    {error}\n"));
        let warnings = self.warnings.iter().map(|warning| format!("warning  {warning}\n"));
        errors.chain(warnings).chain(self.facts.iter().map(|fact| format!("{fact}\n"))).collect()
    }
}

/// Adds to the report; an error ends it early.
fn check(loaded: &config::Loaded, report: &mut Report) -> Result<(), String> {
    let Prepared { engine: plan, load, metrics } = Prepared::new(&loaded.config).map_err(|error| error.to_string())?;
    report.facts.push(format!(
        "device   {:?}, {} workers with {} threads each, libtorch {}",
        plan.device,
        plan.workers,
        plan.threads_per_worker,
        torch::TORCH_VERSION
    ));
    let found = PipelineRegistry::default().load(&load, &metrics);
    let missing = |dir: &std::path::PathBuf| format!("pipeline folder {} does not exist", dir.display());
    report.warnings.extend(found.missing_dirs.iter().map(missing));
    for pipeline in found.pipelines.values() {
        report.facts.push(format!(
            "pipeline {} ({}): nodes {}",
            pipeline.id(),
            pipeline.file().display(),
            pipeline.node_ids().join(" → ")
        ));
        for (node, found) in pipeline.comparisons() {
            report.facts.push(format!("note     node \"{node}\" of pipeline {} in {found}", pipeline.id()));
        }
    }
    report.errors.extend(found.rejected.iter().map(ToString::to_string));
    if found.pipelines.is_empty() {
        report.errors.push("no pipeline is loaded, so nothing can be served".to_owned());
    }
    check_cameras(&loaded.config.cameras, &found, report);
    Ok(())
}

/// A pipeline that is not there is an error; a device that is not there now may come.
fn check_cameras(cameras: &[CameraConfig], found: &Loaded, report: &mut Report) {
    for camera in cameras {
        let name = &camera.name;
        match &camera.pipeline {
            Some(id) if !found.pipelines.contains_key(id) => {
                report.errors.push(format!("camera \"{name}\": there is no pipeline \"{id}\""));
            }
            _ => {}
        }
        match capture::open(camera) {
            Ok(opened) => {
                report.facts.push(format!("camera   {name}: {}", opened.capture.agreed()));
                let note = |note: &String| format!("note     camera \"{name}\": {note}");
                report.facts.extend(opened.notes.iter().map(note));
            }
            Err(fault) => report.warnings.push(format!("camera \"{name}\": {fault}")),
        }
    }
}
