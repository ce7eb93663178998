//! `forgesyted inspect`: what the engine program finds out about itself, for `forgesyted doctor`, which need not link libtorch.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::engine::{Prepared, device};
use crate::pipeline::registry::PipelineRegistry;
use crate::pipeline::torch;
use base::config::{Config, ConfigSource};
use base::launch::report::EngineReport;

/// Prints an [`EngineReport`] as one line of JSON. Exit status 1 where the configuration cannot be read.
pub fn run(source: &ConfigSource) -> ExitCode {
    match source.read() {
        Ok(loaded) => {
            // Texts and numbers: they can always be written.
            println!("{}", serde_json::to_string(&report(&loaded.config)).unwrap_or_default());
            ExitCode::SUCCESS
        }
        Err(error) => base::command_line::fail(&error),
    }
}

fn report(config: &Config) -> EngineReport {
    let prepared = Prepared::new(config);
    let cuda = device::cuda_devices();
    let mut report = EngineReport {
        torch: torch::TORCH_VERSION.to_owned(),
        library: loaded_library(),
        cuda_devices: *cuda.as_ref().unwrap_or(&0),
        no_cuda: cuda.err(),
        ..EngineReport::default()
    };
    let Prepared { engine: plan, load, metrics } = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            report.device_error = Some(error.to_string());
            return report;
        }
    };
    report.device = Some(match plan.device {
        torch::Device::Cuda(number) => format!("cuda:{number}"),
        _ => "cpu".to_owned(),
    });
    report.workers = plan.workers;
    let loaded = PipelineRegistry::default().load(&load, &metrics);
    report.pipelines = loaded.pipelines.into_keys().collect();
    report.rejected = loaded.rejected.iter().map(ToString::to_string).collect();
    report.missing_dirs = loaded.missing_dirs;
    report
}

/// Where this process has its libtorch from.
fn loaded_library() -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("/libtorch_cpu.so"))?;
    line.find('/').and_then(|at| line.get(at..)).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_says_what_was_loaded() {
        let folder = std::env::temp_dir().join(format!("forgesyted-inspect-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a.toml"), "id = \"a\"\n[[node]]\nid = \"n\"\nkind = \"noop\"\n").unwrap();
        fs::write(folder.join("b.toml"), "id = \"b\"\n").unwrap();
        let mut config = Config::default();
        config.pipelines.dirs = vec![folder.clone(), "/no/such/folder".into()];
        config.engine.device = base::config::DeviceChoice::Cpu;
        let found = report(&config);
        assert_eq!((found.device.as_deref(), &*found.torch), (Some("cpu"), torch::TORCH_VERSION));
        assert!(found.library.unwrap().ends_with("libtorch_cpu.so"));
        assert_eq!((found.pipelines, found.missing_dirs), (vec!["a".to_owned()], vec!["/no/such/folder".into()]));
        assert!(found.rejected.len() == 1 && found.rejected[0].contains("b.toml: "), "{:?}", found.rejected);
        assert_eq!(found.cuda_devices == 0, found.no_cuda.is_some() || found.cuda_devices == 0);
        fs::remove_dir_all(folder).unwrap();
    }
}
