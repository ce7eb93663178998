//! `cargo xtask lint`: format, lints and documentation; every warning is an error.

use anyhow::Result;

use crate::packages::For;
use crate::{cargo, setup, shell};

/// Checks the whole workspace and prints how long each check took.
///
/// # Errors
/// When a check finds something.
pub fn lint() -> Result<()> {
    shell::step("cargo fmt", || shell::run(cargo::command("fmt").args(["--all", "--check"])))?;
    setup::setup(For::Build)?;
    shell::step("cargo clippy", || {
        shell::run(cargo::command("clippy").args(["--workspace", "--all-targets", "--", "-D", "warnings"]))
    })?;
    shell::step("cargo doc", || {
        let mut doc = cargo::command("doc");
        shell::run(doc.args(["--no-deps", "--workspace"]).env("RUSTDOCFLAGS", "-D warnings"))
    })
}
