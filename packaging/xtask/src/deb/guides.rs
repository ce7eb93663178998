//! Manual pages and completions, from a front that runs on this machine: it makes both from its command line's own definition.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::content::{self, Entry};
use crate::{cache, paths, shell};

/// Where each shell looks for completions that packages bring.
const COMPLETIONS: &[(&str, &str)] = &[
    ("bash", "usr/share/bash-completion/completions/forgesyted"),
    ("zsh", "usr/share/zsh/vendor-completions/_forgesyted"),
    ("fish", "usr/share/fish/vendor_completions.d/forgesyted.fish"),
];

/// The completions.
pub(super) fn completions(front: &Path) -> Result<Vec<Entry>> {
    let completions = COMPLETIONS.iter().map(|(shell, place)| {
        let script = shell::output(Command::new(front).args(["completions", shell]).env_clear())?;
        Ok(Entry::text(*place, script))
    });
    completions.collect()
}

/// The manual pages, which show this date, for debhelper.
pub(super) fn manual(front: &Path, date: &str) -> Result<Vec<Entry>> {
    let folder = paths::target().join(format!("manual-{}", std::process::id()));
    let pages = shell::run(Command::new(front).args(["manual", "--date", date]).arg(&folder).env_clear())
        .and_then(|()| pages(&folder));
    cache::remove(&folder)?;
    pages
}

fn pages(folder: &Path) -> Result<Vec<Entry>> {
    let read = |(name, path): (String, PathBuf)| {
        let page = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Entry::text(Path::new("manual").join(name), page))
    };
    content::files(folder)?.into_iter().map(read).collect()
}
