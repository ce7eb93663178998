//! Compiled dependencies that survive the checkout: minutes of C++ that a clean clone need not wait for.
//!
//! After a build, everything in its folder but the project's own crates is copied to the user's cache, and copied from there
//! into the next checkout's. Cargo itself decides what of it fits; the key only keeps what does not fit apart. The project's
//! crates stay out because cargo knows their sources by their times, which say nothing across checkouts.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::cache::Edition;
use crate::cargo::Profile;
use crate::{files, paths, shell};

/// What decides on the compiled dependencies, beside the compilers and the manifests of the daemon's crates.
const FILES: &[&str] = &["Cargo.lock", "Cargo.toml"];

/// The dependencies of one build in the cache.
#[derive(Debug)]
pub(super) struct Store(Edition);

impl Store {
    /// The store for a build, whether or not it is there.
    pub(super) fn of(arch: Arch, profile: Profile, compiler: Option<&Path>, libtorch: &Path) -> Result<Store> {
        let mut key = libtorch.display().to_string();
        let daemon = paths::root().join("daemon");
        let crates = [daemon.clone()].into_iter().chain(files::list(&daemon)?);
        let manifests = crates.map(|folder| folder.join("Cargo.toml")).filter(|manifest| manifest.is_file());
        for file in FILES.iter().map(|file| paths::root().join(file)).chain(manifests) {
            key += &files::read_text(&file)?;
        }
        let rustc = compiler.unwrap_or(Path::new("rustc"));
        key += &shell::output(Command::new(rustc).current_dir(paths::root()).arg("-vV"))?;
        key += &shell::output(Command::new(arch.tool("g++")).arg("--version"))?;
        key += &std::env::var("RUSTFLAGS").unwrap_or_default();
        Edition::of(&format!("cross-{}-{}", arch.name(), profile.name()), &key).map(Store)
    }

    /// Fills a build folder that is not there yet. Without it the build only takes longer.
    pub(super) fn bring_to(&self, build: &Path) {
        if build.is_dir() {
            return;
        }
        if let Some(Err(error)) = self.0.find().map(|store| bring(store, build)) {
            eprintln!("xtask: building the dependencies anew: {error:#}");
        }
    }

    /// Keeps what a finished build folder has for the next checkout. Without that, the next build only takes longer.
    pub(super) fn keep(&self, build: &Path) {
        let kept = self.0.ensure(|partial| {
            copy(build, partial)?;
            remove_own(partial)
        });
        if let Err(error) = kept {
            eprintln!("xtask: the compiled dependencies were not kept: {error:#}");
        }
    }
}

/// Under its name only when it is whole.
fn bring(store: &Path, build: &Path) -> Result<()> {
    let partial = build.with_extension(format!("new-{}", std::process::id()));
    files::make_folder(&partial)?;
    let brought = copy(store, &partial)
        .and_then(|()| fs::rename(&partial, build).with_context(|| format!("cannot make {}", build.display())));
    if brought.is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    brought
}

/// Copies what is in a folder, with its times, by which cargo knows what is fresh, and its links.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut copy = Command::new("cp");
    shell::run(copy.args(["--archive", "--reflink=auto"]).arg(from.join(".")).arg(to))
}

/// Removes what cargo made of the project's own crates, and what xtask put beside it.
fn remove_own(folder: &Path) -> Result<()> {
    for path in files::list(folder)? {
        if path.file_name().is_some_and(is_own) {
            let remove = if path.is_dir() { fs::remove_dir_all } else { fs::remove_file };
            remove(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        } else if path.is_dir() && !path.is_symlink() {
            remove_own(&path)?;
        }
    }
    Ok(())
}

fn is_own(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.trim_start_matches("lib").starts_with("forgesyted") || name == "incremental"
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::PathBuf;
    use std::time::SystemTime;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-store-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn store(home: &Path) -> Store {
        Store(Edition::in_folder(home, "cross-a-dev", "a recipe"))
    }

    fn built(home: &Path) -> PathBuf {
        let build = home.join("target/cross");
        for file in [
            "debug/deps/libtokio-1.rlib",
            "debug/deps/libforgesyted-1.rlib",
            "debug/.fingerprint/forgesyted-1/bin-forgesyted",
            "debug/.fingerprint/tokio-1/lib-tokio",
            "debug/incremental/x/y",
            "debug/forgesyted",
            "programs/engine/forgesyted",
        ] {
            let path = build.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        build
    }

    #[test]
    fn the_next_checkout_gets_the_dependencies_and_nothing_of_our_own() {
        let home = scratch("next");
        let (build, store) = (built(&home), store(&home));
        let old = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let library = "debug/deps/libtokio-1.rlib";
        File::options().write(true).open(build.join(library)).unwrap().set_modified(old).unwrap();
        store.keep(&build);
        let next = home.join("next/target/cross");
        store.bring_to(&next);
        assert_eq!(fs::metadata(next.join(library)).unwrap().modified().unwrap(), old);
        assert!(next.join("debug/.fingerprint/tokio-1/lib-tokio").is_file());
        let ours = ["debug/deps/libforgesyted-1.rlib", "debug/.fingerprint/forgesyted-1", "debug/forgesyted"];
        for gone in ours.into_iter().chain(["debug/incremental"]) {
            assert!(build.join(gone).exists() && !next.join(gone).exists(), "{gone}");
        }
        fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn a_build_folder_that_is_there_stays_as_it_is() {
        let home = scratch("there");
        let (build, store) = (built(&home), store(&home));
        store.keep(&build);
        let mine = home.join("mine/target/cross");
        fs::create_dir_all(&mine).unwrap();
        store.bring_to(&mine);
        assert_eq!(fs::read_dir(&mine).unwrap().count(), 0);
        fs::remove_dir_all(&home).unwrap();
    }
}
