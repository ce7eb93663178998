//! `cargo xtask test-appliance`: the packages, installed on a Debian or Ubuntu with a real systemd, in a container of
//! `systemd-nspawn`.
//!
//! Lives here: the systems that there are and their recipe (`image`), the container (`machine`) and its control group (`cgroup`), a
//! package to upgrade from (`previous`), and the call of the tests, which reach the container from outside. Does not live here: the
//! packages (`deb`), the tests (`tests/appliance`).

mod cgroup;
mod image;
mod machine;
mod previous;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::cargo::{self, Built, Profile};
use crate::cross::symbols;
use crate::deb::{self, Packages};
use crate::packages::{self, For};
use crate::skip::skip;
use crate::{cache, files, paths, setup, shell};
pub use image::System;
use machine::Machine;

/// The process number of the container's systemd, as this machine sees it.
pub const LEADER_VARIABLE: &str = "FORGESYTED_TEST_APPLIANCE";
/// The container's address.
pub const ADDRESS_VARIABLE: &str = "FORGESYTED_TEST_APPLIANCE_ADDRESS";
/// Where the container finds the packages: `daemon.deb`, `previous.deb` (an older version of it) and `libtorch.deb`.
pub const PACKAGES: &str = "/packages";
/// What is built: the selection of `cargo xtask test`, but of the tests only these.
const SELECTION: &[&str] = &["--workspace", "--bins", "--test", TARGET];
/// The test target of `tests/Cargo.toml`.
const TARGET: &str = "appliance";

/// Builds the tests and the packages, boots the container with this system, and runs the tests with these arguments for libtest.
///
/// # Errors
/// When something is missing, a build or a test fails, or the container does not come up.
pub fn test_appliance(system: System, arguments: &[String]) -> Result<()> {
    setup::setup(For::Appliance)?;
    let built =
        shell::step("building the daemon and the tests of the appliance", || cargo::build(Profile::Dev, SELECTION))?;
    let image = image(system, &built)?;
    let packages = deb::for_trial(&built)?;
    run_tests(&image, &built, &packages, arguments)
}

/// The appliance's part of `cargo xtask test`, on what that has built, on each system. A machine that cannot boot the container skips it and
/// says why, but in CI that is a failure.
///
/// # Errors
/// When a test fails, or in CI when there can be no container.
pub fn after_tests(built: &Built, packages: &Packages) -> Result<()> {
    for &system in System::value_variants() {
        match packages::ensure(For::Appliance).and_then(|()| image(system, built)) {
            Ok(image) => run_tests(&image, built, packages, &[])?,
            Err(error) => skip("the tests of the installed packages, in a container", error)?,
        }
    }
    Ok(())
}

/// The files of a system that what was built runs on.
fn image(system: System, built: &Built) -> Result<PathBuf> {
    if system == System::Ubuntu2204 {
        symbols::check(&built.engine()?)?;
    }
    image::ensure(system)
}

fn run_tests(image: &Path, built: &Built, packages: &Packages, arguments: &[String]) -> Result<()> {
    // Every checkout boots its own, but one at a time: the tests wait for a daemon that is not slowed down by another's.
    let _lock = cache::lock(&paths::cache()?.join("appliance.lock"))?;
    let home = paths::target().join("appliance");
    let packages = gather(packages, &home)?;
    let machine = shell::step("booting the appliance", || Machine::boot(image, &packages, &home))?;
    let mut tests = crate::machine::tests(built, TARGET)?;
    tests.args(arguments).env(LEADER_VARIABLE, machine.leader().to_string()).env(ADDRESS_VARIABLE, machine.address());
    shell::step("the tests of the appliance", || shell::run(&mut tests)).with_context(|| {
        format!(
            "tests of the appliance failed; `cargo xtask test-appliance -- NAME` runs those whose name has NAME, and \
             `journalctl --directory {}` shows what happened inside",
            home.join("system/var/log/journal").display()
        )
    })
}

/// Lays out the folder that the container sees as [`PACKAGES`].
fn gather(packages: &Packages, home: &Path) -> Result<PathBuf> {
    let folder = home.join("packages");
    files::copy(&packages.daemon, &folder.join("daemon.deb"))?;
    files::copy(&packages.libtorch, &folder.join("libtorch.deb"))?;
    previous::make(&packages.daemon, &home.join("previous"), &folder.join("previous.deb"))?;
    Ok(folder)
}
