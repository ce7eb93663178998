//! A folder that stands for `/dev`, `/sys` or `/proc` in tests.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// A new folder, removed when dropped.
pub struct Folder {
    pub path: PathBuf,
}

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("forgesyted-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        // Links are compared with their targets.
        Folder { path: path.canonicalize().unwrap() }
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A link that points at another place in this folder.
    pub fn link(&self, name: &str, target: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(self.path.join(target), &path).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.path).unwrap();
    }
}
