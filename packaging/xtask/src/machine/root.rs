//! What is done in the root folder of a system: commands, files and copies.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{files, shell};

/// A command in the root folder, whose program and arguments are still to be added: with the environment of a fresh
/// system, `/proc` and `/sys` in place, and the process itself the one that is started, so that signals reach it. Without a user it is
/// root.
pub fn command(root: &Path, user: Option<&str>) -> Command {
    let mut command = Command::new("unshare");
    // The mounts go with the process.
    command.args(["--mount", "--propagation", "private", "sh", "-c"]);
    command.arg(r#"mount -t proc proc "$0/proc" && mount -t sysfs -o ro sysfs "$0/sys" && exec chroot "$@""#).arg(root);
    if let Some(user) = user {
        command.arg(format!("--userspec={user}:{user}"));
    }
    command.arg(root).env_clear().env("LC_ALL", "C.UTF-8").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// Runs a command in the root folder as root; what it says goes to the end of a log.
pub(crate) fn run(root: &Path, line: &[&str], log: &Path) -> Result<()> {
    let mut command = command(root, None);
    command.args(line);
    shell::run_logged(command, log)
}

/// Writes a file with these permissions to its place in the root folder.
pub(crate) fn write(root: &Path, place: &str, mode: u32, text: &str) -> Result<()> {
    let path = root.join(place);
    files::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the permissions of {}", path.display()))
}

/// Copies a root folder for somebody who changes it, in place of what was there.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    files::remove_folder(to)?;
    to.parent().map_or(Ok(()), files::make_folder)?;
    shell::run(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(from).arg(to))
}

/// The one file in `/boot` whose name starts so.
pub(crate) fn in_boot(root: &Path, start: &str) -> Result<PathBuf> {
    let folder = root.join("boot");
    let found: Vec<_> =
        files::files(&folder)?.into_iter().filter(|(name, _)| name.starts_with(start)).map(|(_, path)| path).collect();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => bail!("{} has {} files {start}*, and one is needed", folder.display(), found.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_without_a_kernel_is_told() {
        let root = std::env::temp_dir().join(format!("xtask-boot-{}", std::process::id()));
        fs::create_dir_all(root.join("boot")).unwrap();
        assert!(
            in_boot(&root, "vmlinuz-").unwrap_err().to_string().ends_with("has 0 files vmlinuz-*, and one is needed")
        );
        write(&root, "boot/vmlinuz-6", 0o600, "").unwrap();
        assert_eq!(in_boot(&root, "vmlinuz-").unwrap(), root.join("boot/vmlinuz-6"));
        fs::remove_dir_all(&root).unwrap();
    }
}
