//! The programs that a package holds: built, and freed of what only a debugger reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::trim;
use crate::arch::Arch;
use crate::cargo::{self, Profile};
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

/// As `cargo xtask test` selects the daemon: with the same features, nothing is built twice.
const DEV: &[&str] = &["--workspace", "--bins", "--tests"];
const ENGINE: &[&str] = &["--package", "forgesyted", "--bin", "forgesyted"];
const FRONT: &[&str] = &["--package", "forgesyted", "--bin", "forgesyted", "--no-default-features"];

/// Builds the programs for an architecture, for a foreign one by [`cross::build`].
///
/// # Errors
/// When something to build with is missing, or a build fails.
pub fn build(arch: Arch, profile: Profile) -> Result<Programs> {
    if arch != Arch::host()? {
        let cross::Programs { engine, front, libtorch } = cross::build(arch, profile)?;
        return Ok(Programs { engine, front, guide: self::front(profile)?, libtorch });
    }
    let engine = shell::step(&format!("building forgesyted ({})", profile.name()), || {
        let selection = if profile == Profile::Dev { DEV } else { ENGINE };
        cargo::build_by(command(profile, "engine"), profile, selection)?.program("forgesyted")
    })?;
    with_engine(&engine, profile)
}

/// The programs of this machine's architecture around an engine program that has been built.
///
/// # Errors
/// When the front cannot be built, or the engine was not built against the CPU-only libtorch.
pub fn with_engine(engine: &Path, profile: Profile) -> Result<Programs> {
    let libtorch = libtorch::cpu_folder(Arch::host()?)?;
    let link = paths::libtorch_link();
    if fs::canonicalize(&link).ok() != fs::canonicalize(&libtorch).ok() {
        bail!("{} leads to another libtorch than the CPU-only one in the cache, which packages need", link.display());
    }
    let front = front(profile)?;
    Ok(Programs { engine: engine.to_path_buf(), guide: front.clone(), front, libtorch })
}

/// Builds the front for this machine.
fn front(profile: Profile) -> Result<PathBuf> {
    shell::step(&format!("building the front of forgesyted ({})", profile.name()), || {
        cargo::build_by(command(profile, "front"), profile, FRONT)?.program("forgesyted")
    })
}

/// A `cargo build` for this machine. Both programs have one name, so each is built in a folder of its own; and a release
/// for a package names no folder of this machine, which the daemon of `cargo xtask run` need not care about.
fn command(profile: Profile, what: &str) -> Command {
    let mut cargo = cargo::command("build");
    let folder = match (profile, what) {
        (Profile::Dev, "engine") => return cargo,
        (Profile::Dev, _) => paths::target().join("front"),
        (Profile::Release, _) => paths::target().join("deb").join(what),
    };
    cargo.arg("--target-dir").arg(&folder);
    if profile == Profile::Release {
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
