//! `cargo xtask test-vm` and `bench-vm`: the tests and the benchmark that need a kernel's camera drivers, in a virtual
//! machine that has them.
//!
//! Lives here: the recipe of the image that it boots (`image`), the machine (`machine`), and what it is told to run (`script`). The machine sees the checkout read-only under the path
//! that it has here, so nothing is copied or packed. Does not live here: the tests (`tests/vm`), the
//! benchmark (`tests/bench/rows/camera`).

mod image;
mod machine;
mod script;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::cargo::{self, Built, Profile};
use crate::deb::{self, Packages};
use crate::machine::{Disk, TEST_ARGUMENTS};
use crate::packages::{self, For};
use crate::skip::skip;
use crate::{bench, cache, dist, files, libtorch, paths, setup, shell};
use machine::Clock;
use script::Guest;

/// Tells a program that it runs in the VM, where it may load drivers.
pub const VM_VARIABLE: &str = "FORGESYTED_TEST_VM";
/// The daemon's package, for the tests of the service.
pub const PACKAGE_VARIABLE: &str = "FORGESYTED_TEST_PACKAGE";
/// A libtorch folder for it.
pub const LIBTORCH_VARIABLE: &str = "FORGESYTED_TEST_LIBTORCH";
/// What is built for the VM: the selection of `cargo xtask test`, but of the tests only those that run in it.
const SELECTION: &[&str] = &["--workspace", "--bins", "--test", TARGET];
/// The test target of `tests/Cargo.toml`.
const TARGET: &str = "vm";
/// The daemon in a tree.
const PROGRAM: &str = "bin/forgesyted";
/// The variable that tells the tests which daemon to start.
const TEST_DAEMON: &str = "FORGESYTED_TEST_BIN";
/// Leaves out those that need the daemon's package.
const WITHOUT_PACKAGE: &[&str] = &["--skip", "sandbox::"];
/// The part of the benchmark that needs drivers.
const BENCH_ARGUMENTS: &[&str] = &["--row", "camera"];

/// Makes the image if it is not there, builds the daemon and the tests, and runs them in the VM with these arguments for
/// libtest.
///
/// # Errors
/// When something is missing, the build or a test fails, or the VM does not come up.
pub fn test_vm(arguments: &[String]) -> Result<()> {
    setup::setup(For::Vm)?;
    let image = image::ensure()?;
    let built = shell::step("building the daemon and the tests of the VM", || cargo::build(Profile::Dev, SELECTION))?;
    let tree = paths::target().join("dist-dev");
    dist::lay_out(&built, &tree)?;
    let packages = deb::for_trial(&built);
    let packages = packages.inspect_err(|error| eprintln!("xtask: there are no packages: {error:#}")).ok();
    run_tests(&image, &built, &tree, packages.as_ref(), arguments)
}

/// Builds a release tree and the benchmark, and measures the cameras in the VM with these arguments for the benchmark.
///
/// # Errors
/// When something is missing, the build fails, the VM does not come up, or a goal is missed.
pub fn bench_vm(arguments: &[String]) -> Result<()> {
    packages::ensure(For::Vm)?;
    let image = image::ensure()?;
    let tree = paths::target().join("dist");
    dist::dist(Profile::Release, &tree)?;
    let program = bench::build()?;
    let daemon = tree.join(PROGRAM);
    let guest = guest(&tree, &program, &[(bench::PROGRAM_VARIABLE, &daemon)], &[BENCH_ARGUMENTS, &words(arguments)])?;
    match boot(&image, Clock::Instructions, &guest)? {
        0 => Ok(()),
        status => bail!("the benchmark in the VM failed, or missed a goal (status {status})"),
    }
}

/// Makes the image that the VM boots, unless it is there: the part that only root can do.
///
/// # Errors
/// When it cannot be made.
pub fn make_image() -> Result<()> {
    image::ensure().map(|_| ())
}

/// The VM's part of `cargo xtask test`, on what that has built and packed. A machine that cannot have the VM skips it and says why,
/// but in CI that is a failure.
///
/// # Errors
/// When a test fails, or in CI when there can be no VM.
pub fn after_tests(built: &Built, tree: &Path, packages: Option<&Packages>) -> Result<()> {
    match packages::ensure(For::Vm).and_then(|()| image::ensure()) {
        Ok(image) => run_tests(&image, built, tree, packages, &[]),
        Err(error) => skip("the tests of cameras, in the VM", error),
    }
}

fn run_tests(
    image: &Disk,
    built: &Built,
    tree: &Path,
    packages: Option<&Packages>,
    arguments: &[String],
) -> Result<()> {
    let (daemon, cpu) = (tree.join(PROGRAM), libtorch::cpu_folder(Arch::host()?)?);
    let mut variables = vec![(TEST_DAEMON, daemon.as_path())];
    let mut skipped: &[&str] = &[];
    match packages {
        Some(packages) => variables.extend([(PACKAGE_VARIABLE, &*packages.daemon), (LIBTORCH_VARIABLE, &cpu)]),
        None => {
            eprintln!("xtask: the tests of the service's cameras were SKIPPED: they need the daemon's package");
            skipped = WITHOUT_PACKAGE;
        }
    }
    let guest = guest(tree, &built.test(TARGET)?, &variables, &[TEST_ARGUMENTS, skipped, &words(arguments)])?;
    shell::step("the tests in the VM", || match boot(image, Clock::Host, &guest)? {
        0 => Ok(()),
        status => bail!(
            "tests in the VM failed (status {status}); `cargo xtask test-vm -- NAME` runs those whose name has NAME"
        ),
    })
}

fn boot(image: &Disk, clock: Clock, guest: &Guest) -> Result<i32> {
    let home = paths::target().join("vm");
    files::make_folder(&home)?;
    // Two would write to one console.
    let _lock = cache::lock(&home.join("lock"))?;
    machine::boot(image, clock, &guest.shares(), &guest.script(), &home)
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn guest(tree: &Path, program: &Path, variables: &[(&'static str, &Path)], arguments: &[&[&str]]) -> Result<Guest> {
    let absolute = |path: &Path| fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()));
    Ok(Guest {
        checkout: absolute(&paths::root())?,
        tree: absolute(tree)?,
        program: absolute(program)?,
        variables: variables.iter().map(|(name, path)| Ok((*name, absolute(path)?))).collect::<Result<_>>()?,
        arguments: arguments.concat().into_iter().map(str::to_owned).collect(),
    })
}
