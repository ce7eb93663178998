//! `cargo xtask dist`: a tree that runs from anywhere.
//!
//! Lives here: building the daemon's two programs and putting them beside its libraries, pipelines, models and configuration. `tree`
//! says which file goes where, `place` puts it there. Does not live here: how the daemon finds its neighbours (its build
//! script and its configuration), packages for a distribution.

mod place;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cargo::{self, Built, Profile};
use crate::packages::For;
use crate::{paths, setup, shell};

/// Sets up, builds the daemon and lays out the tree in `out`; returns the path of the daemon in it.
///
/// # Errors
/// When the build fails, a file cannot be put in its place, or the daemon of the tree does not start.
pub fn dist(profile: Profile, out: &Path) -> Result<PathBuf> {
    setup::setup(For::Build)?;
    let built = shell::step(&format!("building forgesyted ({})", profile.name()), || {
        cargo::build(profile, &[cargo::FRONT, cargo::ENGINE].concat())
    })?;
    lay_out(&built, out)
}

/// Lays out the tree around programs that have been built; returns the path of the daemon in it.
///
/// # Errors
/// When a file cannot be put in its place, or the daemon of the tree does not start.
pub fn lay_out(built: &Built, out: &Path) -> Result<PathBuf> {
    let link = paths::libtorch_link();
    let libtorch =
        fs::canonicalize(&link).with_context(|| format!("{} leads nowhere: run cargo xtask setup", link.display()))?;
    let out = std::path::absolute(out).context("the folder for the tree has no absolute path")?;
    let placed = place::place(&tree::items(&built.front()?, &built.engine()?, &libtorch, &paths::config())?, &out)?;
    let [program, engine] = [tree::FRONT, tree::ENGINE_PROGRAM].map(|program| out.join(program));
    for program in [&program, &engine] {
        shell::output(Command::new(program).arg("--version").env_clear()).with_context(|| {
            format!("the tree was laid out, but {} does not start without any environment variable", program.display())
        })?;
    }
    eprintln!("xtask: {}: {} files, {} of them new", out.display(), placed.total, placed.new);
    Ok(program)
}
