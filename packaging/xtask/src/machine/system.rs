//! The systems that machines for tests have, and making one in a folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::packages::DEBIAN_KEYRING;
use crate::{files, shell};

/// A system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// Debian, with the name of the release.
    Debian(&'static str),
    /// Ubuntu 22.04.
    Ubuntu2204,
}

/// Releases that machines are known to work with, oldest first, and the version of their C library.
const RELEASES: &[(&str, (u32, u32))] = &[("bookworm", (2, 36)), ("trixie", (2, 41))];
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
    /// The oldest Debian that runs programs built on this machine.
    ///
    /// # Errors
    /// When this is no x86-64 machine with the GNU C library, or its C library is newer than every release's.
    pub(crate) fn debian_of_this_machine() -> Result<System> {
        if std::env::consts::ARCH != "x86_64" {
            bail!("machines for tests are made for x86-64 only, and this is {}", std::env::consts::ARCH);
        }
        let answer = shell::output(Command::new("getconf").arg("GNU_LIBC_VERSION"));
        for_glibc(&answer.context("machines for tests need programs built with the GNU C library")?).map(System::Debian)
    }

    /// The name of the release.
    pub(crate) fn release(self) -> &'static str {
        match self {
            System::Debian(release) => release,
            System::Ubuntu2204 => UBUNTU.1,
        }
    }

    /// Fills a root folder with a small one and these packages, in which what is asked for by them is too. What it says goes to the
    /// log.
    pub(super) fn bootstrap(self, arch: Arch, packages: &[&str], root: &Path, log: &Path) -> Result<()> {
        let mut debootstrap = Command::new("debootstrap");
        debootstrap.args(["--variant=minbase", "--force-check-gpg"]).arg(format!("--arch={}", arch.debian()));
        debootstrap.arg(format!("--include={}", packages.join(",")));
        let folder = root.parent().context("a root folder lies in another")?;
        match self {
            System::Debian(release) => debootstrap.arg(format!("--keyring={DEBIAN_KEYRING}")).arg(release).arg(root),
            System::Ubuntu2204 => {
                let keys = ubuntu_keys(folder).context("cannot get the keys of Ubuntu's archive")?;
                debootstrap.arg("--components=main,universe").arg("--keyring").arg(keys);
                debootstrap.arg(UBUNTU.1).arg(root).arg(UBUNTU.0)
            }
        };
        shell::run_logged(debootstrap, log).context("cannot make a system: it takes root and a network")
    }
}

/// Downloads the keys and checks that they are those that were looked at when this was written.
fn ubuntu_keys(folder: &Path) -> Result<PathBuf> {
    let (package, hash) = UBUNTU_KEYS;
    let (deb, sums, content) = (folder.join("keys.deb"), folder.join("keys.sha256"), folder.join("keys"));
    // debootstrap depends on it.
    let mut wget = Command::new("wget");
    shell::output(wget.arg("--quiet").arg("-O").arg(&deb).arg(format!("{}/{package}", UBUNTU.0)))?;
    files::write(&sums, format!("{hash}  keys.deb\n"))?;
    shell::output(Command::new("sha256sum").current_dir(folder).args(["--check", "--strict", "keys.sha256"]))?;
    shell::output(Command::new("dpkg-deb").arg("--extract").args([&deb, &content]))?;
    Ok(content.join(UBUNTU_KEYRING))
}

/// The oldest release whose C library is at least as new as this one, as `getconf` names it: programs run with a newer C
/// library than theirs, not with an older one.
fn for_glibc(answer: &str) -> Result<&'static str> {
    let name = answer.trim();
    let mut numbers = name.trim_start_matches("glibc ").split('.').map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        bail!("cannot read the version of the C library from {name:?}");
    };
    let fit = RELEASES.iter().find(|(_, glibc)| *glibc >= (major, minor));
    fit.map(|(release, _)| *release).with_context(|| {
        let known: Vec<_> = RELEASES.iter().map(|(release, _)| *release).collect();
        format!(
            "this machine's {name} is newer than that of Debian's {}: programs of it do not run there",
            known.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_run_on_the_same_or_a_newer_c_library() {
        let cases = [
            ("glibc 2.35\n", "bookworm"), // Ubuntu 22.04
            ("glibc 2.36", "bookworm"),
            ("glibc 2.39", "trixie"), // Ubuntu 24.04
            ("glibc 2.41", "trixie"),
        ];
        for (answer, release) in cases {
            assert_eq!(for_glibc(answer).unwrap(), release, "{answer}");
        }
        assert!(for_glibc("glibc 2.42").unwrap_err().to_string().contains("glibc 2.42 is newer"));
        assert!(for_glibc("").is_err());
    }
}
