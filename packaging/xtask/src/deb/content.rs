//! What a package consists of, before it is a file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A package that is to be written.
#[derive(Debug)]
pub(super) struct Package {
    /// Its name.
    pub name: &'static str,
    /// Its version, as Debian writes it.
    pub version: String,
    /// Debian's name of its architecture.
    pub architecture: &'static str,
    /// The other fields of its control file, in their order.
    pub fields: Vec<(&'static str, String)>,
    /// What it puts where.
    pub entries: Vec<Entry>,
    /// The maintainer scripts: their names and sources.
    pub scripts: Vec<(&'static str, PathBuf)>,
    /// The time that all its files have, in seconds since 1970.
    pub time: u64,
}

/// One thing that a package puts somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its path, without the `/` at its start.
    pub place: PathBuf,
    /// What it is.
    pub content: Content,
    /// Its permissions.
    pub mode: u32,
}

/// What lies at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A copy of this file.
    File(PathBuf),
    /// A file with this text.
    Text(Vec<u8>),
    /// A folder that stays empty.
    Folder,
}

impl Entry {
    /// A program.
    pub(super) fn program(place: impl Into<PathBuf>, source: &Path) -> Self {
        Self { place: place.into(), content: Content::File(source.to_path_buf()), mode: 0o755 }
    }

    /// A file that is copied.
    pub(super) fn file(place: impl Into<PathBuf>, source: &Path) -> Self {
        Self { place: place.into(), content: Content::File(source.to_path_buf()), mode: 0o644 }
    }

    /// A file that is made here.
    pub(super) fn text(place: impl Into<PathBuf>, text: impl Into<Vec<u8>>) -> Self {
        Self { place: place.into(), content: Content::Text(text.into()), mode: 0o644 }
    }

    /// An empty folder.
    pub(super) fn folder(place: impl Into<PathBuf>) -> Self {
        Self { place: place.into(), content: Content::Folder, mode: 0o755 }
    }

    /// Whether an administrator's changes to it are kept: Debian's policy wants that of every file in `etc`.
    pub(super) fn is_conffile(&self) -> bool {
        self.place.starts_with("etc") && self.content != Content::Folder
    }
}

/// The regular files of a folder, sorted by name.
pub(super) fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let what = || format!("cannot list {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(what)? {
        let path = entry.with_context(what)?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name().and_then(|name| name.to_str())) {
            files.push((name.to_owned(), path));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_etc_are_the_administrators() {
        assert!(Entry::text("etc/forgesyted/forgesyted.toml", "").is_conffile());
        assert!(!Entry::folder("etc/forgesyted/pipelines.d").is_conffile());
        assert!(!Entry::text("usr/share/doc/forgesyted/copyright", "").is_conffile());
    }
}
