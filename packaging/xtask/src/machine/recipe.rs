//! How the files of a machine are made: once, by root, and kept in the user's cache.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Disk, System, disk, root};
use crate::arch::Arch;
use crate::cache::{self, Edition};
use crate::files::remove_folder;
use crate::packages::{self, For};
use crate::shell;

/// What makes the files of a machine.
pub(crate) struct Recipe {
    /// Starts the name in the cache.
    pub name: String,
    /// What it is a small one of.
    pub system: System,
    /// Another architecture than this machine's takes a kernel that starts its programs.
    pub arch: Arch,
    /// What is installed beside what every system has.
    pub packages: &'static [&'static str],
    /// Files of our own: their places, permissions and texts.
    pub files: &'static [(&'static str, u32, &'static str)],
    /// Units of systemd that are never to start.
    pub masked: &'static [&'static str],
    /// Folders that nobody needs once all is installed.
    pub superfluous: &'static [&'static str],
    /// What else has to be done in the root folder, with a log for what it says.
    pub last: fn(&Path, &Path) -> Result<()>,
    /// Whether the root folder becomes a disk in the end.
    pub disk: bool,
    /// Free space needed while it is made, in bytes.
    pub space: u64,
}

impl Recipe {
    /// The folder in the cache, whether or not it has been made.
    pub(crate) fn edition(&self) -> Result<Edition> {
        Edition::of(&self.name, &self.text())
    }

    /// The folder in the cache, made unless it is there: with the disk, or with the root folder in `root`.
    ///
    /// # Errors
    /// When it has to be made and cannot: that takes root and a network.
    pub(crate) fn ensure(&self) -> Result<PathBuf> {
        let edition = self.edition()?;
        let made = edition.ensure(|partial| {
            packages::ensure(For::Image)?;
            cache::check_space(partial, self.space, &self.name)?;
            shell::step(&format!("making {} (once)", edition.folder().display()), || self.make(partial))
        });
        made.map(Path::to_path_buf)
    }

    fn make(&self, folder: &Path) -> Result<()> {
        let (root, log) = (folder.join("root"), folder.join("log"));
        self.system.bootstrap(self.arch, self.packages, &root, &log)?;
        for (place, mode, text) in self.files {
            root::write(&root, place, *mode, text)?;
        }
        for unit in self.masked {
            symlink("/dev/null", root.join("etc/systemd/system").join(unit))
                .with_context(|| format!("cannot mask {unit}"))?;
        }
        for superfluous in self.superfluous {
            remove_folder(&root.join(superfluous))?;
        }
        (self.last)(&root, &log)?;
        if self.disk {
            Disk::pack(&root, folder, &log)?;
            remove_folder(&root)?;
        }
        Ok(())
    }

    /// All that is written down in it.
    fn text(&self) -> String {
        let lists = [self.packages, self.superfluous, self.masked].concat().join(" ");
        let texts = self.files.iter().map(|(_, _, text)| *text);
        let size = self.disk.then_some(disk::SIZE);
        [lists.as_str()].into_iter().chain(texts).chain(size).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        Recipe {
            name: "thing".to_owned(),
            system: System::Ubuntu2204,
            arch: Arch::X86_64,
            packages: &["a", "b"],
            files: &[("etc/a", 0o644, "text")],
            masked: &["a.timer"],
            superfluous: &["usr/share/doc"],
            last: |_, _| Ok(()),
            disk: false,
            space: 1,
        }
    }

    #[test]
    fn another_recipe_is_another_folder() {
        let folder = |recipe: Recipe| recipe.edition().unwrap().folder().to_path_buf();
        let one = folder(recipe());
        assert_eq!(folder(recipe()), one);
        assert!(one.file_name().unwrap().to_str().unwrap().starts_with("thing-"));
        for other in [
            Recipe { packages: &["a"], ..recipe() },
            Recipe { files: &[("etc/a", 0o644, "another text")], ..recipe() },
            Recipe { masked: &[], ..recipe() },
            Recipe { superfluous: &[], ..recipe() },
            Recipe { disk: true, ..recipe() },
        ] {
            assert_ne!(folder(other), one);
        }
    }
}
