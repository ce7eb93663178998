//! The folder that debhelper makes a package from: `debian`, with what is said about it, and in there the tree of what it puts on a
//! system.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::files::{copy, files, remove_folder};

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
        remove_folder(&work.folder)?;
        for (file, path) in files(about)? {
            copy(&path, &work.about(file))?;
        }
        Ok(work)
    }

    /// The path of a file about it.
    pub(super) fn about(&self, file: impl AsRef<Path>) -> PathBuf {
        self.folder.join("debian").join(file)
    }

    /// The path of what it puts to this place, which begins without a `/`.
    pub(super) fn place(&self, place: impl AsRef<Path>) -> PathBuf {
        self.about(self.name).join(place)
    }
}
