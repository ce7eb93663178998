//! Starting cargo from here, and learning where it left a program.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{libtorch, paths};

/// Selects the program that links libtorch. Each program is built by itself where it is shipped: together, cargo would choose
/// the features of their common dependencies for both.
pub const ENGINE: &[&str] = &["--package", "forgesyted-engine", "--bins"];
/// Selects the front, the program that a user starts.
pub const FRONT: &[&str] = &["--package", "forgesyted"];

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

/// What a build left.
#[derive(Debug, Default)]
pub struct Built(Vec<Executable>);

#[derive(Debug, PartialEq, Eq)]
struct Executable {
    name: String,
    kind: Kind,
    path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Program,
    Test,
}

impl Built {
    /// The program that links libtorch.
    ///
    /// # Errors
    /// When the build made none.
    pub fn engine(&self) -> Result<PathBuf> {
        self.program("forgesyted-engine")
    }

    /// The program that a user starts.
    ///
    /// # Errors
    /// When the build made none.
    pub fn front(&self) -> Result<PathBuf> {
        self.program("forgesyted")
    }

    /// The path of the program of that name.
    ///
    /// # Errors
    /// When the build made none.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        self.find(Kind::Program, name).with_context(|| format!("cargo made no program {name}"))
    }

    /// The path of the test target of that name (`tests/NAME.rs` or `[[test]]`, no unit tests).
    ///
    /// # Errors
    /// When the build made none.
    pub fn test(&self, name: &str) -> Result<PathBuf> {
        self.find(Kind::Test, name).with_context(|| format!("cargo made no test {name}"))
    }

    fn find(&self, kind: Kind, name: &str) -> Option<PathBuf> {
        self.0.iter().find(|made| made.kind == kind && made.name == name).map(|made| made.path.clone())
    }
}

/// Builds with `cargo build`, given which packages and targets.
///
/// # Errors
/// When the build fails.
pub fn build(profile: Profile, selection: &[&str]) -> Result<Built> {
    build_by(command("build"), profile, selection)
}

/// Builds like [`build`] with a `cargo build` that was given an environment or a folder of its own.
///
/// # Errors
/// When the build fails.
pub fn build_by(mut cargo: Command, profile: Profile, selection: &[&str]) -> Result<Built> {
    cargo.args(["--profile", profile.name(), "--message-format", "json-render-diagnostics"]).args(selection);
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let messages = child.stdout.take().context("cargo has no standard output")?;
    let mut built = Built::default();
    for line in BufReader::new(messages).lines() {
        built.0.extend(executable(&line.context("cannot read what cargo says")?));
    }
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() {
        bail!("`cargo build {}` failed ({status})", selection.join(" "));
    }
    Ok(built)
}

/// The program or test target that a message of cargo is about.
fn executable(message: &str) -> Option<Executable> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let target = message.get("target")?;
    let is_test = message.get("profile")?.get("test")?.as_bool()?;
    let kinds = target.get("kind")?.as_array()?;
    let kind = match (is_test, kinds.first()?.as_str()?) {
        (false, "bin") => Kind::Program,
        (true, "test") => Kind::Test,
        _ => return None,
    };
    let path = message.get("executable")?.as_str()?.into();
    Some(Executable { name: target.get("name")?.as_str()?.to_owned(), kind, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str, kind: &str, test: bool) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","target":{{"name":"{name}","kind":["{kind}"]}},"profile":{{"test":{test}}},
                "executable":"/t/{kind}/{name}"}}"#
        )
    }

    #[test]
    fn programs_and_tests_are_known_from_libraries_and_unit_tests() {
        let messages = [
            message("a", "bin", false),
            message("u", "bin", true),
            message("a", "test", true),
            message("l", "lib", false),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
            "warning: not JSON".to_owned(),
        ];
        let built = Built(messages.iter().filter_map(|message| executable(message)).collect());
        assert_eq!(built.program("a").unwrap(), PathBuf::from("/t/bin/a"));
        assert_eq!(built.test("a").unwrap(), PathBuf::from("/t/test/a"));
        for name in ["u", "l"] {
            assert!(built.program(name).is_err() && built.test(name).is_err(), "{name}");
        }
    }
}
