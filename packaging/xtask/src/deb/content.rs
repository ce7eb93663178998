//! What a package consists of, before it is a file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A package that is to be written.
#[derive(Debug)]
pub(super) struct Package {
    /// Its name.
    pub name: &'static str,
    /// What debhelper reads of it, as other packages have it in a folder `debian`: who it is, its changes, its scripts.
    pub about: Vec<Entry>,
    /// What it puts where.
    pub entries: Vec<Entry>,
    /// Its upstream changelog.
    pub changes: Option<PathBuf>,
    /// What stands for variables in its control file.
    pub values: Vec<(&'static str, String)>,
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

    /// Copies of the files of a folder, whose names are wanted, in another.
    pub(super) fn files(place: impl AsRef<Path>, folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<Self>> {
        let files = files(folder)?.into_iter().filter(|(name, _)| wanted(name));
        Ok(files.map(|(name, path)| Self::file(place.as_ref().join(name), &path)).collect())
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
