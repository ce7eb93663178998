//! The folders that the service keeps things in: there, writable, and room left.

use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};

use super::accounts::{Rights, Service};
use super::finding::Finding;

/// The folders: state with the operator's models, cache.
const FOLDERS: [&str; 2] = ["var/lib/forgesyted", "var/cache/forgesyted"];
/// Less room than this is an error: not even the journal gets its lines.
const LEAST: u64 = 32 << 20;
/// Less room than this is a warning: a model or an upgrade may not fit.
const LITTLE: u64 = 500 << 20;

/// A folder and the file system below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its path.
    pub path: PathBuf,
    /// Who may write it; `None` where it does not exist.
    pub rights: Option<Rights>,
    /// Whether its file system can only be read.
    pub read_only: bool,
    /// Bytes that are free for programs that are not root's.
    pub free: Option<u64>,
}

/// Looks at the folders below `root`.
pub fn gather(root: &Path) -> Vec<Folder> {
    FOLDERS.iter().map(|folder| look(root, folder)).collect()
}

fn look(root: &Path, folder: &str) -> Folder {
    let place = root.join(folder);
    // Of a folder that is not there the file system is that of the nearest one above.
    let there = place.ancestors().find(|place| place.exists());
    let system = there.and_then(|place| statvfs(place).ok());
    Folder {
        path: Path::new("/").join(folder),
        rights: Rights::of(&place),
        read_only: system.as_ref().is_some_and(|system| system.f_flag.contains(StatVfsMountFlags::RDONLY)),
        free: system.map(|system| system.f_bavail.saturating_mul(system.f_frsize)),
    }
}

/// A finding for each folder.
pub fn judge(folders: &[Folder], service: Option<&Service>) -> Vec<Finding> {
    folders.iter().map(|folder| judge_one(folder, service)).collect()
}

fn judge_one(folder: &Folder, service: Option<&Service>) -> Finding {
    let path = folder.path.display();
    let free = folder.free.map_or("unknown room".to_owned(), |free| format!("{} MB free", free / 1_000_000));
    if folder.read_only {
        let advice = "look for the disk's errors in the kernel's log (dmesg), then mount it for writing";
        return Finding::error("storage", format!("{path} is on a disk that can only be read"), advice);
    }
    if folder.free.is_some_and(|free| free < LEAST) {
        return Finding::error(
            "storage",
            format!("{path} has {free}"),
            "make room: `journalctl --vacuum-size=100M`, `apt clean`",
        );
    }
    match (folder.rights, service) {
        (Some(rights), Some(service)) if !service.may_use(rights) => {
            return Finding::error(
                "storage",
                format!("{path} is not the service's to write (owner {}, mode {:o})", rights.uid, rights.mode & 0o777),
                format!("`chown -R forgesyted:forgesyted {path}`"),
            );
        }
        _ => {}
    }
    if folder.free.is_some_and(|free| free < LITTLE) {
        return Finding::warning("storage", format!("{path} has {free}"), "make room before you add models or upgrade");
    }
    match folder.rights {
        Some(_) => Finding::ok("storage", format!("{path} has {free}")),
        None => {
            Finding::skipped("storage", format!("{path} does not exist yet; the service's start makes it ({free})"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Status;
    use crate::doctor::tests::Root;

    #[test]
    fn verdicts() {
        use Status::{Error, Ok, Skipped, Warning};
        let service = Service { uid: 998, gid: 998, gids: vec![998] };
        let own = Some(Rights { uid: 998, gid: 998, mode: 0o750 });
        let roots = Some(Rights { uid: 0, gid: 0, mode: 0o755 });
        let folder = |rights, read_only, free| Folder { path: "/var/lib/forgesyted".into(), rights, read_only, free };
        for (folder, service, expected) in [
            (folder(own, false, Some(1 << 40)), Some(&service), Ok),
            (folder(own, false, None), Some(&service), Ok),
            (folder(roots, false, Some(1 << 40)), Some(&service), Error),
            (folder(roots, false, Some(1 << 40)), None, Ok),
            (folder(None, false, Some(1 << 40)), Some(&service), Skipped),
            (folder(own, true, Some(1 << 40)), Some(&service), Error),
            (folder(own, false, Some(LEAST - 1)), Some(&service), Error),
            (folder(own, false, Some(LITTLE - 1)), Some(&service), Warning),
        ] {
            let finding = judge_one(&folder, service);
            assert_eq!(finding.status, expected, "{finding:?}");
        }
    }

    #[test]
    fn folders_are_looked_at_where_they_are() {
        let root = Root::new("storage", &[("var/lib/forgesyted/models/a.pt", "")]);
        let [state, cache] = <[Folder; 2]>::try_from(gather(&root.0)).unwrap();
        assert_eq!(state.path, Path::new("/var/lib/forgesyted"));
        assert!(state.rights.is_some() && cache.rights.is_none());
        assert!(state.free.is_some() && cache.free.is_some() && !state.read_only);
    }
}
