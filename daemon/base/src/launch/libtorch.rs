//! A libtorch folder: `lib/libtorch_cpu.so`, and a version in `build-version` (libtorch archives, our package) or `version.py`
//! (the Python package).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::version::version_of;

/// What was found in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Libtorch {
    /// The folder.
    pub folder: PathBuf,
    /// The version that it states.
    pub version: Option<String>,
    /// Whether it has CUDA.
    pub cuda: bool,
}

impl Libtorch {
    /// The libtorch in a folder, where there is one.
    pub fn inspect(folder: &Path) -> Option<Libtorch> {
        let has = |library: &str| folder.join("lib").join(library).exists();
        has("libtorch_cpu.so").then(|| Libtorch {
            folder: folder.to_owned(),
            version: version_of(folder),
            cuda: has("libtorch_cuda.so"),
        })
    }

    /// Whether this user may not see what is in a folder. A home is such a one for the service.
    pub fn is_hidden(folder: &Path) -> bool {
        let looked = folder.join("lib/libtorch_cpu.so").metadata();
        looked.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Where its libraries lie, and those that it needs from elsewhere: Python's package has CUDA's in packages beside it.
    pub fn library_folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.folder.join("lib")];
        if self.folder.join("version.py").is_file()
            && let Some(packages) = self.folder.parent()
        {
            let entries = fs::read_dir(packages.join("nvidia")).into_iter().flatten().flatten();
            let mut neighbours: Vec<PathBuf> = entries.map(|entry| entry.path().join("lib")).collect();
            neighbours.retain(|folder| folder.is_dir());
            neighbours.sort();
            folders.append(&mut neighbours);
        }
        folders
    }
}

/// Whether a version of libtorch is the one that is wanted. Local parts (`+cpu`, `+cu130`) say nothing about that, and NVIDIA's
/// builds of a release call themselves its alpha (`2.11.0a0+5228986c39.nv26.02`).
pub fn fits(found: &str, wanted: &str) -> bool {
    let (release, local) = found.split_once('+').unwrap_or((found, ""));
    let wanted = wanted.split('+').next().unwrap_or(wanted);
    let nvidia = local.split('.').any(|part| part.starts_with("nv"));
    release == wanted || nvidia && release.strip_prefix(wanted) == Some("a0")
}

/// These folders, then what was there before, without its empty parts: they would mean the working directory.
pub(super) fn library_path(folders: &[PathBuf], before: Option<OsString>) -> OsString {
    let before = before.unwrap_or_default();
    let before = before.as_bytes().split(|byte| *byte == b':').filter(|part| !part.is_empty()).map(OsStr::from_bytes);
    let parts: Vec<&OsStr> = folders.iter().map(|folder| folder.as_os_str()).chain(before).collect();
    parts.join(OsStr::new(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, files: &[(&str, &str)]) -> Folder {
            let folder = std::env::temp_dir().join(format!("forgesyted-libtorch-{name}-{}", std::process::id()));
            for (file, text) in files {
                let file = folder.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            Folder(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn versions() {
        for (found, expected) in [
            ("2.11.0", true),
            ("2.11.0+cpu", true),
            ("2.11.0+cu130", true),
            ("2.11.0a0+5228986c39.nv26.02", true),
            ("2.11.0a0+git1234567", false),
            ("2.11.0a0", false),
            ("2.11.1", false),
            ("2.10.0+cu130", false),
            ("12.11.0", false),
            ("2.11", false),
            ("", false),
        ] {
            assert_eq!(fits(found, "2.11.0"), expected, "{found}");
            assert_eq!(fits(found, "2.11.0+cpu"), expected, "{found}");
        }
    }

    #[test]
    fn a_folder_is_a_libtorch_by_its_library() {
        let folder = Folder::new(
            "kinds",
            &[
                ("zip/lib/libtorch_cpu.so", ""),
                ("zip/build-version", "2.11.0+cu130\n"),
                ("zip/lib/libtorch_cuda.so", ""),
                ("silent/lib/libtorch_cpu.so", ""),
                ("empty/build-version", "2.11.0\n"),
                ("blank/lib/libtorch_cpu.so", ""),
                ("blank/build-version", "\n"),
            ],
        );
        let of = |name: &str| Libtorch::inspect(&folder.0.join(name)).map(|found| (found.version, found.cuda));
        assert_eq!(of("zip"), Some((Some("2.11.0+cu130".to_owned()), true)));
        assert_eq!(of("silent"), Some((None, false)));
        assert_eq!(of("blank"), Some((None, false)));
        assert_eq!(of("empty"), None);
        assert_eq!(of("absent"), None);
    }

    #[test]
    fn pythons_package_brings_its_neighbours() {
        let folder = Folder::new(
            "python",
            &[
                ("torch/lib/libtorch_cpu.so", ""),
                ("torch/version.py", "from typing import Optional\n__all__ = ['x']\n__version__ = '2.11.0+cu130'\n"),
                ("nvidia/cudnn/lib/libcudnn.so.9", ""),
                ("nvidia/cu13/lib/libcudart.so.13", ""),
                ("nvidia/headers/include/x.h", ""),
            ],
        );
        let found = Libtorch::inspect(&folder.0.join("torch")).unwrap();
        assert_eq!(found.version.as_deref(), Some("2.11.0+cu130"));
        let expected = ["torch/lib", "nvidia/cu13/lib", "nvidia/cudnn/lib"].map(|name| folder.0.join(name));
        assert_eq!(found.library_folders(), expected);
    }

    #[test]
    fn what_was_on_the_path_stays_behind() {
        let folders = [PathBuf::from("/t/lib"), PathBuf::from("/n/lib")];
        for (before, expected) in [
            (None, "/t/lib:/n/lib"),
            (Some(""), "/t/lib:/n/lib"),
            (Some("/a:/b"), "/t/lib:/n/lib:/a:/b"),
            (Some(":/a::/b:"), "/t/lib:/n/lib:/a:/b"),
        ] {
            assert_eq!(library_path(&folders, before.map(OsString::from)), expected);
        }
    }
}
