//! A Debian for arm64, and the packages in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::machine::{Recipe, System, root};
use crate::{files, shell};

/// Of the releases whose C library runs what is built for the boards, the oldest.
const SYSTEM: System = System::Debian("bookworm");
/// What the packages depend on, so that installing them takes no network; and what makes a machine of it: a kernel for
/// virtual ones, and what has to be there to start it.
const PACKAGES: &[&str] = &[
    "adduser",
    "initramfs-tools",
    "iproute2",
    "libstdc++6",
    "linux-image-cloud-arm64",
    "systemd",
    "systemd-sysv",
    "udev",
    "zlib1g",
];
/// Pages for people, and packages that are installed already.
const SUPERFLUOUS: &[&str] = &["usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt/archives"];

/// The root folder in the cache, made unless it is there. Programs for aarch64 have to start here already.
///
/// # Errors
/// When it has to be made and cannot: that takes root and a network.
pub(super) fn ensure() -> Result<PathBuf> {
    let recipe = Recipe {
        name: format!("arm64-{}", SYSTEM.release()),
        system: SYSTEM,
        arch: Arch::Aarch64,
        packages: PACKAGES,
        files: &[],
        masked: &[],
        superfluous: SUPERFLUOUS,
        last: |_, _| Ok(()),
        disk: false,
        space: 1_000_000_000,
    };
    Ok(recipe.ensure()?.join("root"))
}

/// Installs packages, as a person would by apt; what they recommend is not taken along.
pub(super) fn install(root: &Path, packages: &[&Path], log: &Path) -> Result<()> {
    let inside = Path::new("tmp/packages");
    let folder = root.join(inside);
    let mut apt = root::command(root, None);
    apt.args(["apt-get", "install", "--yes", "--no-install-recommends"]).env("DEBIAN_FRONTEND", "noninteractive");
    for package in packages {
        let name = package.file_name().with_context(|| format!("{} is no package", package.display()))?;
        files::copy(package, &folder.join(name))?;
        apt.arg(Path::new("/").join(inside).join(name));
    }
    shell::run_logged(apt, log).context("apt cannot install the packages")?;
    files::remove_folder(&folder)
}
