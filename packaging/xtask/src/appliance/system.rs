//! Which systems the packages are installed on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::packages::DEBIAN_KEYRING;
use crate::shell;
use crate::vm::release;

/// A system in the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum System {
    /// The Debian that fits this machine's programs.
    Debian,
    /// What JetPack 6 is made of: systemd 249 and glibc 2.35, the oldest that the packages are for.
    #[value(name = "ubuntu-22.04")]
    Ubuntu2204,
}

/// Ubuntu's mirror, and the code name of the release.
const UBUNTU: (&str, &str) = ("http://archive.ubuntu.com/ubuntu", "jammy");
/// The keys of Ubuntu's archive, which Debian 12 has no package of: the release's own package, and its SHA-256.
const UBUNTU_KEYS: (&str, &str) = (
    "pool/main/u/ubuntu-keyring/ubuntu-keyring_2021.03.26_all.deb",
    "0d0e7ed6b112f5d03eabf3c7eb01ebdacf9c57714b279e90495cfc58c8c4520f",
);
/// Where they lie in it.
const UBUNTU_KEYRING: &str = "usr/share/keyrings/ubuntu-archive-keyring.gpg";

impl System {
    /// Its name and release.
    ///
    /// # Errors
    /// When no Debian fits this machine.
    pub(super) fn name(self) -> Result<String> {
        Ok(match self {
            System::Debian => format!("debian-{}", release::of_this_machine()?),
            System::Ubuntu2204 => "ubuntu-22.04".to_owned(),
        })
    }

    /// Fills `root` with the system and these packages; `folder` takes what is needed on the way.
    ///
    /// # Errors
    /// When a step fails, which its log in `folder` tells more of.
    pub(super) fn bootstrap(self, packages: &[&str], root: &Path, folder: &Path) -> Result<()> {
        let mut debootstrap = Command::new("debootstrap");
        debootstrap.args(["--variant=minbase", "--force-check-gpg"]);
        debootstrap.arg(format!("--include={}", packages.join(",")));
        match self {
            System::Debian => {
                debootstrap.arg(format!("--keyring={DEBIAN_KEYRING}")).arg(release::of_this_machine()?).arg(root);
            }
            System::Ubuntu2204 => {
                let (mirror, release) = UBUNTU;
                let keys = ubuntu_keys(folder).context("cannot get the keys of Ubuntu's archive")?;
                debootstrap.arg("--components=main,universe").arg("--keyring").arg(keys);
                debootstrap.arg(release).arg(root).arg(mirror);
            }
        }
        shell::run_logged(debootstrap, &folder.join("log"))
            .context("cannot make the system of the appliance: it takes root and a network")
    }
}

/// Downloads the keys and checks that they are those that were looked at when this was written.
fn ubuntu_keys(folder: &Path) -> Result<PathBuf> {
    let (package, hash) = UBUNTU_KEYS;
    let (deb, sums, content) = (folder.join("keys.deb"), folder.join("keys.sha256"), folder.join("keys"));
    // debootstrap depends on it.
    let mut wget = Command::new("wget");
    shell::output(wget.arg("--quiet").arg("-O").arg(&deb).arg(format!("{}/{package}", UBUNTU.0)))?;
    fs::write(&sums, format!("{hash}  keys.deb\n")).with_context(|| format!("cannot write {}", sums.display()))?;
    shell::output(Command::new("sha256sum").current_dir(folder).args(["--check", "--strict", "keys.sha256"]))?;
    shell::output(Command::new("dpkg-deb").arg("--extract").args([&deb, &content]))?;
    Ok(content.join(UBUNTU_KEYRING))
}
