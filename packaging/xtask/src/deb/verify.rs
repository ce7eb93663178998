//! `cargo xtask deb --verify`: builds the commit twice, from nothing, in two places, and compares the packages.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Plan;
use super::check::identical;
use crate::files::{files, remove_folder};
use crate::{paths, shell};

/// Where each is built, and what differs around it: umask, time zone, language.
const PLACES: &[(&str, &str, &str, &str)] =
    &[("one", "022", "UTC", "C.UTF-8"), ("another/place", "077", "Asia/Tokyo", "de_DE.UTF-8")];

/// Builds the packages of the last commit twice, in clones of their own, and compares them.
///
/// # Errors
/// When a build fails, or the packages differ; then the clones are left to look at.
pub fn verify(plan: &Plan) -> Result<()> {
    let home = paths::target().join("verify");
    remove_folder(&home)?;
    // Both before the first build: a commit that somebody makes meanwhile is another one.
    for (place, ..) in PLACES {
        clone(&home.join(place))?;
    }
    let mut made = Vec::new();
    for place in PLACES {
        let title = format!("building in {}", home.join(place.0).display());
        made.push(shell::step(&title, || build(plan, &home, *place))?);
    }
    let (Some(first), Some(second)) = (made.first(), made.get(1)) else { bail!("there are two places") };
    for (name, path) in files(first)?.iter().filter(|(name, _)| name.ends_with(".deb")) {
        identical(path, &second.join(name))?;
        let sum = shell::output(Command::new("sha256sum").arg(path))?;
        println!("{}  {name}  the same twice", sum.split_whitespace().next().unwrap_or_default());
    }
    remove_folder(&home)
}

/// Clones the last commit.
fn clone(to: &Path) -> Result<()> {
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", "--shared", "--"]).arg(paths::root()).arg(to);
    shell::run(&mut git).context("only a git checkout can be verified")
}

/// Builds the packages in a clone and returns their folder.
fn build(plan: &Plan, home: &Path, (place, umask, zone, language): (&str, &str, &str, &str)) -> Result<PathBuf> {
    let clone = home.join(place);
    let mut make = Command::new("sh");
    make.args(["-c", "umask \"$0\" && exec cargo xtask deb \"$@\"", umask, "--target", plan.target.target()]);
    make.args(["--profile", plan.profile.name(), "--out"]).arg(clone.join("packages"));
    // `cargo xtask` set these for the package xtask of this checkout, and LIBTORCH to its link.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            make.env_remove(name);
        }
    }
    make.env_remove("LIBTORCH").env_remove("CARGO_TARGET_DIR").env("TZ", zone).env("LC_ALL", language);
    shell::run(make.current_dir(&clone))?;
    Ok(clone.join("packages"))
}
