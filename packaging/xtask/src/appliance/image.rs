//! What the container boots: a small system with systemd.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;

use crate::arch::Arch;
use crate::files::make_folder;
use crate::machine::{self, Recipe, root};

/// A system in the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum System {
    /// The Debian that fits this machine's programs.
    Debian,
    /// What JetPack 6 is made of: systemd 249 and glibc 2.35, the oldest that the packages are for.
    #[value(name = "ubuntu-22.04")]
    Ubuntu2204,
}

/// systemd, what our packages depend on (so that installing them takes no network), and `faketime`, which shows a program
/// another time.
const PACKAGES: &[&str] = &["dbus", "faketime", "iproute2", "libgcc-s1", "libstdc++6", "systemd", "systemd-sysv"];
/// Pages for people, and what apt would look at before it installs a file that it is given.
const SUPERFLUOUS: &[&str] =
    &["usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt/lists"];
/// Timers that would reach for a network, or write while a test looks.
const MASKED: &[&str] = &["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"];

/// The root folder of a system, made unless it is in the cache.
///
/// # Errors
/// When this user is not root, no release fits this machine, or it has to be made and cannot.
pub(super) fn ensure(system: System) -> Result<PathBuf> {
    machine::check_root("test-appliance")?;
    let (name, system) = match system {
        System::Ubuntu2204 => ("ubuntu-22.04".to_owned(), machine::System::Ubuntu2204),
        System::Debian => {
            let debian = machine::System::debian_of_this_machine()?;
            (format!("debian-{}", debian.release()), debian)
        }
    };
    let recipe = Recipe {
        name: format!("appliance-{name}"),
        system,
        arch: Arch::host()?,
        packages: PACKAGES,
        files: &[],
        masked: MASKED,
        superfluous: SUPERFLUOUS,
        last: make_copyable,
        disk: false,
        // And for the copy that a test boots.
        space: 2_500_000_000,
    };
    Ok(recipe.ensure()?.join("root"))
}

/// Each copy is a machine of its own, in which apt installs files of a given name.
fn make_copyable(root: &Path, _log: &Path) -> Result<()> {
    // That takes no lists, but apt wants their folder.
    make_folder(&root.join("var/lib/apt/lists/partial"))?;
    root::write(root, "etc/machine-id", 0o444, "")
}
