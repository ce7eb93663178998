//! `cargo xtask bench`: measures what would be shipped.

use anyhow::Result;

use crate::cargo::{self, Profile};
use crate::{dist, paths, shell};

/// The variable that tells the benchmark which daemon to measure.
pub const PROGRAM_VARIABLE: &str = "FORGESYTED_BENCH_BIN";

/// Builds a release tree and runs the benchmark against its daemon.
///
/// # Errors
/// When a build or the benchmark fails.
pub fn bench(arguments: &[String]) -> Result<()> {
    let program = dist::dist(Profile::Release, &paths::target().join("dist"))?;
    let mut cargo = cargo::command("run");
    cargo.args(["--release", "--package", "forgesyted-tests", "--bin", "forgesyted-bench", "--"]).args(arguments);
    shell::run(cargo.env(PROGRAM_VARIABLE, program))
}
