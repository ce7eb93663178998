//! The checkout that packages are made from: its files, and its time.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{paths, shell};

/// The checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Its folder.
    pub root: PathBuf,
    /// When its commit was made, in seconds since 1970: the time that files of the packages have.
    pub time: u64,
}

impl Source {
    /// The checkout that this program belongs to. `SOURCE_DATE_EPOCH`, where it is set, stands for the commit's time.
    pub(super) fn of_checkout() -> Result<Self> {
        let root = paths::root();
        let time = match env::var("SOURCE_DATE_EPOCH") {
            Ok(time) => time,
            Err(_) => shell::output(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(&root)).context(
                "the time of the packages is that of the commit: run this in a git checkout, or set SOURCE_DATE_EPOCH",
            )?,
        };
        let time = time.trim().parse().with_context(|| format!("{} is no time in seconds since 1970", time.trim()))?;
        Ok(Self { root, time })
    }

    /// The folder of files about a package.
    pub(super) fn packaging(&self, package: &str) -> PathBuf {
        self.root.join("packaging/deb").join(package)
    }
}

/// A time as changelogs write it.
pub(super) fn date(time: u64) -> Result<String> {
    let mut date = Command::new("date");
    date.args(["--utc", "--rfc-email", "--date"]).arg(format!("@{time}")).env("LC_ALL", "C");
    Ok(shell::output(&mut date)?.trim().to_owned())
}

/// The day of a time, as manual pages write it.
pub(super) fn day(time: u64) -> Result<String> {
    let mut date = Command::new("date");
    Ok(shell::output(date.args(["--utc", "+%Y-%m-%d", "--date"]).arg(format!("@{time}")))?.trim().to_owned())
}

/// The version and the time of the newest entry of a changelog.
pub(super) fn last_change(changelog: &Path) -> Result<(String, u64)> {
    let ask = |field: &str| {
        let mut parse = Command::new("dpkg-parsechangelog");
        Ok::<_, anyhow::Error>(shell::output(parse.arg("-l").arg(changelog).args(["-S", field]))?.trim().to_owned())
    };
    Ok((ask("Version")?, ask("Timestamp")?.parse().context("a changelog's date is none")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_says_when() {
        let changes = "a (1.0-1) stable; urgency=low\n\n  * New.\n\n -- A <a@b.c>  Fri, 20 Nov 2026 12:00:00 +0000\n";
        assert_eq!(date(1_795_176_000).unwrap(), "Fri, 20 Nov 2026 12:00:00 +0000");
        assert_eq!(day(1_795_176_000).unwrap(), "2026-11-20");
        if shell::on_path("dpkg-parsechangelog").is_some() {
            let file = env::temp_dir().join(format!("xtask-changelog-{}", std::process::id()));
            std::fs::write(&file, changes).unwrap();
            assert_eq!(last_change(&file).unwrap(), ("1.0-1".to_owned(), 1_795_176_000));
            std::fs::remove_file(&file).unwrap();
        }
    }
}
