//! `cargo xtask test-arm64` and `boot-arm64`: the packages for boards, installed in a Debian for arm64 and run there by qemu.
//!
//! Lives here: having the kernel start programs of the other architecture (`emulation`), the recipe of the Debian and what is installed
//! in it (`root`), a whole machine with that (`machine`), and the call of the tests. Does not live here: building the programs (`cross`), the packages (`deb`), the
//! tests (`tests/arm64`).

mod emulation;
mod machine;
mod root;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::cargo::{self, Built, Profile};
pub use crate::machine::root::command;
use crate::machine::{check_root, tests};
use crate::packages::{self, For};
use crate::skip::skip;
use crate::{deb, paths, setup, shell};
use machine::Machine;

/// The root folder in which the packages are installed.
pub const ROOT_VARIABLE: &str = "FORGESYTED_TEST_ARM64_ROOT";
/// The address of the daemon in the machine that was booted with them.
pub const MACHINE_VARIABLE: &str = "FORGESYTED_TEST_ARM64_MACHINE";
/// Where `boot-arm64` shows the daemon's port on this machine.
const PORT: u16 = 18000;
/// The test target of `tests/Cargo.toml`.
const TARGET: &str = "arm64";
/// Its tests that need the machine.
const MACHINE_TESTS: &str = "machine::";

/// Builds the tests and the packages, installs these in a fresh Debian for arm64, boots that, and runs the tests with these
/// arguments for libtest.
///
/// # Errors
/// When something is missing, a build or a test fails, or apt refuses the packages.
pub fn test_arm64(arguments: &[String]) -> Result<()> {
    setup::setup(For::Arm64Machine)?;
    able()?;
    let built = shell::step("building the tests of the arm64 packages", || {
        cargo::build(Profile::Dev, &["--package", "forgesyted-tests", "--test", TARGET])
    })?;
    let home = paths::target().join("arm64");
    let root = install(Profile::Dev, &home)?;
    let disk = machine::disk(&root, &home)?;
    let machine = shell::step("booting a machine with the arm64 packages", || Machine::boot(&disk, &home))?;
    run_tests(&built, &root, |tests| {
        tests.args(arguments).env(MACHINE_VARIABLE, machine.address().to_string());
    })
}

/// This part of `cargo xtask test`, with the tests that it has built: those in the folder. A machine takes minutes to boot. Where
/// they cannot be run they are skipped, and it says why, but in CI that is a failure.
///
/// # Errors
/// When the packages cannot be made or a test fails, or in CI when they cannot be run.
pub fn after_tests(built: &Built) -> Result<()> {
    match packages::ensure(For::Arm64).and_then(|()| able()) {
        Ok(()) => {
            let root = install(Profile::Dev, &paths::target().join("arm64"))?;
            run_tests(built, &root, |tests| {
                tests.args(["--skip", MACHINE_TESTS]);
            })
        }
        Err(error) => skip("the tests of the arm64 packages", error),
    }
}

/// Whether programs for arm64 can be run in a Debian of theirs: everything but what the project itself may break.
fn able() -> Result<()> {
    check_root("test-arm64")?;
    emulation::ensure()?;
    root::ensure().map(|_| ())
}

/// Boots an emulated machine with the packages in this terminal, until it is off.
///
/// # Errors
/// When something is missing, the packages cannot be made or installed, or qemu fails.
pub fn boot_arm64(profile: Profile) -> Result<()> {
    packages::ensure(For::Arm64Machine)?;
    check_root("boot-arm64")?;
    emulation::ensure()?;
    let home = paths::target().join("arm64");
    let disk = machine::disk(&install(profile, &home)?, &home)?;
    eprintln!(
        "xtask: booting; this takes a minute or two. Log in as root, without a password, and try `systemctl status \
         forgesyted` and `forgesyted doctor`; from here, try `curl http://127.0.0.1:{PORT}/readyz`. `poweroff` ends it, and \
         so does Ctrl-A X"
    );
    shell::run(machine::command(&disk, PORT)?.arg("-nographic"))
}

/// Runs the tests on the packages that are installed in this root folder, with what `more` tells them.
fn run_tests(built: &Built, root: &Path, more: impl FnOnce(&mut Command)) -> Result<()> {
    let mut tests = tests(built, TARGET)?;
    more(tests.env(ROOT_VARIABLE, root));
    shell::step("the tests of the arm64 packages", || shell::run(&mut tests))
        .context("tests of the arm64 packages failed; `cargo xtask test-arm64 -- NAME` runs those whose name has NAME")
}

/// Makes the packages and installs them in a fresh Debian; returns its root folder, which lies in `home` as all else.
fn install(profile: Profile, home: &Path) -> Result<PathBuf> {
    let out = home.join("packages");
    let packages = shell::step(&format!("making the arm64 packages ({})", profile.name()), || {
        deb::build(&deb::Plan { target: Arch::Aarch64, profile, out })
    })?;
    let root = home.join("root");
    shell::step("installing the arm64 packages in a Debian of theirs", || {
        crate::machine::root::copy(&root::ensure()?, &root)?;
        root::install(&root, &[&packages.daemon, &packages.libtorch], &home.join("install.log"))
    })?;
    Ok(root)
}
