//! `cargo xtask test-arm64` and `boot-arm64`: the packages for boards, installed in a Debian for arm64 and run there by qemu.
//!
//! Lives here: having the kernel start programs of the other architecture (`emulation`), the Debian and what is installed in
//! it (`root`), the call of the tests, and a whole machine with the packages (`boot`). Does not live here: building the programs (`cross`), the packages (`deb`), the
//! tests (`tests/arm64`).

mod boot;
mod emulation;
mod root;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Error, Result, bail};

use crate::arch::Arch;
use crate::cargo::{self, Built, Profile};
use crate::packages::{self, For};
use crate::{deb, paths, setup, shell};
use root::Debian;

pub use boot::boot_arm64;
pub use root::command;

/// The root folder in which the packages are installed.
pub const ROOT_VARIABLE: &str = "FORGESYTED_TEST_ARM64_ROOT";
/// The test target of `tests/Cargo.toml`.
const TARGET: &str = "arm64";
/// Programs run some ten times slower than here: one test at a time. Elsewhere these tests are ignored.
const TEST_ARGUMENTS: &[&str] = &["--test-threads=1", "--include-ignored"];

/// Builds the tests and the packages, installs these in a fresh Debian for arm64, and runs the tests with these arguments for
/// libtest.
///
/// # Errors
/// When something is missing, a build or a test fails, or apt refuses the packages.
pub fn test_arm64(arguments: &[String]) -> Result<()> {
    setup::setup(For::Arm64)?;
    able()?;
    let built = shell::step("building the tests of the arm64 packages", || {
        cargo::build(Profile::Dev, &["--package", "forgesyted-tests", "--test", TARGET])
    })?;
    run_tests(&built, arguments)
}

/// This part of `cargo xtask test`, with the tests that it has built. A machine that cannot do it skips it and says why, but
/// in CI that is a failure.
///
/// # Errors
/// When a test fails, or in CI when the packages cannot be run.
pub fn after_tests(built: &Built) -> Result<()> {
    match packages::ensure(For::Arm64).and_then(|()| able()) {
        Ok(()) => run_tests(built, &[]),
        Err(error) => without(error, env::var_os("CI").is_some()),
    }
}

/// Whether programs for arm64 can be run in a Debian of theirs: everything but what the project itself may break.
fn able() -> Result<()> {
    as_root("test-arm64")?;
    emulation::ensure()?;
    root::ensure(Debian::Folder).map(|_| ())
}

fn as_root(command: &str) -> Result<()> {
    if !shell::is_root() {
        bail!("installing packages in a Debian takes root: run `cargo xtask {command}` in a root shell");
    }
    Ok(())
}

fn without(error: Error, ci: bool) -> Result<()> {
    if ci {
        return Err(error.context("no programs for arm64 can be run, and CI has to run them"));
    }
    eprintln!("xtask: the tests of the arm64 packages were SKIPPED: {error:#}");
    Ok(())
}

fn run_tests(built: &Built, arguments: &[String]) -> Result<()> {
    let root = install(Debian::Folder, Profile::Dev, &paths::target().join("arm64"))?;
    let mut tests = Command::new(built.test(TARGET)?);
    tests.current_dir(paths::root().join("tests")).args(TEST_ARGUMENTS).args(arguments).env(ROOT_VARIABLE, &root);
    shell::step("the tests of the arm64 packages", || shell::run(&mut tests))
        .context("tests of the arm64 packages failed; `cargo xtask test-arm64 -- NAME` runs those whose name has NAME")
}

/// Makes the packages and installs them in a fresh Debian; returns its root folder, which lies in `home` as all else.
fn install(debian: Debian, profile: Profile, home: &Path) -> Result<PathBuf> {
    let out = home.join("packages");
    let packages = shell::step(&format!("making the arm64 packages ({})", profile.name()), || {
        deb::build(&deb::Plan { target: Arch::Aarch64, profile, version: None, out })
    })?;
    let root = home.join("root");
    shell::step("installing the arm64 packages in a Debian of theirs", || {
        root::copy(debian, &root)?;
        root::install(&root, &[&packages.daemon, &packages.libtorch], &home.join("install.log"))
    })?;
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ci_fails_without_the_ability() {
        let error = || Error::msg("no qemu");
        assert!(without(error(), false).is_ok());
        let words = format!("{:#}", without(error(), true).unwrap_err());
        assert_eq!(words, "no programs for arm64 can be run, and CI has to run them: no qemu");
    }
}
