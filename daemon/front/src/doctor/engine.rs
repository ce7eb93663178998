//! libtorch, the device and the pipelines: what the engine program says of itself, or why it cannot be asked.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::geteuid;

use super::accounts::Service;
use super::finding::Finding;
use crate::service_user;
use base::config::ConfigSource;
use base::launch::child;
use base::launch::report::{EngineRefused, EngineReport};

/// Longest that loading and trying every pipeline may take.
const LIMIT: Duration = Duration::from_secs(120);
/// Nodes of NVIDIA's GPUs: cards, and Jetson's integrated ones.
const GPU_NODES: [&str; 4] = ["dev/nvidia0", "dev/nvhost-gpu", "dev/nvgpu", "dev/nvmap"];

/// What came of asking the engine program.
#[derive(Debug)]
pub enum Engine {
    /// It cannot be started with the libtorch that there is.
    Refused(String),
    /// It was started, and gave no answer.
    Failed(String),
    /// Its answer.
    Answered(EngineReport),
}

/// Asks this program, which becomes the engine program with the same configuration and variables. Of an installation, root asks it as the
/// service's user: libtorch is looked for, loaded and run with the rights that the service has, and not with root's.
pub fn gather(source: &ConfigSource, others: &[(String, String)], service: Option<&Service>) -> Engine {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Engine::Failed(format!("this program cannot be found: {error}")),
    };
    let variables = [others, &source.environment].concat();
    let mut command = match service.filter(|_| geteuid().is_root()) {
        Some(service) => service_user::command(service, &program, &variables),
        None => {
            let mut command = Command::new(program);
            command.envs(variables);
            command
        }
    };
    command.arg("inspect");
    if let Some(file) = &source.file {
        command.arg("--config").arg(std::path::absolute(file).unwrap_or_else(|_| file.clone()));
    }
    match child::ask(&mut command, LIMIT) {
        Ok(answer) => {
            let line = answer.output.lines().rfind(|line| line.starts_with('{')).unwrap_or_default();
            if let Ok(EngineRefused { refusal }) = serde_json::from_str(line) {
                return Engine::Refused(refusal);
            }
            serde_json::from_str(line).map_or_else(
                |_| {
                    let complaint = answer.complaints.lines().rfind(|line| !line.trim().is_empty());
                    Engine::Failed(format!("it ended with {} ({})", answer.status, complaint.unwrap_or("no message")))
                },
                Engine::Answered,
            )
        }
        Err(error) => Engine::Failed(error.to_string()),
    }
}

/// The node of a GPU below `root`.
pub fn gpu_node(root: &Path) -> Option<PathBuf> {
    GPU_NODES.iter().find(|node| root.join(node).exists()).map(|node| Path::new("/").join(node))
}

/// libtorch, device and pipelines.
pub fn judge(engine: &Engine, gpu: Option<&Path>) -> Vec<Finding> {
    let report = match engine {
        Engine::Answered(report) => report,
        Engine::Refused(refusal) => {
            let libtorch =
                Finding::error("libtorch", refusal, "do what this line says; `forgesyted serve` ends with it");
            return vec![libtorch, without("device"), without("pipelines")];
        }
        Engine::Failed(why) => {
            let advice = "`forgesyted check` shows where it stops";
            let libtorch = Finding::error("libtorch", format!("the engine program gave no answer: {why}"), advice);
            return vec![libtorch, without("device"), without("pipelines")];
        }
    };
    let library = report.library.as_ref().map_or("an unknown place".into(), |path| path.to_string_lossy());
    let libtorch = Finding::ok("libtorch", format!("{} from {library}", report.torch));
    vec![libtorch, device(report, gpu), pipelines(report)]
}

fn without(check: &'static str) -> Finding {
    Finding::skipped(check, "not without the engine program")
}

