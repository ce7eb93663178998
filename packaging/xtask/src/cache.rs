//! Folders that are slow to make and never change: made once, whole or not at all, and removed when newer ones took their place.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::files::{self, remove_folder};
use crate::paths;

/// How the names of unfinished folders go on after the folder's own. A process number ends them: a download whose xtask
/// was killed may still write for a while, and must not write into its successor's.
const PARTIAL: &str = "partial-";
/// Editions of one thing that are kept: of branches with different recipes, say.
const KEPT: usize = 2;

/// A folder in the user's cache that is made from a recipe. The recipe's fingerprint ends its name, so another recipe is another
/// folder.
#[derive(Debug)]
pub struct Edition {
    folder: PathBuf,
    /// How the names of this and of all other editions start.
    start: String,
}

impl Edition {
    /// The edition of a thing that this recipe makes, whether or not it is there.
    ///
    /// # Errors
    /// When the cache folder is unknown.
    pub fn of(thing: &str, recipe: &str) -> Result<Self> {
        Ok(Self::in_folder(&paths::cache()?, thing, recipe))
    }

    pub(crate) fn in_folder(home: &Path, thing: &str, recipe: &str) -> Self {
        let start = format!("{thing}-");
        Self { folder: home.join(format!("{start}{:016x}", fingerprint(recipe))), start }
    }

    /// Where it is, or would be.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder, where it has been made. Whoever uses it last keeps it longest.
    pub fn find(&self) -> Option<&Path> {
        let folder = self.folder.is_dir().then_some(&*self.folder)?;
        // Best effort: it may be root's.
        let _ = File::open(folder).and_then(|folder| folder.set_modified(SystemTime::now()));
        Some(folder)
    }

    /// Makes it like [`ensure`], unless it is there. When it is made, others are removed but the one that was used last.
    ///
    /// # Errors
    /// Those of [`ensure`].
    pub fn ensure(&self, make: impl FnOnce(&Path) -> Result<()>) -> Result<&Path> {
        ensure(&self.folder, |partial| {
            make(partial)?;
            self.remove_others()
        })?;
        self.find();
        Ok(&self.folder)
    }

    /// Removes editions so that, with the one being made, no more than [`KEPT`] stay: those used last.
    fn remove_others(&self) -> Result<()> {
        let home = self.folder.parent().context("a cache folder has a parent")?;
        let editions = files::list(home)?.into_iter().filter(|path| self.is_edition(path));
        let used = |path: PathBuf| Some((path.metadata().ok()?.modified().ok()?, path));
        let mut others: Vec<(SystemTime, PathBuf)> = editions.filter_map(used).collect();
        others.sort();
        let superfluous = others.len().saturating_sub(KEPT - 1);
        others.into_iter().take(superfluous).try_for_each(|(_, folder)| remove_folder(&folder))
    }

    /// Whether something in the cache is a whole edition: no lock, nothing unfinished.
    fn is_edition(&self, path: &Path) -> bool {
        let key = path.file_name().and_then(|name| name.to_str()?.strip_prefix(&self.start));
        key.is_some_and(|key| key.len() == 16 && key.bytes().all(|digit| digit.is_ascii_hexdigit()))
    }
}

/// Makes a folder with `make` unless it is there already.
///
/// `make` fills an empty folder beside it, which gets its name only when everything in it is on the disk: a folder under
/// its own name is always whole. A second process that wants the same folder waits for the first.
///
/// # Errors
/// Those of `make` and of the file system. Nothing of a failed attempt is left.
pub fn ensure(folder: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().context("a cache folder has a parent")?;
    files::make_folder(parent)?;
    let _lock = lock(&beside(folder, "lock"))?;
    if folder.is_dir() {
        return Ok(());
    }
    remove_leftovers(parent, folder)?;
    let partial = beside(folder, &format!("{PARTIAL}{}", std::process::id()));
    fs::create_dir(&partial).with_context(|| format!("cannot make the folder {}", partial.display()))?;
    let made = make(&partial).and_then(|()| publish(&partial, folder));
    if made.is_err() {
        remove_folder(&partial)?;
    }
    made
}

/// Checks that the file system of an existing folder has the room that making something takes for a while.
///
/// # Errors
/// When it has not, or does not say.
pub fn check_space(folder: &Path, needed: u64, making: &str) -> Result<()> {
    compare_space(free_bytes(folder)?, folder, needed, making)
}

fn compare_space(free: u64, folder: &Path, needed: u64, making: &str) -> Result<()> {
    if free < needed {
        bail!(
            "making {making} needs {:.1} GB for a while, but the disk of {} has {:.1} GB free: free some, or set \
             XDG_CACHE_HOME to a folder on a larger disk",
            needed as f64 / 1e9,
            folder.display(),
            free as f64 / 1e9
        );
    }
    Ok(())
}

