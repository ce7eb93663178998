//! Which files make the tree, and where each belongs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::files::files;

/// Where the program that a user starts belongs.
pub(super) const FRONT: &str = "bin/forgesyted";
/// The engine program and its libtorch, as the packages have them below `/usr`.
const ENGINE: &str = "lib/forgesyted";
/// Where the engine program belongs.
pub(super) const ENGINE_PROGRAM: &str = "lib/forgesyted/bin/forgesyted";

/// One file of the tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    /// Its place, relative to the tree.
    pub place: PathBuf,
    /// The file it is made from.
    pub source: PathBuf,
    /// Whether a hard link will do: for what is large and never written to.
    pub linkable: bool,
}

/// Lists the tree: both programs, the libraries of libtorch, and what the shipped configuration has.
pub(super) fn items(front: &Path, engine: &Path, libtorch: &Path, config: &Path) -> Result<Vec<Item>> {
    let mut items = vec![item(FRONT.into(), front.to_path_buf(), false)];
    items.push(item(ENGINE_PROGRAM.into(), engine.to_path_buf(), false));
    let version = ["build-version", "version.py"].map(|name| (name, libtorch.join(name)));
    for (name, file) in version.into_iter().filter(|(_, file)| file.is_file()) {
        items.push(item(Path::new(ENGINE).join(name), file, false));
    }
    let mut folder = |from: &Path, to: &str, linkable: bool, wanted: fn(&str) -> bool| -> Result<()> {
        for (name, source) in files(from)? {
            if wanted(&name) {
                items.push(item(Path::new(to).join(name), source, linkable));
            }
        }
        Ok(())
    };
    let libraries = format!("{ENGINE}/lib");
    folder(&libtorch.join("lib"), &libraries, true, is_library)?;
    for neighbour in cuda_neighbours(libtorch) {
        folder(&neighbour, &libraries, true, is_library)?;
    }
    folder(&config.join("pipelines"), "share/forgesyted/pipelines", false, |name| name.ends_with(".toml"))?;
    folder(&config.join("models"), "share/forgesyted/models", false, |name| !name.starts_with('.'))?;
    folder(&config.join("replay"), "share/forgesyted/replay", false, |name| !name.starts_with('.'))?;
    let settings = config.join("forgesyted.toml");
    if settings.is_file() {
        items.push(item("etc/forgesyted.toml".into(), settings, false));
    }
    // The same name from two folders: libtorch's own comes first and stays.
    items.sort_by(|one, other| one.place.cmp(&other.place));
    items.dedup_by(|later, first| later.place == first.place);
    Ok(items)
}

/// Shared objects with and without a version, except what needs a Python around it.
fn is_library(name: &str) -> bool {
    (name.ends_with(".so") || name.contains(".so.")) && name != "libtorch_python.so"
}

/// Where the Python package keeps the CUDA libraries that its torch needs: `nvidia/*/lib` and the like beside it. All
/// torch libraries also look in their own folder, so in the tree they all lie in one.
fn cuda_neighbours(libtorch: &Path) -> Vec<PathBuf> {
    let packages = match libtorch.parent() {
        Some(packages) if libtorch.join("version.py").is_file() && crate::libtorch::has_cuda(libtorch) => packages,
        _ => return Vec::new(),
    };
    let Ok(entries) = fs::read_dir(packages.join("nvidia")) else {
        return Vec::new();
    };
    let mut folders: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path().join("lib"))).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    folders
}

fn item(place: PathBuf, source: PathBuf, linkable: bool) -> Item {
    Item { place, source, linkable }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(name: &str, files: &[&str]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("xtask-tree-{name}-{}", std::process::id()));
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, *file).unwrap();
        }
        root
    }

    fn places(root: &Path, libtorch: &str) -> Vec<String> {
        let items = items(&root.join("f"), &root.join("e"), &root.join(libtorch), &root.join("config")).unwrap();
        items
            .iter()
            .map(|item| format!("{} < {}", item.place.display(), item.source.strip_prefix(root).unwrap().display()))
            .collect()
    }

    #[test]
    fn each_file_has_its_place() {
        let root = tree(
            "places",
            &[
                "torch/build-version",
                "torch/lib/libtorch_cpu.so",
                "torch/lib/libgomp.so.1",
                "torch/lib/libtorch_python.so",
                "torch/lib/static.a",
                "torch/lib/libshm/libshm.h",
                "config/pipelines/scene.toml",
                "config/pipelines/notes.md",
                "config/models/scene.pt",
                "config/models/.hidden",
                "config/replay/demo.mjpeg",
                "config/forgesyted.toml",
            ],
        );
        assert_eq!(
            places(&root, "torch"),
            [
                "bin/forgesyted < f",
                "etc/forgesyted.toml < config/forgesyted.toml",
                "lib/forgesyted/bin/forgesyted < e",
                "lib/forgesyted/build-version < torch/build-version",
                "lib/forgesyted/lib/libgomp.so.1 < torch/lib/libgomp.so.1",
                "lib/forgesyted/lib/libtorch_cpu.so < torch/lib/libtorch_cpu.so",
                "share/forgesyted/models/scene.pt < config/models/scene.pt",
                "share/forgesyted/pipelines/scene.toml < config/pipelines/scene.toml",
                "share/forgesyted/replay/demo.mjpeg < config/replay/demo.mjpeg",
            ]
        );
        fs::remove_file(root.join("config/forgesyted.toml")).unwrap();
        assert!(!places(&root, "torch").iter().any(|place| place.starts_with("etc/")));
        fs::remove_dir_all(root.join("config/pipelines")).unwrap();
        assert!(items(&root.join("f"), &root.join("e"), &root.join("torch"), &root.join("config")).is_err());
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn the_python_packages_cuda_libraries_come_along() {
        let root = tree(
            "cuda",
            &[
                "site/torch/version.py",
                "site/torch/lib/libtorch_cuda.so",
                "site/torch/lib/libgomp.so.1",
                "site/nvidia/cu13/lib/libcudart.so.13",
                "site/nvidia/cu13/lib/libgomp.so.1",
                "site/nvidia/cu13/include/cuda.h",
                "config/pipelines/scene.toml",
                "config/models/scene.pt",
                "config/replay/demo.mjpeg",
            ],
        );
        let places = places(&root, "site/torch");
        let lib: Vec<_> = places.iter().filter(|place| place.starts_with("lib/forgesyted/lib/")).collect();
        assert_eq!(
            lib,
            [
                "lib/forgesyted/lib/libcudart.so.13 < site/nvidia/cu13/lib/libcudart.so.13",
                "lib/forgesyted/lib/libgomp.so.1 < site/torch/lib/libgomp.so.1",
                "lib/forgesyted/lib/libtorch_cuda.so < site/torch/lib/libtorch_cuda.so",
            ]
        );
        fs::remove_dir_all(&root).unwrap();
    }
}
