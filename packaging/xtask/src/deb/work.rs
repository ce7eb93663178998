//! The folder that debhelper makes a package from: `debian`, with what is said about it, and in there the tree of what it puts on a
//! system.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache;

/// A package on its way.
#[derive(Debug)]
pub(super) struct Work {
    /// Its name.
    pub name: &'static str,
    /// The folder.
    pub folder: PathBuf,
    /// Where the files are that `debian/install` names.
    pub sources: PathBuf,
}

impl Work {
    /// Begins a package, in a folder of its name in `stage`, with the files about it.
    pub(super) fn begin(name: &'static str, about: &Path, sources: &Path, stage: &Path) -> Result<Work> {
        let work = Work { name, folder: stage.join(name), sources: sources.to_path_buf() };
        cache::remove(&work.folder)?;
        for (file, path) in files(about)? {
            copy(&path, &work.about(file)?)?;
        }
        Ok(work)
    }

    /// The path of a file about it, in a folder that is there.
    pub(super) fn about(&self, file: impl AsRef<Path>) -> Result<PathBuf> {
        in_folder(self.folder.join("debian").join(file))
    }

    /// The path of what it puts to this place, which begins without a `/`, in a folder that is there.
    pub(super) fn place(&self, place: impl AsRef<Path>) -> Result<PathBuf> {
        in_folder(self.folder.join("debian").join(self.name).join(place))
    }
}

fn in_folder(path: PathBuf) -> Result<PathBuf> {
    let folder = path.parent().unwrap_or(&path);
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    Ok(path)
}

/// Copies a file.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Writes a file.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
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
