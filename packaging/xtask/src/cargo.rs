//! Starting cargo from here, and learning where it left a program.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{libtorch, paths};

/// A cargo profile of this workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Optimised, as shipped.
    Release,
    /// What the tests run.
    Dev,
}

impl Profile {
    /// The name that `cargo --profile` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dev => "dev",
        }
    }
}

/// A cargo command in the root of the checkout, with the environment of one typed there.
pub fn command(subcommand: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg(subcommand).current_dir(paths::root());
    // `cargo xtask` is a `cargo run`, which describes the package xtask in these: none of the next cargo's business.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            cargo.env_remove(name);
        }
    }
    libtorch::child_environment(&mut cargo);
    cargo
}

/// Builds with `cargo build`, given which packages and targets, and returns the path of the program of that name.
///
/// # Errors
/// When the build fails or makes no such program.
pub fn build_program(profile: Profile, selection: &[&str], name: &str) -> Result<PathBuf> {
    let mut cargo = command("build");
    cargo.args(["--profile", profile.name(), "--message-format", "json-render-diagnostics"]).args(selection);
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let messages = child.stdout.take().context("cargo has no standard output")?;
    let mut program = None;
    for line in BufReader::new(messages).lines() {
        program = executable(&line.context("cannot read what cargo says")?, name).or(program);
    }
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() {
        bail!("`cargo build {}` failed ({status})", selection.join(" "));
    }
    program.with_context(|| format!("`cargo build {}` made no program {name}", selection.join(" ")))
}

/// The executable of a cargo message, when the message is about the program (not the unit tests) of that name.
fn executable(message: &str, name: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let target = message.get("target")?;
    let is_program = target.get("kind")?.as_array()?.iter().any(|kind| kind == "bin");
    let is_test = message.get("profile")?.get("test")?.as_bool()?;
    let fits = is_program && !is_test && target.get("name")? == name;
    fits.then(|| message.get("executable")?.as_str().map(PathBuf::from))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str, kind: &str, test: bool) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","target":{{"name":"{name}","kind":["{kind}"]}},"profile":{{"test":{test}}},
                "executable":"/t/{name}"}}"#
        )
    }

    #[test]
    fn the_program_is_known_from_its_library_and_its_tests() {
        assert_eq!(executable(&message("a", "bin", false), "a"), Some("/t/a".into()));
        assert_eq!(executable(&message("a", "bin", true), "a"), None);
        assert_eq!(executable(&message("a", "lib", false), "a"), None);
        assert_eq!(executable(&message("b", "bin", false), "a"), None);
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#, "a"), None);
        assert_eq!(executable("warning: not JSON", "a"), None);
    }
}
