//! What a pipeline was made of: its file, its models, its labels. A reload keeps a pipeline that would be made of the same again,
//! so that a changed threshold does not load every model anew.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    path: PathBuf,
    inode: u64,
    bytes: u64,
    modified: SystemTime,
}

/// The files of one pipeline.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) file: Stamp,
    pub(super) files: Named,
}

/// Each model, or other file of a node, as the pipeline file names it, and as it was found; none where it was not there.
pub(super) type Named = Vec<(PathBuf, Option<Stamp>)>;

impl Stamp {
    /// The file as it is now; none when it cannot be looked at.
    pub(super) fn of(path: &Path) -> Option<Stamp> {
        let metadata = fs::metadata(path).ok()?;
        let modified = metadata.modified().ok()?;
        Some(Stamp { path: path.to_owned(), inode: metadata.ino(), bytes: metadata.len(), modified })
    }
}

impl Origin {
    /// Whether every file is still found where it was, unchanged. `find` says where a named file is found now.
    pub(super) fn is_current(&self, file: &Path, find: impl Fn(&Path) -> Option<PathBuf>) -> bool {
        let found = |named: &Path| find(named).and_then(|found| Stamp::of(&found));
        Stamp::of(file).as_ref() == Some(&self.file) && self.files.iter().all(|(named, stamp)| found(named) == *stamp)
    }
}
