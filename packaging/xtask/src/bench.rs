//! `cargo xtask bench`: measures what would be shipped.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::cargo::{self, Profile};
use crate::packages::{self, For};
use crate::{dist, paths, shell, tools};

/// The benchmark's program.
const NAME: &str = "forgesyted-bench";
/// The variable that tells the benchmark which daemon to measure.
pub const PROGRAM_VARIABLE: &str = "FORGESYTED_BENCH_BIN";

/// Builds a release tree and runs the benchmark against its daemon.
///
/// # Errors
/// When a build or the benchmark fails.
pub fn bench(arguments: &[String]) -> Result<()> {
    let program = dist::dist(Profile::Release, &paths::target().join("dist"))?;
    let mut bench = Command::new(build()?);
    if arguments.iter().any(|argument| argument == "page" || argument == "--row=page") {
        packages::ensure(For::Test)?;
        bench.env(tools::NODE_PATH_VARIABLE, tools::node_packages()?);
    }
    shell::run(bench.args(arguments).current_dir(paths::root()).env(PROGRAM_VARIABLE, program))
}

/// Builds the benchmark, apart from the daemon: together, cargo would choose features for both. Returns its program.
///
/// # Errors
/// When the build fails.
pub fn build() -> Result<PathBuf> {
    let selection = ["--package", "forgesyted-tests", "--bin", NAME];
    let built = shell::step("building the benchmark", || cargo::build(Profile::Release, &selection))?;
    built.program(NAME)
}
