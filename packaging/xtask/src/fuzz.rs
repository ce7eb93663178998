//! `cargo xtask fuzz`: looks for bytes that a target of `tests/fuzz` panics on.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo::{self, Profile};
use crate::packages::For;
use crate::{paths, setup, shell};

/// Runs a target, or one after the other, for so long. What leads to new code is kept in `target/fuzz`, for the next time.
///
/// # Errors
/// When there is no such target, a build fails, or a target panics, takes long or takes much memory.
pub fn fuzz(target: Option<&str>, seconds: u64) -> Result<()> {
    let home = paths::root().join("tests/fuzz");
    let entries = fs::read_dir(home.join("corpus")).context("cannot list tests/fuzz/corpus")?;
    let mut names: Vec<_> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    if let Some(target) = target {
        if !names.iter().any(|name| name == target) {
            bail!("there is no target {target}; there are {}", names.join(", "));
        }
        names.retain(|name| name == target);
    }
    setup::setup(For::Build)?;
    let mut build = cargo::command("build");
    build.env("RUSTC_WORKSPACE_WRAPPER", home.join("instrumented"));
    let mut selection = vec!["--workspace", "--features", "forgesyted-fuzz/libfuzzer"];
    selection.extend(names.iter().flat_map(|name| ["--bin", name]));
    let built = shell::step("building the fuzz targets", || cargo::build_by(build, Profile::Dev, &selection))?;
    for name in &names {
        let found = paths::target().join("fuzz").join(name);
        fs::create_dir_all(&found).with_context(|| format!("cannot make the folder {}", found.display()))?;
        let mut run = Command::new(built.program(name)?);
        run.arg(&found).arg(home.join("corpus").join(name)).arg(format!("-artifact_prefix={}-", found.display()));
        run.args(["-timeout=10", "-rss_limit_mb=4096"]).arg(format!("-max_total_time={seconds}"));
        shell::step(&format!("fuzzing {name}"), || shell::run(&mut run))?;
    }
    Ok(())
}
