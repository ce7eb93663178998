//! Compiled dependencies that survive the checkout: minutes of C++ that a clean clone need not wait for.
//!
//! After a build, everything in its folder but the project's own crates is copied to the user's cache, and copied from there
//! into the next checkout's. Cargo itself decides what of it fits; the key only keeps what does not fit apart. The project's
//! crates stay out because cargo knows their sources by their times, which say nothing across checkouts.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::cargo::Profile;
use crate::{cache, paths, shell};

/// Stores that are kept: of branches with other dependencies or another compiler, say.
const KEPT: usize = 2;
/// What decides on the compiled dependencies, beside the compilers.
const FILES: &[&str] = &["Cargo.lock", "Cargo.toml", "daemon/base/Cargo.toml", "daemon/engine/Cargo.toml"];

/// The dependencies of one build in the cache.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    /// How the names of this and other such stores start.
    start: String,
}

impl Store {
    /// The store for a build, whether or not it is there.
    ///
    /// # Errors
    /// When the cache folder is unknown, a file of the checkout cannot be read, or a compiler cannot be asked.
    pub(super) fn of(arch: Arch, profile: Profile, compiler: Option<&Path>, libtorch: &Path) -> Result<Store> {
        let mut key = libtorch.display().to_string();
        for file in FILES {
            key += &fs::read_to_string(paths::root().join(file)).with_context(|| format!("cannot read {file}"))?;
        }
        let rustc = compiler.unwrap_or(Path::new("rustc"));
        key += &shell::output(Command::new(rustc).current_dir(paths::root()).arg("-vV"))?;
        key += &shell::output(Command::new(arch.tool("g++")).arg("--version"))?;
        key += &std::env::var("RUSTFLAGS").unwrap_or_default();
        let start = format!("cross-{}-{}-", arch.name(), profile.name());
        let folder = paths::cache()?.join(format!("{start}{:016x}", cache::fingerprint(&key)));
        Ok(Store { folder, start })
    }

    /// Fills a build folder that is not there yet. Without it the build only takes longer.
    pub(super) fn bring_to(&self, build: &Path) {
        if build.is_dir() || !self.folder.is_dir() {
            return;
        }
        // Whoever uses it last keeps it longest.
        let _ = File::open(&self.folder).and_then(|folder| folder.set_modified(SystemTime::now()));
        if let Err(error) = bring(&self.folder, build) {
            eprintln!("xtask: building the dependencies anew: {error:#}");
        }
    }

    /// Keeps what a finished build folder has for the next checkout. Without that, the next build only takes longer.
    pub(super) fn keep(&self, build: &Path) {
        let kept = cache::ensure(&self.folder, |partial| {
            copy(build, partial)?;
            remove_own(partial)?;
            self.remove_others()
        });
        if let Err(error) = kept {
            eprintln!("xtask: the compiled dependencies were not kept: {error:#}");
        }
    }

    /// Removes stores so that, with the one being made, no more than [`KEPT`] stay: those used last.
    fn remove_others(&self) -> Result<()> {
        let home = self.folder.parent().context("a store has a parent")?;
        let entries = fs::read_dir(home).with_context(|| format!("cannot list {}", home.display()))?;
        let mut others: Vec<(SystemTime, PathBuf)> = entries
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(|name| is_store(name, &self.start)))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        others.sort();
        let superfluous = others.len().saturating_sub(KEPT - 1);
        for (_, folder) in others.into_iter().take(superfluous) {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        Ok(())
    }
}

/// Whether a name in the cache is that of a whole store: no lock, nothing unfinished.
fn is_store(name: &str, start: &str) -> bool {
    name.strip_prefix(start).is_some_and(|key| key.len() == 16 && key.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// Under its name only when it is whole.
fn bring(store: &Path, build: &Path) -> Result<()> {
    let partial = build.with_extension(format!("new-{}", std::process::id()));
    fs::create_dir_all(&partial).with_context(|| format!("cannot make the folder {}", partial.display()))?;
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
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry.context("cannot list a folder")?;
        let path = entry.path();
        let is_folder = entry.file_type().context("cannot look at a file")?.is_dir();
        let what = || format!("cannot remove {}", path.display());
        if is_own(&entry.file_name()) {
            if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.with_context(what)?;
        } else if is_folder {
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
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-store-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn store(home: &Path, key: u64) -> Store {
        Store { folder: home.join(format!("cross-a-dev-{key:016x}")), start: "cross-a-dev-".to_owned() }
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
        let (build, store) = (built(&home), store(&home, 1));
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
        let (build, store) = (built(&home), store(&home, 1));
        store.keep(&build);
        let mine = home.join("mine/target/cross");
        fs::create_dir_all(&mine).unwrap();
        store.bring_to(&mine);
        assert_eq!(fs::read_dir(&mine).unwrap().count(), 0);
        fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn the_stores_used_last_are_kept() {
        let home = scratch("kept");
        let build = built(&home);
        let time = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        for key in 1..=4 {
            let store = store(&home, key);
            store.keep(&build);
            // The first is used again and again.
            let used = if key == 1 { 1_000 } else { key };
            File::open(&store.folder).unwrap().set_modified(time(used)).unwrap();
        }
        let there: Vec<u64> = (1..=4).filter(|key| store(&home, *key).folder.is_dir()).collect();
        assert_eq!(there, [1, 4]);
        fs::remove_dir_all(&home).unwrap();
    }
}
