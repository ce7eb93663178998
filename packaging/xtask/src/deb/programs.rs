//! The programs that a package holds: built, and freed of what only a debugger reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::trim;
use crate::arch::Arch;
use crate::cargo::{self, Built, Profile};
use crate::{cross, libtorch, paths, shell};

/// What the packages are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// The daemon that runs models, linked with libtorch.
    pub engine: PathBuf,
    /// The daemon's front, built without libtorch.
    pub front: PathBuf,
    /// A front that runs on this machine.
    pub guide: PathBuf,
    /// The CPU-only libtorch that the engine was built against.
    pub libtorch: PathBuf,
}

/// Builds the programs for an architecture, for a foreign one by [`cross::build`].
///
/// # Errors
/// When something to build with is missing, or a build fails.
pub fn build(arch: Arch, profile: Profile) -> Result<Programs> {
    if arch != Arch::host()? {
        let cross::Programs { engine, front, libtorch } = cross::build(arch, profile)?;
        return Ok(Programs { engine, front, guide: build_front(profile)?, libtorch });
    }
    if profile == Profile::Dev {
        // As `cargo xtask test` selects them: nothing is built twice.
        let all = ["--workspace", "--bins", "--tests"];
        return of(&shell::step("building the programs (dev)", || cargo::build(profile, &all))?);
    }
    let engine = shell::step("building the engine program (release)", || {
        cargo::build_by(command(profile), profile, cargo::ENGINE)?.engine()
    })?;
    around(engine, build_front(profile)?)
}

/// The programs of this machine's architecture that a build has left.
///
/// # Errors
/// When it has left none, or the engine was not built against the CPU-only libtorch.
pub fn of(built: &Built) -> Result<Programs> {
    around(built.engine()?, built.front()?)
}

fn around(engine: PathBuf, front: PathBuf) -> Result<Programs> {
    let libtorch = libtorch::cpu_folder(Arch::host()?)?;
    let link = paths::libtorch_link();
    if fs::canonicalize(&link).ok() != fs::canonicalize(&libtorch).ok() {
        bail!("{} leads to another libtorch than the CPU-only one in the cache, which packages need", link.display());
    }
    Ok(Programs { engine, guide: front.clone(), front, libtorch })
}

/// Builds the front for this machine.
fn build_front(profile: Profile) -> Result<PathBuf> {
    shell::step(&format!("building the front ({})", profile.name()), || {
        cargo::build_by(command(profile), profile, cargo::FRONT)?.front()
    })
}

/// A `cargo build` for this machine. A release for a package names no folder of this machine, which the daemon of `cargo xtask
/// run` need not care about: it has a build folder of its own.
fn command(profile: Profile) -> Command {
    let mut cargo = cargo::command("build");
    if profile == Profile::Release {
        let folder = paths::target().join("deb").join("build");
        cargo.arg("--target-dir").arg(&folder);
        trim::machine_and_day(&mut cargo, &folder, &paths::libtorch_link());
    }
    cargo
}

/// What the daemon's build script has the engine program look for libtorch in, before the folder of the build.
const SEARCH_PATH: &[u8] = b"$ORIGIN/../lib:";

/// Copies a program into a folder, without its symbols, and without the folder of this checkout in which one of the dev profile
/// looks for libtorch.
pub(super) fn strip(program: &Path, arch: Arch, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let to = folder.join(program.file_name().context("a program has a name")?);
    let mut strip = Command::new(arch.tool("strip"));
    strip.args(["--strip-unneeded", "--remove-section=.comment", "--remove-section=.note", "-o"]).arg(&to).arg(program);
    shell::run(&mut strip)?;
    let what = || format!("cannot change {}", to.display());
    let mut bytes = fs::read(&to).with_context(what)?;
    if end_search_path(&mut bytes) {
        fs::write(&to, bytes).with_context(what)?;
    }
    Ok(to)
}

/// Ends the search path after its first folder; false when it has no more.
fn end_search_path(program: &mut [u8]) -> bool {
    let Some(start) = program.windows(SEARCH_PATH.len()).position(|window| window == SEARCH_PATH) else {
        return false;
    };
    let rest = program.iter_mut().skip(start + SEARCH_PATH.len() - 1);
    rest.take_while(|byte| **byte != 0).for_each(|byte| *byte = 0);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_installed_folder_is_searched() {
        let mut program = b"\x7fELF\0$ORIGIN/../lib:/build/libtorch/lib\0libc10.so\0".to_vec();
        assert!(end_search_path(&mut program));
        let rest = [0; ":/build/libtorch/lib".len()];
        assert_eq!(program, [b"\x7fELF\0$ORIGIN/../lib".as_slice(), &rest, b"\0libc10.so\0"].concat());
        assert!(!end_search_path(&mut program));
    }
}
