//! Where this installation lies, from the place of the executable, and where things are in it.

use std::path::{Path, PathBuf};

/// The folder this daemon is installed under: `<prefix>` where the executable is `<prefix>/bin/…` and
/// `<prefix>/share/forgesyted` exists, and for the engine program of a front, which is `<prefix>/lib/forgesyted/bin/…`. `None`
/// otherwise; the system's folders serve then.
pub fn installation_prefix() -> Option<PathBuf> {
    prefix_of(&std::env::current_exe().ok()?)
}

/// [`installation_prefix`] for an executable at `executable`.
fn prefix_of(executable: &Path) -> Option<PathBuf> {
    let bin = executable.parent()?;
    if bin.file_name()? != "bin" {
        return None;
    }
    let beside = bin.parent()?;
    let of_the_front = beside.ends_with("lib/forgesyted").then(|| beside.ancestors().nth(2)).flatten();
    let shares = |prefix: &&Path| prefix.join("share/forgesyted").is_dir();
    [Some(beside), of_the_front].into_iter().flatten().find(shares).map(Path::to_path_buf)
}

/// Folders that the unit's sandbox empties (`ProtectHome=`, systemd.exec(5)).
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

/// Whether this lies in a home.
pub fn is_in_home(path: &Path) -> bool {
    HOMES.iter().any(|home| path.starts_with(home))
}

/// The end of a sentence about a place that cannot be used: what to do where it lies in a home.
pub fn home_advice(path: &Path) -> &'static str {
    if is_in_home(path) { ". The service sees no home folders: put it below /opt" } else { "" }
}

/// The folder of shared files of a daemon installed under `prefix`. `None`: the system's own.
pub(super) fn share(prefix: Option<&Path>) -> PathBuf {
    prefix.unwrap_or(Path::new("/usr")).join("share").join("forgesyted")
}

/// Where a replay's `path` may lie, the likeliest first: a relative one in `folder`, that of the configuration file, or
/// among the shared files.
pub(super) fn replay(path: &Path, folder: &Path, prefix: Option<&Path>) -> Vec<PathBuf> {
    if path.is_absolute() {
        return vec![path.to_path_buf()];
    }
    vec![folder.join(path), share(prefix).join("replay").join(path)]
}

/// Where whoever reads a message finds a page of the documentation: among the installed documents, or in the source.
pub fn document(page: &str) -> String {
    document_in(installation_prefix().as_deref(), page)
}

/// [`document`] for a daemon installed under `prefix`.
fn document_in(prefix: Option<&Path>, page: &str) -> String {
    let installed = prefix.map(|prefix| prefix.join("share/doc/forgesyted").join(page)).filter(|path| path.is_file());
    installed.map_or_else(|| format!("docs/{page}"), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_named_where_it_is() {
        let root = std::env::temp_dir().join(format!("forgesyted-document-{}", std::process::id()));
        std::fs::create_dir_all(root.join("share/doc/forgesyted")).unwrap();
        let page = root.join("share/doc/forgesyted/cameras.md");
        std::fs::write(&page, "").unwrap();
        assert_eq!(document_in(Some(&root), "cameras.md"), page.display().to_string());
        assert_eq!(document_in(Some(&root), "endpoints.md"), "docs/endpoints.md");
        assert_eq!(document_in(None, "cameras.md"), "docs/cameras.md");
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn prefix_needs_bin_and_share() {
        let root = std::env::temp_dir().join(format!("forgesyted-prefix-{}", std::process::id()));
        std::fs::create_dir_all(root.join("bin")).unwrap();
        let executable = root.join("bin/forgesyted");
        assert_eq!(prefix_of(&executable), None);
        std::fs::create_dir_all(root.join("share/forgesyted")).unwrap();
        assert_eq!(prefix_of(&executable), Some(root.clone()));
        assert_eq!(prefix_of(&root.join("lib/forgesyted/bin/forgesyted")), Some(root.clone()), "the front's");
        assert_eq!(prefix_of(&root.join("sbin/forgesyted")), None);
        assert_eq!(prefix_of(&root.join("lib/other/bin/forgesyted")), None);
        assert_eq!(prefix_of(Path::new("/")), None);
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn homes_are_known_by_whole_names() {
        for (path, expected) in [
            ("/home/u/torch", true),
            ("/root", true),
            ("/run/user/1000/p", true),
            ("/homes/u", false),
            ("/opt/home", false),
        ] {
            assert_eq!((is_in_home(Path::new(path)), home_advice(Path::new(path)).is_empty()), (expected, !expected));
        }
    }

    #[test]
    fn replays_lie_beside_the_file_or_among_the_shared_files() {
        for (path, prefix, expected) in [
            ("/v/a.mjpeg", None, vec!["/v/a.mjpeg"]),
            ("a.mjpeg", None, vec!["/etc/f/a.mjpeg", "/usr/share/forgesyted/replay/a.mjpeg"]),
            ("b/c", Some("/opt"), vec!["/etc/f/b/c", "/opt/share/forgesyted/replay/b/c"]),
        ] {
            let found = replay(Path::new(path), Path::new("/etc/f"), prefix.map(Path::new));
            assert_eq!(found, expected.into_iter().map(PathBuf::from).collect::<Vec<_>>());
        }
    }
}
