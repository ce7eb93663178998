//! `cargo xtask setup`: what every command that builds does first.

use anyhow::Result;

use crate::arch::Arch;
use crate::libtorch::{self, Kind, TORCH_VERSION};
use crate::packages::{self, For};

/// Checks the system packages, chooses a libtorch, makes it when it is the CPU-only one and not there, and points the
/// link `target/libtorch` to it.
///
/// # Errors
/// When packages are missing and cannot be installed, or no libtorch can be had.
pub fn setup(purpose: For) -> Result<()> {
    let arch = Arch::host()?;
    packages::ensure(purpose)?;
    let choice = libtorch::choose(&libtorch::find(arch)?)?;
    if choice.kind == Kind::Cpu {
        libtorch::ensure_cpu(&choice.folder, arch)?;
    }
    let what = if choice.kind == Kind::Cpu { "CPU libtorch" } else { "libtorch" };
    eprintln!("xtask: using the {what} {TORCH_VERSION} in {} because {}", choice.folder.display(), choice.reason);
    libtorch::point_to(&choice.folder)
}
