//! A control group of the container's own. systemd-nspawn takes the one that it is started in, for itself and what it boots:
//! in a shared one, the services of two containers would be one service.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How the names of these groups start; the number of the process that made it follows.
const NAME: &str = "forgesyted-appliance-";
/// Longest that the kernel may take to clear away processes that were killed.
const EMPTY_WITHIN: Duration = Duration::from_secs(20);
/// Pause between two tries.
const LOOK: Duration = Duration::from_millis(50);

/// The group, below this process's, in each hierarchy that systemd uses: that of version 2, and of version 1 the one that
/// bears its name. The others limit resources, and a container gets none of them.
#[derive(Debug)]
pub(super) struct Cgroup {
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// Makes it, and clears away those whose containers are gone.
    ///
    /// # Errors
    /// When the machine has no hierarchy for systemd, or refuses.
    pub(super) fn make() -> Result<Cgroup> {
        let read = |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
        let homes = homes(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?);
        if homes.is_empty() {
            bail!("no control groups are mounted that systemd can use: a container needs /sys/fs/cgroup");
        }
        Self::make_in(&homes)
    }

    fn make_in(homes: &[PathBuf]) -> Result<Cgroup> {
        let mut group = Cgroup { folders: Vec::new() };
        for home in homes {
            remove_left(home);
            let folder = home.join(format!("{NAME}{}", process::id()));
            fs::create_dir(&folder).with_context(|| format!("cannot make the control group {}", folder.display()))?;
            group.folders.push(folder);
        }
        Ok(group)
    }

    /// Its folders: a process that writes `0` to `cgroup.procs` in each is in it from then on.
    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let deadline = Instant::now() + EMPTY_WITHIN;
        for folder in &self.folders {
            while let Err(error) = remove(folder) {
                if Instant::now() > deadline {
                    eprintln!("xtask: cannot remove the control group {}: {error}", folder.display());
                    break;
                }
                thread::sleep(LOOK);
            }
        }
    }
}

/// The folders of the groups that this process is in, in the hierarchies that systemd uses.
fn homes(mounts: &str, groups: &str) -> Vec<PathBuf> {
    mounts.lines().filter_map(|line| home(line, groups)).collect()
}

/// The one of a line of `mountinfo` (proc(5)): fields of the mount, a dash, fields of the file system.
fn home(line: &str, groups: &str) -> Option<PathBuf> {
    let (mount, kind) = line.split_once(" - ")?;
    let (mut mount, mut kind) = (mount.split(' ').skip(3), kind.split(' '));
    let (root, point) = (mount.next()?, mount.next()?);
    let hierarchy = match (kind.next()?, kind.nth(1)?) {
        ("cgroup2", _) => "",
        ("cgroup", options) if options.split(',').any(|option| option == "name=systemd") => "name=systemd",
        _ => return None,
    };
    // cgroups(7): number, what the hierarchy is for, path.
    let group = groups.lines().find_map(|line| {
        let (name, path) = line.split_once(':')?.1.split_once(':')?;
        (name == hierarchy).then_some(path)
    })?;
    Some(Path::new(point).join(Path::new(group).strip_prefix(root).ok()?))
}

/// Removes groups that an xtask left behind that was killed.
fn remove_left(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix(NAME));
        if maker.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = remove(&entry.path());
        }
    }
}

/// Removes a group with those in it. Its files go with it: they can be removed neither before nor by themselves.
fn remove(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_are_found_in_the_hierarchies_of_systemd() {
        let both = "23 27 0:22 / /sys rw,relatime - sysfs sysfs rw\n\
                    39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                    40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime shared:9 - cgroup cgroup rw,xattr,name=systemd\n\
                    41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let found = homes(both, "9:name=systemd:/a.slice\n8:pids:/b\n0::/a.slice/c:d.scope\n");
        let expected = ["/sys/fs/cgroup/systemd/a.slice", "/sys/fs/cgroup/unified/a.slice/c:d.scope"];
        assert_eq!(found, expected.map(PathBuf::from));
        // In a container whose mount shows a part of the hierarchy.
        let part = "41 31 0:38 /box/7 /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n";
        assert_eq!(homes(part, "0::/box/7/job\n"), [PathBuf::from("/sys/fs/cgroup/job")]);
        assert!(homes(part, "0::/elsewhere\n").is_empty());
        assert!(homes("nonsense\n", "0::/\n").is_empty());
    }

    #[test]
    fn a_group_goes_with_those_in_it_and_takes_those_along_that_were_left() {
        let mut gone = process::Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let home = std::env::temp_dir().join(format!("xtask-cgroup-{}", process::id()));
        let left = home.join(format!("{NAME}{}/payload/system.slice", gone.id()));
        // That of an xtask that lives, and one that is none of ours.
        let others = [format!("{NAME}1/payload"), "of-somebody-else".to_owned()].map(|name| home.join(name));
        for folder in others.iter().chain([&left]) {
            fs::create_dir_all(folder).unwrap();
        }
        let group = Cgroup::make_in(std::slice::from_ref(&home)).unwrap();
        assert!(!left.exists());
        let [folder] = group.folders() else { panic!("{group:?}") };
        let folder = folder.clone();
        fs::create_dir_all(folder.join("payload/init.scope")).unwrap();
        drop(group);
        assert!(!folder.exists() && others.iter().all(|other| other.exists()));
        fs::remove_dir_all(&home).unwrap();
    }
}
