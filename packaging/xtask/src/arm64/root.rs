//! A Debian for arm64 in a folder: made once and kept in the user's cache, and copied for whoever changes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::packages::DEBIAN_KEYRING;
use crate::{cache, paths, shell};

/// The release: of those whose C library runs what is built for the boards, the oldest.
const RELEASE: &str = "bookworm";
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
/// Free space needed while it is made.
const NEEDED_BYTES: u64 = 1_000_000_000;

/// The path of the kept one, made unless it is there. Programs for aarch64 have to start here already.
///
/// # Errors
/// When it has to be made and cannot: that takes root and a network.
pub(super) fn ensure() -> Result<PathBuf> {
    let recipe = [PACKAGES, SUPERFLUOUS].concat().join(" ");
    let folder = paths::cache()?.join(format!("arm64-{RELEASE}-{:016x}", cache::fingerprint(&recipe)));
    cache::ensure(&folder, |partial| {
        cache::check_space(partial, NEEDED_BYTES, "the Debian for arm64")?;
        let title = format!("making a Debian {RELEASE} for arm64 in {} (once)", folder.display());
        shell::step(&title, || make(partial))
    })?;
    Ok(folder.join("root"))
}

fn make(folder: &Path) -> Result<()> {
    let root = folder.join("root");
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--arch=arm64", "--variant=minbase", "--force-check-gpg"]);
    debootstrap.arg(format!("--keyring={DEBIAN_KEYRING}"));
    debootstrap.arg(format!("--include={}", PACKAGES.join(",")));
    debootstrap.arg(RELEASE).arg(&root);
    shell::run_logged(debootstrap, &folder.join("log")).context("cannot make a Debian: it takes root and a network")?;
    for superfluous in SUPERFLUOUS {
        let path = root.join(superfluous);
        fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// A copy of the kept one in a folder, in place of what was there.
///
/// # Errors
/// When the file system refuses.
pub(super) fn copy_to(folder: &Path) -> Result<()> {
    let from = ensure()?;
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make the folder {}", parent.display()))?;
    }
    shell::run(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(from).arg(folder))
}

/// Installs packages, as a person would by apt; what they recommend is not taken along.
///
/// # Errors
/// When apt refuses.
pub(super) fn install(root: &Path, packages: &[&Path], log: &Path) -> Result<()> {
    let inside = Path::new("tmp/packages");
    let folder = root.join(inside);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut apt = command(root, None);
    apt.args(["apt-get", "install", "--yes", "--no-install-recommends"]).env("DEBIAN_FRONTEND", "noninteractive");
    for package in packages {
        let name = package.file_name().with_context(|| format!("{} is no package", package.display()))?;
        let there = folder.join(name);
        if fs::hard_link(package, &there).is_err() {
            fs::copy(package, &there).with_context(|| format!("cannot copy {}", package.display()))?;
        }
        apt.arg(Path::new("/").join(inside).join(name));
    }
    shell::run_logged(apt, log).context("apt cannot install the packages")?;
    fs::remove_dir_all(&folder).context("cannot remove the packages")
}

/// A command in the root folder, whose program and arguments are still to be added: with the environment of a fresh
/// system, `/proc` and `/sys` in place, and the process itself the one that is started, so that signals reach it. Without a user it is
/// root.
pub fn command(root: &Path, user: Option<&str>) -> Command {
    let mut command = Command::new("unshare");
    // The mounts go with the process.
    command.args(["--mount", "--propagation", "private", "sh", "-c"]);
    command.arg(r#"mount -t proc proc "$0/proc" && mount -t sysfs -o ro sysfs "$0/sys" && exec chroot "$@""#).arg(root);
    if let Some(user) = user {
        command.arg(format!("--userspec={user}:{user}"));
    }
    command.arg(root).env_clear().env("LC_ALL", "C.UTF-8").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}
