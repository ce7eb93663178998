//! Manual pages and completions, from a front that runs on this machine: it makes both from its command line's own definition.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::content::{self, Entry};
use crate::{paths, shell};

/// Where each shell looks for completions that packages bring.
const COMPLETIONS: &[(&str, &str)] = &[
    ("bash", "usr/share/bash-completion/completions/forgesyted"),
    ("zsh", "usr/share/zsh/vendor-completions/_forgesyted"),
    ("fish", "usr/share/fish/vendor_completions.d/forgesyted.fish"),
];

/// The manual pages, which show this date, and completions.
pub(super) fn entries(front: &Path, date: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (shell, place) in COMPLETIONS {
        let script = shell::output(Command::new(front).args(["completions", shell]).env_clear())?;
        entries.push(Entry::text(*place, script));
    }
    let folder = paths::target().join(format!("manual-{}", std::process::id()));
    let pages = shell::run(Command::new(front).args(["manual", "--date", date]).arg(&folder).env_clear())
        .and_then(|()| pages(&folder));
    // Best effort: it may not be there.
    let _ = fs::remove_dir_all(&folder);
    entries.extend(pages?);
    Ok(entries)
}

fn pages(folder: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (name, path) in content::files(folder)? {
        let page = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        entries.push(Entry::text(place_of_page(&name)?, super::gzip(&page)?));
    }
    Ok(entries)
}

/// Where a page of the manual belongs: its section is its extension.
fn place_of_page(name: &str) -> Result<PathBuf> {
    let section =
        name.rsplit_once('.').map(|(_, section)| section).with_context(|| format!("{name} has no section"))?;
    Ok(Path::new("usr/share/man").join(format!("man{section}")).join(format!("{name}.gz")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_lies_in_its_section() {
        let place = place_of_page("forgesyted-serve.1").unwrap();
        assert_eq!(place, Path::new("usr/share/man/man1/forgesyted-serve.1.gz"));
        assert!(place_of_page("forgesyted").is_err());
    }
}
