//! Where this installation lies, from the place of the executable.

use std::path::{Path, PathBuf};

/// The folder this daemon is installed under: `<prefix>` where the executable is `<prefix>/bin/…` and
/// `<prefix>/share/forgesyted` exists. `None` otherwise; the system's folders serve then.
pub fn installation_prefix() -> Option<PathBuf> {
    prefix_of(&std::env::current_exe().ok()?)
}

/// [`installation_prefix`] for an executable at `executable`.
fn prefix_of(executable: &Path) -> Option<PathBuf> {
    let bin = executable.parent()?;
    if bin.file_name()? != "bin" {
        return None;
    }
    let prefix = bin.parent()?;
    prefix.join("share/forgesyted").is_dir().then(|| prefix.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_needs_bin_and_share() {
        let root = std::env::temp_dir().join(format!("forgesyted-prefix-{}", std::process::id()));
        std::fs::create_dir_all(root.join("bin")).unwrap();
        let executable = root.join("bin/forgesyted");
        assert_eq!(prefix_of(&executable), None);
        std::fs::create_dir_all(root.join("share/forgesyted")).unwrap();
        assert_eq!(prefix_of(&executable), Some(root.clone()));
        assert_eq!(prefix_of(&root.join("sbin/forgesyted")), None);
        assert_eq!(prefix_of(Path::new("/")), None);
        std::fs::remove_dir_all(root).unwrap();
    }
}
