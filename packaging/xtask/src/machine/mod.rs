//! Machines for tests: a small Debian or Ubuntu, and what runs something in it.
//!
//! Lives here: the systems that there are (`system`), how the files of one are made and kept in the user's cache (`recipe`), what is
//! done in its root folder (`root`), a disk of it that qemu boots (`disk`), the process that a machine runs in (`process`), and how tests
//! in machines are called. Does not live here: which machines there are, each with its recipe and its tests (`vm`, `appliance`,
//! `arm64`).

mod disk;
mod process;
mod recipe;
pub(crate) mod root;
mod system;

use std::process::Command;

use anyhow::{Result, bail};

use crate::cargo::Built;
use crate::{paths, shell};
pub(crate) use disk::{Disk, path_option};
pub(crate) use process::Process;
pub(crate) use recipe::Recipe;
pub(crate) use system::System;

/// A machine takes one test at a time. Elsewhere these tests are ignored.
pub(crate) const TEST_ARGUMENTS: &[&str] = &["--test-threads=1", "--include-ignored"];

/// The call of a test target that has been built, whose tests reach into a machine from here.
pub(crate) fn tests(built: &Built, target: &str) -> Result<Command> {
    let mut tests = Command::new(built.test(target)?);
    tests.current_dir(paths::root().join("tests")).args(TEST_ARGUMENTS);
    Ok(tests)
}

/// Refuses a command that only root can carry out.
pub(crate) fn check_root(command: &str) -> Result<()> {
    if !shell::is_root() {
        bail!("this machine for tests takes root: run `sudo -E env PATH=\"$PATH\" cargo xtask {command}`");
    }
    Ok(())
}
