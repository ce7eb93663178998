//! The checkout that packages are made from: its files, and its time.

use std::env;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

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

    /// What lintian is told about a package, each with its reason.
    pub(super) fn overrides(&self, package: &str) -> Result<String> {
        let path = self.root.join("packaging/deb").join(format!("{package}.lintian-overrides"));
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
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

/// The time of the newest entry of a changelog, which has to be about this version.
pub(super) fn time_of_change(changes: &str, version: &str) -> Result<u64> {
    let first = changes.lines().next().unwrap_or_default();
    if !first.contains(&format!(" ({version}) ")) {
        bail!("the changelog of the package begins with \"{first}\": write an entry for {version}");
    }
    let line = changes.lines().find_map(|line| line.strip_prefix(" -- ")).context("a changelog's entry has no end")?;
    let (_, time) = line.split_once(">  ").context("a changelog's entry has no date")?;
    let mut date = Command::new("date");
    let seconds = shell::output(date.args(["--utc", "+%s", "--date", time]).env("LC_ALL", "C"))?;
    seconds.trim().parse().context("a changelog's date is none")
}

/// Compresses a document without naming it or its time.
pub(super) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = Command::new("gzip");
    gzip.args(["-9", "--no-name"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = gzip.spawn().context("cannot start gzip")?;
    let mut input = child.stdin.take().context("gzip has no input")?;
    let output = std::thread::scope(|scope| {
        // Both ends at once, or a long text would fill the pipe.
        let writing = scope.spawn(move || input.write_all(bytes));
        let output = child.wait_with_output();
        writing.join().ok().transpose().and(output)
    });
    let output = output.context("cannot compress with gzip")?;
    if !output.status.success() {
        bail!("gzip failed ({})", output.status);
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_says_when() {
        let changes = "a (1.0-1) stable; urgency=low\n\n  * New.\n\n -- A <a@b.c>  Fri, 20 Nov 2026 12:00:00 +0000\n";
        assert_eq!(time_of_change(changes, "1.0-1").unwrap(), 1_795_176_000);
        assert_eq!(date(1_795_176_000).unwrap(), "Fri, 20 Nov 2026 12:00:00 +0000");
        assert_eq!(day(1_795_176_000).unwrap(), "2026-11-20");
        let error = time_of_change(changes, "1.0-2").unwrap_err().to_string();
        assert!(error.ends_with("write an entry for 1.0-2"), "{error}");
    }

    #[test]
    fn what_is_compressed_has_neither_name_nor_time() {
        let long = b"all work and no play ".repeat(100_000);
        let packed = gzip(&long).unwrap();
        // RFC 1952: no flags, no time.
        assert_eq!(packed.get(..8).unwrap(), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
        assert!(packed == gzip(&long).unwrap() && packed.len() < long.len() / 100);
    }
}