fn device(report: &EngineReport, gpu: Option<&Path>) -> Finding {
    if let Some(error) = &report.device_error {
        return Finding::error("device", error, "correct the setting that it names, or bring what is missing");
    }
    let device = report.device.as_deref().unwrap_or("unknown");
    let workers = report.workers;
    let why = report.no_cuda.as_deref().unwrap_or("libtorch sees no CUDA device");
    match (device, gpu) {
        ("cpu", Some(node)) if report.cuda_devices == 0 => Finding::warning(
            "device",
            format!("cpu with {workers} workers, though there is a GPU ({}): {why}", node.display()),
            "models run much faster with a libtorch that has CUDA: set engine.libtorch to its folder, such as that of \
             NVIDIA's Python package",
        ),
        ("cpu", None) => Finding::ok("device", format!("cpu with {workers} workers; no NVIDIA GPU is here")),
        ("cpu", Some(_)) => Finding::ok("device", format!("cpu with {workers} workers, as configured")),
        _ => Finding::ok("device", format!("{device} of {} CUDA devices", report.cuda_devices)),
    }
}

fn pipelines(report: &EngineReport) -> Finding {
    let serves = report.pipelines.join(", ");
    if !report.rejected.is_empty() {
        let refused = report.rejected.join("; ");
        let found =
            if serves.is_empty() { format!("none serves; {refused}") } else { format!("{serves}; but {refused}") };
        return Finding::error("pipelines", found, "correct the file, then `systemctl reload forgesyted`");
    }
    if report.device.is_none() {
        return Finding::skipped("pipelines", "not without a device");
    }
    if serves.is_empty() {
        let missing: Vec<_> = report.missing_dirs.iter().map(|folder| folder.display().to_string()).collect();
        let found = if missing.is_empty() { String::new() } else { format!("; there is no {}", missing.join(", ")) };
        return Finding::error(
            "pipelines",
            format!("none is loaded, so nothing can be served{found}"),
            "put pipeline files into a folder of pipelines.dirs, or correct that setting",
        );
    }
    Finding::ok("pipelines", serves)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Status;
    use crate::doctor::tests::{Root, statuses};

    fn good() -> EngineReport {
        EngineReport {
            torch: "2.11.0".into(),
            library: Some("/l/libtorch_cpu.so".into()),
            device: Some("cpu".into()),
            workers: 4,
            pipelines: vec!["noop".into(), "scene".into()],
            no_cuda: Some("libtorch_cuda.so cannot be opened".into()),
            ..EngineReport::default()
        }
    }

    #[test]
    fn verdicts() {
        use Status::{Error, Ok, Skipped, Warning};
        let gpu = Some(Path::new("/dev/nvidia0"));
        let cuda = EngineReport { device: Some("cuda:0".into()), cuda_devices: 1, no_cuda: None, ..good() };
        for (engine, gpu, expected, words) in [
            (Engine::Answered(good()), None, [Ok, Ok, Ok], "no NVIDIA GPU"),
            (Engine::Answered(good()), gpu, [Ok, Warning, Ok], "libtorch_cuda.so cannot be opened"),
            (Engine::Answered(cuda.clone()), gpu, [Ok, Ok, Ok], "cuda:0 of 1"),
            (Engine::Answered(EngineReport { device: Some("cpu".into()), ..cuda }), gpu, [Ok, Ok, Ok], "as configured"),
            (
                Engine::Answered(EngineReport {
                    device: None,
                    device_error: Some("no cuda:7".into()),
                    pipelines: vec![],
                    ..good()
                }),
                gpu,
                [Ok, Error, Skipped],
                "no cuda:7",
            ),
            (
                Engine::Answered(EngineReport { rejected: vec!["a.toml: no node".into()], ..good() }),
                None,
                [Ok, Ok, Error],
                "noop, scene; but a.toml: no node",
            ),
            (
                Engine::Answered(EngineReport { pipelines: vec![], missing_dirs: vec!["/p".into()], ..good() }),
                None,
                [Ok, Ok, Error],
                "there is no /p",
            ),
            (Engine::Refused("there is no libtorch".into()), gpu, [Error, Skipped, Skipped], "there is no libtorch"),
            (Engine::Failed("it did not end".into()), None, [Error, Skipped, Skipped], "it did not end"),
        ] {
            let findings = judge(&engine, gpu);
            assert_eq!(statuses(&findings), expected, "{findings:?}");
            assert!(findings.iter().any(|finding| finding.found.contains(words)), "{findings:?}");
        }
    }

    #[test]
    fn gpus_are_known_by_their_nodes() {
        assert_eq!(gpu_node(&Root::new("jetson-gpu", &[("dev/nvhost-gpu", "")]).0), Some("/dev/nvhost-gpu".into()));
        assert_eq!(gpu_node(&Root::new("no-gpu", &[("dev/null", "")]).0), None);
    }
}