/// Tells recipes apart (FNV-1a).
fn fingerprint(recipe: &str) -> u64 {
    recipe.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Bytes that this user may still write.
fn free_bytes(folder: &Path) -> Result<u64> {
    let about = rustix::fs::statvfs(folder)
        .with_context(|| format!("cannot ask for the free space of {}", folder.display()))?;
    Ok(about.f_bavail.saturating_mul(about.f_frsize))
}

/// A lock that the kernel releases when this process ends, however it ends; another xtask that has it is waited for.
///
/// # Errors
/// When the file cannot be made or locked.
pub fn lock(path: &Path) -> Result<File> {
    let what = || format!("cannot lock {}", path.display());
    let file = File::create(path).with_context(what)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("xtask: waiting for another xtask that holds {}", path.display());
            file.lock().with_context(what)?;
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(what),
    }
    Ok(file)
}

fn publish(partial: &Path, folder: &Path) -> Result<()> {
    let what = || format!("cannot move {} to {}", partial.display(), folder.display());
    // Data before name: after a power cut the name must not stand for half the data.
    rustix::fs::syncfs(File::open(partial).with_context(what)?).with_context(what)?;
    fs::rename(partial, folder).with_context(what)
}

/// Removes what killed processes left; the caller holds the lock.
fn remove_leftovers(parent: &Path, folder: &Path) -> Result<()> {
    let start = beside(folder, PARTIAL);
    for path in files::list(parent)? {
        if path.as_os_str().as_encoded_bytes().starts_with(start.as_os_str().as_encoded_bytes()) {
            remove_folder(&path)?;
        }
    }
    Ok(())
}

fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-cache-{name}-{}", std::process::id()));
        remove_folder(&folder).unwrap();
        folder
    }

    #[test]
    fn a_failed_attempt_leaves_nothing_and_the_next_starts_empty() {
        let home = scratch("failed");
        let folder = home.join("thing");
        let failed = ensure(&folder, |partial| {
            fs::write(partial.join("half"), "x")?;
            bail!("the network went away")
        });
        assert_eq!(failed.unwrap_err().to_string(), "the network went away");
        assert!(!folder.exists());
        // What a killed process leaves is not taken over either.
        let left = beside(&folder, "partial-1");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("half"), "x").unwrap();
        ensure(&folder, |partial| Ok(fs::write(partial.join("whole"), "x")?)).unwrap();
        let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["whole"]);
        assert!(!left.exists());
        remove_folder(&home).unwrap();
    }

    #[test]
    fn several_at_once_make_it_once() {
        let home = scratch("at-once");
        let folder = home.join("thing");
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    ensure(&folder, |partial| {
                        made.fetch_add(1, Ordering::Relaxed);
                        Ok(fs::write(partial.join("whole"), "x")?)
                    })
                    .unwrap();
                    assert!(folder.join("whole").exists());
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
        remove_folder(&home).unwrap();
    }

    #[test]
    fn the_editions_used_last_are_kept() {
        let home = scratch("kept");
        let edition = |number: u64| Edition::in_folder(&home, "thing", &number.to_string());
        let time = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        for number in 1..=4 {
            let made = edition(number);
            assert_eq!(made.find(), None);
            assert_eq!(made.ensure(|_| Ok(())).unwrap(), made.folder());
            // The first is used again and again.
            let used = if number == 1 { 1_000 } else { number };
            File::open(made.folder()).unwrap().set_modified(time(used)).unwrap();
        }
        // A lock, something unfinished, and another thing whose name starts alike.
        let lock = beside(edition(2).folder(), "lock");
        let other = Edition::in_folder(&home, "thing-else", "1");
        other.ensure(|_| Ok(())).unwrap();
        File::open(other.folder()).unwrap().set_modified(time(0)).unwrap();
        edition(5).ensure(|_| Ok(())).unwrap();
        let there: Vec<u64> = (1..=5).filter(|number| edition(*number).find().is_some()).collect();
        assert_eq!(there, [1, 5]);
        assert!(lock.exists() && other.find().is_some());
        remove_folder(&home).unwrap();
    }

    #[test]
    fn a_full_disk_is_said_in_words() {
        compare_space(1_600_000_000, Path::new("/c"), 1_600_000_000, "libtorch").unwrap();
        let error = compare_space(400_000_000, Path::new("/c"), 1_600_000_000, "libtorch").unwrap_err().to_string();
        assert!(error.starts_with("making libtorch needs 1.6 GB for a while, but the disk of /c has 0.4 GB free"));
    }

    #[test]
    fn free_space_is_a_number_of_bytes() {
        assert!(free_bytes(&std::env::temp_dir()).unwrap() > 0);
        assert!(free_bytes(Path::new("/no/such/folder")).is_err());
    }
}
