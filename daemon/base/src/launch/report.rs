//! What the engine program finds out about itself, as JSON from `forgesyted inspect` to `forgesyted doctor`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The front's answer where it cannot start the engine program.
#[derive(Debug, Serialize, Deserialize)]
pub struct EngineRefused {
    /// Why not.
    pub refusal: String,
}

/// The answer of `forgesyted inspect`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineReport {
    /// The version of libtorch that the program is built for.
    pub torch: String,
    /// The libtorch that was loaded.
    pub library: Option<PathBuf>,
    /// Where models run; `None` where `device_error` says why not.
    pub device: Option<String>,
    /// Why the configured device cannot be used.
    pub device_error: Option<String>,
    /// CUDA devices that libtorch sees.
    pub cuda_devices: usize,
    /// Why it sees none.
    pub no_cuda: Option<String>,
    /// Threads that run models.
    pub workers: usize,
    /// The pipelines that were loaded and run once.
    pub pipelines: Vec<String>,
    /// Files that were refused, each with its reason.
    pub rejected: Vec<String>,
    /// Configured folders that do not exist.
    pub missing_dirs: Vec<PathBuf>,
}
