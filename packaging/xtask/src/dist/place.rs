//! Puts files in their places: only what has changed, each in one step, and takes away what an earlier tree had more.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

use super::tree::Item;

/// Names the files of a tree, so that the next one removes its own files only.
const LIST: &str = "share/forgesyted/files.txt";

/// What was done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Files in the tree.
    pub total: usize,
    /// Files that were not there or were others.
    pub new: usize,
}

/// Brings a folder to hold these files in these places; files that are not its own are left alone.
pub(super) fn place(items: &[Item], out: &Path) -> Result<Placed> {
    let before = fs::read_to_string(out.join(LIST)).unwrap_or_default();
    let mut new = 0;
    for item in items {
        let target = out.join(&item.place);
        let what = || format!("cannot put {} to {}", item.source.display(), target.display());
        if bring(item, &target).with_context(what)? {
            new += 1;
        }
    }
    for name in before.lines().map(Path::new).filter(|name| is_inside(name)) {
        if !items.iter().any(|item| item.place == name) {
            // Best effort: it may be gone already.
            let _ = fs::remove_file(out.join(name));
        }
    }
    write_list(items, &out.join(LIST))?;
    Ok(Placed { total: items.len(), new })
}

fn write_list(items: &[Item], path: &Path) -> Result<()> {
    let what = || format!("cannot write {}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(what)?;
    }
    let list: String = items.iter().map(|item| format!("{}\n", item.place.display())).collect();
    fs::write(path, list).with_context(what)
}

/// Whether a place from the list stays within the tree.
fn is_inside(name: &Path) -> bool {
    name.components().all(|part| matches!(part, Component::Normal(_)))
}

/// Brings one file; false when it was there already.
fn bring(item: &Item, target: &Path) -> std::io::Result<bool> {
    let about = fs::metadata(&item.source)?;
    if fs::symlink_metadata(target).is_ok_and(|old| is_same(&about, &old)) {
        return Ok(false);
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    // Beside it first: the old file may be a running program.
    let new = new_name(target);
    let _ = fs::remove_file(&new);
    // The source behind a link is what is wanted, not the link.
    let source = fs::canonicalize(&item.source)?;
    if !item.linkable || fs::hard_link(&source, &new).is_err() {
        fs::copy(&source, &new)?;
        File::options().write(true).open(&new)?.set_modified(about.modified()?)?;
    }
    fs::rename(&new, target)?;
    Ok(true)
}

fn is_same(source: &Metadata, target: &Metadata) -> bool {
    target.is_file()
        && source.len() == target.len()
        && (source.mtime(), source.mtime_nsec()) == (target.mtime(), target.mtime_nsec())
}

fn new_name(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(place: &str, source: &Path, linkable: bool) -> Item {
        Item { place: place.into(), source: source.to_path_buf(), linkable }
    }

    #[test]
    fn only_changes_are_made_and_only_own_files_are_removed() {
        let root = std::env::temp_dir().join(format!("xtask-place-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let (program, library, out) = (root.join("program"), root.join("lib.so"), root.join("out"));
        fs::write(&program, "one").unwrap();
        fs::write(&library, "library").unwrap();
        let items = [item("bin/p", &program, false), item("lib/lib.so", &library, true)];
        assert_eq!(place(&items, &out).unwrap(), Placed { total: 2, new: 2 });
        assert_eq!(place(&items, &out).unwrap(), Placed { total: 2, new: 0 });
        assert_eq!(fs::metadata(out.join("lib/lib.so")).unwrap().ino(), fs::metadata(&library).unwrap().ino());
        assert_ne!(fs::metadata(out.join("bin/p")).unwrap().ino(), fs::metadata(&program).unwrap().ino());

        fs::write(&program, "another").unwrap();
        assert_eq!(place(&items, &out).unwrap(), Placed { total: 2, new: 1 });
        assert_eq!(fs::read_to_string(out.join("bin/p")).unwrap(), "another");

        fs::write(out.join("lib/foreign.so"), "").unwrap();
        place(&items[..1], &out).unwrap();
        assert!(!out.join("lib/lib.so").exists());
        assert!(out.join("lib/foreign.so").exists());
        assert_eq!(fs::read_to_string(&library).unwrap(), "library");
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_list_cannot_lead_out_of_the_tree() {
        assert!(is_inside(Path::new("lib/libc10.so")));
        assert!(!is_inside(Path::new("/etc/passwd")));
        assert!(!is_inside(Path::new("lib/../../x")));
    }

    #[test]
    fn a_missing_source_is_named() {
        let out = std::env::temp_dir().join("xtask-place-none");
        let error = place(&[item("bin/p", Path::new("/no/such/file"), false)], &out).unwrap_err();
        assert!(error.to_string().starts_with("cannot put /no/such/file to "));
    }
}
