//! The files that the container boots: a small system with systemd, made once by root and kept in the user's cache.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::System;
use crate::packages::For;
use crate::{cache, packages, paths, shell};

/// systemd, what our packages depend on (so that installing them takes no network), and `faketime`, which shows a program
/// another time.
const PACKAGES: &[&str] = &["dbus", "faketime", "iproute2", "libgcc-s1", "libstdc++6", "systemd", "systemd-sysv"];
/// Pages for people, and what apt would look at before it installs a file that it is given.
const SUPERFLUOUS: &[&str] =
    &["usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt/lists"];
/// Timers that would reach for a network, or write while a test looks.
const MASKED: &[&str] = &["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"];
/// Free space needed for it, and for the copy that a test boots.
const NEEDED_BYTES: u64 = 2_500_000_000;

/// The folder of a system, made unless it is in the cache.
///
/// # Errors
/// When this user is not root, no release fits this machine, or it has to be made and cannot.
pub(super) fn ensure(system: System) -> Result<PathBuf> {
    if !shell::is_root() {
        bail!("a container takes root: run `sudo -E env PATH=\"$PATH\" cargo xtask test-appliance`");
    }
    let name = system.name()?;
    let recipe = [PACKAGES, SUPERFLUOUS, MASKED].concat().join(" ");
    let folder = paths::cache()?.join(format!("appliance-{name}-{:016x}", cache::fingerprint(&recipe)));
    cache::ensure(&folder, |partial| {
        packages::ensure(For::ApplianceImage)?;
        cache::check_space(partial, NEEDED_BYTES, "the system of the appliance")?;
        let title = format!("making a {name} with systemd in {} (once)", folder.display());
        shell::step(&title, || make(partial, system))
    })?;
    Ok(folder.join("root"))
}

fn make(folder: &Path, system: System) -> Result<()> {
    let root = folder.join("root");
    system.bootstrap(PACKAGES, &root, folder)?;
    for superfluous in SUPERFLUOUS {
        let path = root.join(superfluous);
        fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    // Files of a given name are installed without lists, but apt wants their folder.
    let lists = root.join("var/lib/apt/lists/partial");
    fs::create_dir_all(&lists).with_context(|| format!("cannot make the folder {}", lists.display()))?;
    let units = root.join("etc/systemd/system");
    for unit in MASKED {
        std::os::unix::fs::symlink("/dev/null", units.join(unit)).with_context(|| format!("cannot mask {unit}"))?;
    }
    // Each copy is a machine of its own.
    fs::write(root.join("etc/machine-id"), "").context("cannot empty the machine's id")
}
