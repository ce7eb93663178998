//! What the VM boots: a small Debian with the camera drivers.

use std::env;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::machine::{Disk, Recipe, System, root};
use crate::shell;

/// The C++ library is for libtorch and our package. The last two build the driver `v4l2loopback` for the kernel of the image.
const PACKAGES: &[&str] = &[
    "initramfs-tools",
    "kmod",
    "libstdc++6",
    "linux-image-amd64",
    "systemd-sysv",
    "udev",
    "ustreamer",
    "v4l-utils",
    "linux-headers-amd64",
    "v4l2loopback-dkms",
];
/// The camera drivers that tests load.
const DRIVERS: &[&str] = &["vivid", "v4l2loopback"];
/// What the kernel needs to reach its disk. udev loads the rest from there, so the initrd is small and quick to unpack.
const BOOT_MODULES: &str = "virtio_pci\nvirtio_blk\next4\n";
/// What the machine does when it has booted: a unit of systemd, and its script; see there.
const FILES: &[(&str, u32, &str)] = &[
    ("etc/systemd/system/vm.service", 0o644, include_str!("vm.service")),
    ("usr/local/sbin/vm", 0o755, include_str!("vm.sh")),
    ("etc/initramfs-tools/modules", 0o644, BOOT_MODULES),
];
/// Units that would only take time.
const MASKED: &[&str] = &["systemd-udev-trigger.service"];
/// Sources and tools of the driver, pages for people, package lists.
const SUPERFLUOUS: &[&str] =
    &["usr/src", "usr/lib/gcc", "usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt"];

/// The unit that the image is to boot into, by its name.
pub(super) const UNIT_NAME: &str = "vm.service";

/// The disk for this machine, made unless it is in the cache.
///
/// # Errors
/// When no release fits this machine, or the disk has to be made and cannot: that needs root, Debian's tools and a
/// network.
pub(super) fn ensure() -> Result<Disk> {
    let system = System::debian_of_this_machine()?;
    let recipe = Recipe {
        name: format!("vm-{}", system.release()),
        system,
        arch: Arch::host()?,
        packages: PACKAGES,
        files: FILES,
        masked: MASKED,
        superfluous: SUPERFLUOUS,
        last: make_bootable,
        disk: true,
        space: 3_000_000_000,
    };
    let edition = recipe.edition()?;
    if edition.find().is_none() && !shell::is_root() {
        bail!("{}", as_root(edition.folder())?);
    }
    recipe.ensure().map(Disk::in_folder)
}

/// What a person who is not root has to do.
fn as_root(folder: &Path) -> Result<String> {
    let program = env::current_exe().context("cannot find the path of this program")?;
    let cache = folder.parent().and_then(Path::parent).unwrap_or(folder);
    Ok(format!(
        "the VM's image is not there, and making it takes root (debootstrap). Once, run:\n\n  sudo env XDG_CACHE_HOME={} {} \
         test-vm --image\n",
        cache.display(),
        program.display()
    ))
}

/// Checks that the kernel got its drivers, and makes its initial RAM disk.
fn make_bootable(root: &Path, log: &Path) -> Result<()> {
    let kernel = root::in_boot(root, "vmlinuz-")?;
    let version = kernel.file_name().and_then(|name| name.to_str()).context("the kernel's version is not UTF-8")?;
    let version = version.trim_start_matches("vmlinuz-");
    for driver in DRIVERS {
        root::run(root, &["modinfo", "--set-version", version, driver], log)
            .with_context(|| format!("the kernel {version} got no driver {driver}"))?;
    }
    // Those of the list alone.
    root::write(root, "etc/initramfs-tools/conf.d/vm", 0o644, "MODULES=list\n")?;
    root::run(root, &["update-initramfs", "-u", "-k", version], log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_asked_for_with_a_line_that_can_be_pasted() {
        let words = as_root(Path::new("/home/u/.cache/forgesyted/vm-bookworm-1")).unwrap();
        assert!(words.contains("\n  sudo env XDG_CACHE_HOME=/home/u/.cache /"), "{words}");
        assert!(words.ends_with(" test-vm --image\n"), "{words}");
    }
}
