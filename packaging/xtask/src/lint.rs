//! `cargo xtask lint`: format, lints, documentation and what the project depends on; every warning is an error.

use std::process::Command;

use anyhow::Result;

use crate::packages::For;
use crate::{cargo, paths, setup, shell, tools};

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
    })?;
    let program = tools::cargo_deny()?;
    let deny = |arguments: &[&str]| {
        shell::run(Command::new(&program).args(["--workspace", "--locked"]).args(arguments).current_dir(paths::root()))
    };
    shell::step("cargo deny", || deny(&["check", "--deny", "warnings", "licenses", "bans", "sources"]))?;
    // These come from a network that not every machine has, and change without a commit: a workflow of their own asks for them daily.
    match deny(&["fetch", "db"]) {
        Ok(()) => shell::step("cargo deny, advisories", || deny(&["check", "advisories"])),
        Err(error) => {
            eprintln!("xtask: SKIPPED the advisories: their database cannot be fetched: {error:#}");
            Ok(())
        }
    }
}
