//! What every row is given: the daemon to measure, frames, a folder, and how long to take.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use load::{self, LoadPlan, LoadReport};

use crate::machine::{self, Cores};

/// The daemon to measure; `cargo xtask bench` sets it.
const PROGRAM_VARIABLE: &str = xtask::bench::PROGRAM_VARIABLE;
/// Different frames that are sent in turn.
const FRAMES: usize = 16;
/// Time before each measurement, for caches and TCP windows.
const WARM_UP: Duration = Duration::from_millis(500);

/// One run of the benchmarks.
#[derive(Debug)]
pub struct Bench {
    /// The release daemon.
    pub program: PathBuf,
    /// Camera-like frames, 640x480, about 50 kB each.
    pub frames: Vec<Bytes>,
    /// The core that a pinned server runs on.
    pub server_core: Cores,
    /// All other cores.
    pub other_cores: Cores,
    quick: bool,
    folder: Folder,
}

/// A folder that is removed at the end.
#[derive(Debug)]
struct Folder(PathBuf);

impl Bench {
    /// Finds the daemon and makes the frames.
    ///
    /// # Errors
    /// No daemon to measure, a machine of fewer cores than are needed, or a folder that cannot be written.
    pub fn new(quick: bool, cores_needed: usize) -> Result<Self> {
        let program = env::var_os(PROGRAM_VARIABLE).map(PathBuf::from).with_context(|| {
            format!("{PROGRAM_VARIABLE} names no daemon to measure: run `cargo xtask bench`, which builds and names it")
        })?;
        ensure!(program.is_file(), "{PROGRAM_VARIABLE} is {}, and there is no such file", program.display());
        let mut cores = machine::cores()?;
        ensure!(cores.len() >= cores_needed, "the benchmarks need two cores: one for the server and one for its load");
        let other_cores = cores.split_off(1.min(cores.len()));
        let folder = Folder(env::temp_dir().join(format!("forgesyted-bench-{}", process::id())));
        let frames = base::frame::synthetic::synthetic(640, 480, FRAMES).map_err(anyhow::Error::msg)?;
        let frame_folder = folder.0.join("frames");
        fs::create_dir_all(&frame_folder).with_context(|| format!("cannot make {}", frame_folder.display()))?;
        for (number, frame) in frames.iter().enumerate() {
            fs::write(frame_folder.join(format!("{number:02}.jpg")), frame).context("cannot write a frame")?;
        }
        Ok(Self { program, frames, server_core: cores, other_cores, quick, folder })
    }

    /// Where rows put their files.
    pub fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// The folder of the frames as files.
    pub fn frame_folder(&self) -> PathBuf {
        self.folder.0.join("frames")
    }

    /// Whether rounds are shorter, and figures rougher.
    pub fn is_quick(&self) -> bool {
        self.quick
    }

    /// How often a row alternates between its limit and the daemon.
    pub fn rounds(&self) -> usize {
        if self.quick { 3 } else { 5 }
    }

    /// A length of time: the first when the run is a full one, the second when it is quick.
    pub fn seconds(&self, full: u64, quick: u64) -> Duration {
        Duration::from_secs(if self.quick { quick } else { full })
    }

    /// A plan that sends the frames to `url` in a closed loop.
    pub fn plan(&self, url: &str, sessions: usize, duration: Duration) -> LoadPlan {
        LoadPlan { sessions, duration, warm_up: WARM_UP, ..LoadPlan::new(url, self.frames.clone()) }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Best effort: it lies in the system's folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the load generator on these cores (on any when none are given) and returns its report.
///
/// # Errors
/// When there is no report, or when a session ended early or broke the protocol: such figures mean nothing.
pub fn run_load(plan: LoadPlan, cores: Option<&Cores>) -> Result<LoadReport> {
    let report = machine::on_cores(cores, || -> Result<LoadReport> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(load::run(plan))?)
    })??;
    ensure!(report.errors.is_empty(), "a session ended early: {:?}", report.errors);
    ensure!(report.protocol_errors == 0, "the protocol was broken: {:?}", report.first_protocol_error);
    Ok(report)
}
