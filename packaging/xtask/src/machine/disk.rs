//! A disk with its kernel, and the qemu that boots it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::root;
use crate::arch::Arch;
use crate::{files, shell};

/// The size that a disk shows; it takes the space of its files only.
pub(super) const SIZE: &str = "3G";

/// What a machine boots from: a root file system, a kernel and its initial RAM disk.
#[derive(Debug)]
pub(crate) struct Disk {
    image: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
}

impl Disk {
    /// The disk that [`Disk::pack`] has left in a folder.
    pub(crate) fn in_folder(folder: PathBuf) -> Disk {
        Disk { image: folder.join("root.img"), kernel: folder.join("vmlinuz"), initrd: folder.join("initrd.img") }
    }

    /// Makes the disk of a root folder, which has a kernel in it.
    pub(crate) fn pack(root: &Path, folder: &Path, log: &Path) -> Result<Disk> {
        let disk = Disk::in_folder(folder.to_path_buf());
        for (start, to) in [("vmlinuz-", &disk.kernel), ("initrd.img-", &disk.initrd)] {
            files::copy(&root::in_boot(root, start)?, to)?;
        }
        let mut pack = Command::new("mke2fs");
        pack.args(["-q", "-F", "-t", "ext4", "-d"]).args([root, &disk.image]).arg(SIZE);
        shell::run_logged(pack, log)?;
        Ok(disk)
    }

    /// A qemu that boots it, with these words for the kernel, and leaves it as it is.
    pub(crate) fn boot(&self, arch: Arch, kernel: &str) -> Result<Command> {
        let mut qemu = Command::new(format!("qemu-system-{}", arch.name()));
        qemu.args(["-m", "2048", "-no-reboot"]);
        qemu.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.initrd);
        // A panic restarts at once, which ends qemu.
        qemu.arg("-append").arg(format!("root=/dev/vda rw panic=-1 {kernel}"));
        qemu.arg("-drive").arg(format!("file={},format=raw,if=virtio,snapshot=on", path_option(&self.image)?));
        Ok(qemu)
    }
}

/// A path as the value of an option of qemu, where commas stand between options.
pub(crate) fn path_option(path: &Path) -> Result<String> {
    let text = path.to_str().with_context(|| format!("qemu takes no path that is not UTF-8: {}", path.display()))?;
    Ok(text.replace(',', ",,"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_keeps_its_disk() {
        let qemu = Disk::in_folder("/t".into()).boot(Arch::Aarch64, "quiet").unwrap();
        assert_eq!(qemu.get_program(), "qemu-system-aarch64");
        let line: Vec<_> = qemu.get_args().map(|word| word.to_string_lossy()).collect();
        assert!(line.contains(&"file=/t/root.img,format=raw,if=virtio,snapshot=on".into()), "{line:?}");
    }

    #[test]
    fn commas_in_paths_are_no_options() {
        assert_eq!(path_option(Path::new("/a,b")).unwrap(), "/a,,b");
    }
}
