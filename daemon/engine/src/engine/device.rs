//! Where models run, and with how many threads. CUDA is opened at run time, and only where it exists: one build serves
//! boards with and without it.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use thiserror::Error;

use super::{EnginePlan, native};
use crate::pipeline::torch::{self, Device};
use base::config::{DeviceChoice, EngineConfig};

/// The library whose initialisers register CUDA with libtorch.
const CUDA_LIBRARY: &str = "libtorch_cuda.so";

/// Why models cannot be run as the configuration says.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// CUDA is asked for, and there is none.
    #[error("engine.device = \"cuda:{wanted}\": {reason}. Use \"cpu\" or \"auto\", or install a libtorch with CUDA.")]
    NoCuda {
        /// The device number asked for.
        wanted: usize,
        /// What was found instead.
        reason: String,
    },
    /// A library that the configuration names cannot be opened.
    #[error(
        "engine.libraries: \"{}\" cannot be opened ({reason}). Correct the setting, or bring the library and what it needs.",
        library.display()
    )]
    Library {
        /// As it stands in the setting.
        library: PathBuf,
        /// The dynamic linker's sentence.
        reason: String,
    },
    /// libtorch refused the daemon's own operators.
    #[error("cannot register operators with libtorch: {0}. This is a defect of the daemon: please report it.")]
    Operators(String),
    /// The metrics could not be registered.
    #[error("cannot register metrics: {0}. This is a defect of the daemon: please report it.")]
    Metrics(String),
}

/// Decides device, workers and threads, and makes libtorch ready to load models.
///
/// # Errors
/// [`PlanError`]; where there is no CUDA, `auto` falls back to the CPU.
pub fn plan(config: &EngineConfig) -> Result<EnginePlan, PlanError> {
    let device = match config.device {
        DeviceChoice::Cpu => Device::Cpu,
        DeviceChoice::Cuda(wanted) => match cuda_devices() {
            Ok(count) if wanted < count => Device::Cuda(wanted),
            Ok(count) => {
                return Err(PlanError::NoCuda { wanted, reason: format!("libtorch sees {count} CUDA devices") });
            }
            Err(reason) => return Err(PlanError::NoCuda { wanted, reason }),
        },
        DeviceChoice::Auto => match cuda_devices() {
            Ok(count) if count > 0 => Device::Cuda(0),
            _ => Device::Cpu,
        },
    };
    // After CUDA, which they may need, and before our operators, which they may bring themselves.
    for library in &config.libraries {
        let refused = |reason| PlanError::Library { library: library.clone(), reason };
        native::open_library(library).map_err(refused)?;
    }
    native::register_operators().map_err(PlanError::Operators)?;
    let cores = available_parallelism().map_or(1, NonZero::get);
    Ok(EnginePlan {
        device,
        workers: config.workers.unwrap_or_else(|| default_workers(device, cores, config.threads_per_worker)),
        threads_per_worker: config.threads_per_worker,
    })
}

/// One worker for a GPU; on a CPU as many as fill the cores, which gave the most frames a second (docs/architecture.md).
fn default_workers(device: Device, cores: usize, threads_per_worker: usize) -> usize {
    match device {
        Device::Cpu => (cores / threads_per_worker.max(1)).max(1),
        _ => 1,
    }
}

/// A device as the configuration would name it.
pub fn name(device: Device) -> String {
    match device {
        Device::Cpu => DeviceChoice::Cpu.to_string(),
        Device::Cuda(number) => DeviceChoice::Cuda(number).to_string(),
        // Nothing here chooses any other.
        other => format!("{other:?}"),
    }
}

/// How many CUDA devices libtorch sees, or why it cannot see any.
///
/// # Errors
/// Its CUDA library cannot be opened; the sentence says why.
pub fn cuda_devices() -> Result<usize, String> {
    if torch::cuda_devices() > 0 {
        return Ok(torch::cuda_devices());
    }
    native::open_library(Path::new(CUDA_LIBRARY))
        .map_err(|reason| format!("{CUDA_LIBRARY} cannot be opened ({reason})"))?;
    Ok(torch::cuda_devices())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_fill_the_cores_of_a_cpu() {
        for (device, cores, threads, expected) in
            [(Device::Cpu, 2, 1, 2), (Device::Cpu, 6, 4, 1), (Device::Cpu, 1, 4, 1), (Device::Cuda(0), 12, 1, 1)]
        {
            assert_eq!(default_workers(device, cores, threads), expected);
        }
    }
}
