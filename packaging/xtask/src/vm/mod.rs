//! `cargo xtask test-vm`: the tests that need a kernel's camera drivers, in a virtual machine that has them.
//!
//! Lives here: the image that it boots (`image`), of the Debian release that fits this machine's programs (`release`);
//! the machine (`machine`); and what it is told to run (`script`). The machine sees the checkout read-only under the path
//! that it has here, so nothing is copied or packed. Does not live here: the tests (`tests/vm`).

mod image;
mod machine;
mod release;
mod script;

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Context, Error, Result, bail};

use crate::cargo::{self, Built, Profile};
use crate::packages::{self, For};
use crate::{dist, paths, setup, shell};
use image::Image;
use script::Guest;

/// What is built for the VM: the selection of `cargo xtask test`, but of the tests only those that run in it.
const SELECTION: &[&str] = &["--workspace", "--bins", "--test", TARGET];
/// The test target of `tests/Cargo.toml`.
const TARGET: &str = "vm";

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
    dist::lay_out(&built.program("forgesyted")?, &tree)?;
    run(&image, &built, &tree, arguments)
}

/// Makes the image that the VM boots, unless it is there: the part that only root can do.
///
/// # Errors
/// When it cannot be made.
pub fn make_image() -> Result<()> {
    image::ensure().map(|_| ())
}

/// The VM's part of `cargo xtask test`, on what that has built. A machine that cannot have the VM skips it and says why,
/// but in CI that is a failure.
///
/// # Errors
/// When a test fails, or in CI when there can be no VM.
pub fn after_tests(built: &Built, tree: &Path) -> Result<()> {
    match packages::ensure(For::Vm).and_then(|()| image::ensure()) {
        Ok(image) => run(&image, built, tree, &[]),
        Err(error) => without_vm(error, env::var_os("CI").is_some()),
    }
}

fn without_vm(error: Error, ci: bool) -> Result<()> {
    if ci {
        return Err(error.context("no VM, and CI has to have one"));
    }
    eprintln!("xtask: the tests in the VM were SKIPPED, so no camera was tested: {error:#}");
    Ok(())
}

fn run(image: &Image, built: &Built, tree: &Path, arguments: &[String]) -> Result<()> {
    let absolute = |path: &Path| fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()));
    let guest = Guest {
        checkout: absolute(&paths::root())?,
        tree: absolute(tree)?,
        program: absolute(&built.test(TARGET)?)?,
        arguments: arguments.to_vec(),
    };
    shell::step("the tests in the VM", || {
        let status = machine::boot(image, &guest.shares(), &guest.script(), &paths::target().join("vm"))?;
        if status != 0 {
            bail!(
                "tests in the VM failed (status {status}); `cargo xtask test-vm -- NAME` runs those whose name has NAME"
            );
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ci_fails_without_a_vm() {
        let error = || Error::msg("no qemu");
        assert!(without_vm(error(), false).is_ok());
        assert_eq!(format!("{:#}", without_vm(error(), true).unwrap_err()), "no VM, and CI has to have one: no qemu");
    }
}
