//! An older version of the daemon's package, to upgrade from and to go back to: there is no earlier release to take.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::{files, shell};

/// What the older version's configuration has, and the newer's has not: then dpkg has to decide whose changes stay.
const CONFFILE_LINE: &str = "\n# The previous version shipped this line.\n";

/// Writes the package as its predecessor to `to`; `work` is a folder for its tree meanwhile.
pub(super) fn make(package: &Path, work: &Path, to: &Path) -> Result<()> {
    files::remove_folder(work)?;
    shell::run(Command::new("dpkg-deb").arg("--raw-extract").args([package, work]))?;
    let change = |name: &str, change: fn(&str) -> String| {
        let path = work.join(name);
        files::write(&path, change(&files::read_text(&path)?))
    };
    change("DEBIAN/control", older)?;
    change("etc/forgesyted/forgesyted.toml", |text| format!("{text}{CONFFILE_LINE}"))?;
    let mut build = Command::new("dpkg-deb");
    shell::output(build.args(["--root-owner-group", "-Zzstd", "-z1", "--build"]).args([work, to]))?;
    files::remove_folder(work)
}

/// `~` sorts before the end of a version.
fn older(control: &str) -> String {
    let line =
        |line: &str| if line.starts_with("Version: ") { format!("{line}~previous\n") } else { format!("{line}\n") };
    control.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_changes() {
        assert_eq!(
            older("Package: a\nVersion: 1.0-1\nSection: b\n"),
            "Package: a\nVersion: 1.0-1~previous\nSection: b\n"
        );
    }
}
