//! The models that the daemon's numbers are compared on. `tests/reference/make.py` makes them, in a Python environment that is
//! fetched for it and removed again: it has gigabytes, and they have a few megabytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::{self, Edition};
use crate::{files, paths, shell};

/// The Python for which the pinned packages have wheels, and whose own modules the oldest of them still needs.
const PYTHON: &str = "3.11";
/// What the environment and the models take on the disk for a while.
const SPACE: u64 = 9_000_000_000;

/// The folder with the models, made now where it is not there: some minutes.
///
/// # Errors
/// When the packages cannot be had, or the script fails.
pub(super) fn models() -> Result<PathBuf> {
    let sources = paths::root().join("tests/reference");
    let kept = Edition::of("reference", &recipe(&sources)?)?;
    if let Some(folder) = kept.find() {
        return Ok(folder.to_path_buf());
    }
    check_python()?;
    let made = kept.ensure(|partial| {
        cache::check_space(partial, SPACE, "the reference's models")?;
        let packages = partial.join("packages");
        shell::step("fetching the reference's Python packages (once)", || install(&sources, &packages))
            .context("check the network and pip's configuration")?;
        shell::step("making the reference's models (once)", || make(&sources, &packages, partial))?;
        fs::remove_dir_all(&packages).context("cannot remove the reference's Python packages")
    });
    made.map(Path::to_path_buf).context("cannot make the reference's models")
}

/// All that the models depend on: the scripts, the pictures and the packages' versions, and the seeds in the golden files.
fn recipe(sources: &Path) -> Result<String> {
    let mut files = Vec::new();
    for folder in [sources.to_owned(), sources.join("golden"), sources.join("pictures")] {
        for path in files::list(&folder)? {
            // The numbers of the operators are another test's, and depend on no model.
            let others = path.file_stem().is_some_and(|name| name == "operators");
            let wanted = ["py", "txt", "json", "jpg"].map(Some);
            if !others && wanted.contains(&path.extension().and_then(|end| end.to_str())) {
                files.push(path);
            }
        }
    }
    files.sort();
    let read = |path: &PathBuf| {
        let bytes = files::read(path)?;
        let name = path.strip_prefix(sources).unwrap_or(path);
        Ok(format!("{} {}\n", name.display(), String::from_utf8_lossy(&bytes)))
    };
    files.iter().map(read).collect()
}

fn check_python() -> Result<()> {
    let ask = "import sys; print('%d.%d' % sys.version_info[:2])";
    let found = shell::output(Command::new("python3").args(["-c", ask]))?;
    if found.trim() != PYTHON {
        bail!("the reference's models need Python {PYTHON}, and python3 is {}: put one first in PATH", found.trim());
    }
    Ok(())
}

fn install(sources: &Path, packages: &Path) -> Result<()> {
    let mut pip = shell::pip();
    // Every package is listed with its version; --no-deps keeps those away that the models do not need.
    pip.args(["install", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]);
    pip.arg("--target").arg(packages).arg("--requirement").arg(sources.join("requirements.txt"));
    shell::run(&mut pip)
}

fn make(sources: &Path, packages: &Path, folder: &Path) -> Result<()> {
    let mut python = Command::new("python3");
    python.arg(sources.join("make.py")).arg("models").arg(folder).current_dir(packages);
    // Settings and downloads of the packages stay in the folder that is removed.
    python.env("PYTHONPATH", packages).env("YOLO_CONFIG_DIR", packages).env("YOLO_OFFLINE", "true");
    python.env("MPLCONFIGDIR", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    shell::run(&mut python)
}
