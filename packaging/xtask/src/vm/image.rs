//! The image that the VM boots: a small Debian with the camera drivers, made once by root and kept in the user's cache.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::release;
use crate::packages::{self, DEBIAN_KEYRING, For};
use crate::{cache, paths, shell};

/// Beside what every Debian has. The C++ library is for libtorch and our package.
const PACKAGES: &[&str] =
    &["initramfs-tools", "kmod", "libstdc++6", "linux-image-amd64", "systemd-sysv", "udev", "ustreamer", "v4l-utils"];
/// These build the driver `v4l2loopback` for the kernel of the image.
const DRIVER_PACKAGES: &[&str] = &["linux-headers-amd64", "v4l2loopback-dkms"];
/// The camera drivers that tests load.
const DRIVERS: &[&str] = &["vivid", "v4l2loopback"];
/// What the machine does when it has booted: a unit of systemd, and its script; see there.
const UNIT: &str = include_str!("vm.service");
const SCRIPT: &str = include_str!("vm.sh");
/// Where they lie.
const UNIT_PLACE: &str = "etc/systemd/system/vm.service";
const SCRIPT_PLACE: &str = "usr/local/sbin/vm";
/// Units that would only take time.
const MASKED: &[&str] = &["systemd-udev-trigger.service"];
/// What the kernel needs to reach its disk. udev loads the rest from there, so the initrd is small and quick to unpack.
const BOOT_MODULES: &str = "virtio_pci\nvirtio_blk\next4\n";
/// Not needed any more when the image is whole: sources and tools of the driver, pages for people, package lists.
const SUPERFLUOUS: &[&str] =
    &["usr/src", "usr/lib/gcc", "usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt"];
/// The size that the image's file system shows; it takes the space of its files only.
const DISK_SIZE: &str = "3G";
/// Free space needed while it is made: the files, and the image of those that stay.
const NEEDED_BYTES: u64 = 3_000_000_000;

/// The files of a made image.
#[derive(Debug)]
pub(super) struct Image {
    /// The root file system.
    pub disk: PathBuf,
    /// The kernel.
    pub kernel: PathBuf,
    /// The initial RAM disk.
    pub initrd: PathBuf,
}

/// The unit that the image is to boot into, by its name.
pub(super) const UNIT_NAME: &str = "vm.service";

/// The image for this machine, made unless it is in the cache.
///
/// # Errors
/// When no release fits this machine, or the image has to be made and cannot: that needs root, Debian's tools and a
/// network.
pub(super) fn ensure() -> Result<Image> {
    let release = release::of_this_machine()?;
    let folder = paths::cache()?.join(format!("vm-{release}-{:016x}", fingerprint()));
    if !folder.is_dir() && !shell::is_root() {
        bail!("{}", as_root(&folder)?);
    }
    cache::ensure(&folder, |partial| {
        packages::ensure(For::VmImage)?;
        cache::check_space(partial, NEEDED_BYTES, "the VM's image")?;
        let title = format!("making the VM's image of Debian {release} in {} (once)", folder.display());
        shell::step(&title, || make(partial, release))
    })?;
    Ok(Image { disk: folder.join("root.img"), kernel: folder.join("vmlinuz"), initrd: folder.join("initrd.img") })
}

/// Tells apart images that are made in different ways.
fn fingerprint() -> u64 {
    let lists = [PACKAGES, DRIVER_PACKAGES, SUPERFLUOUS, MASKED].concat().join(" ");
    let recipe = [lists.as_str(), UNIT, SCRIPT, BOOT_MODULES, DISK_SIZE].join("\n");
    cache::fingerprint(&recipe)
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

fn make(folder: &Path, release: &str) -> Result<()> {
    let (root, log) = (folder.join("root"), folder.join("log"));
    bootstrap(&root, release, &log)?;
    let kernel = kernel_version(&root)?;
    for driver in DRIVERS {
        let there = chroot(&root, &["modinfo", "--set-version", &kernel, driver]);
        shell::run_logged(there, &log).with_context(|| format!("the kernel {kernel} got no driver {driver}"))?;
    }
    write(&root.join("etc/initramfs-tools/conf.d/vm"), "MODULES=list\n")?;
    write(&root.join("etc/initramfs-tools/modules"), BOOT_MODULES)?;
    shell::run_logged(chroot(&root, &["update-initramfs", "-u", "-k", &kernel]), &log)?;
    write(&root.join(UNIT_PLACE), UNIT)?;
    for unit in MASKED {
        std::os::unix::fs::symlink("/dev/null", root.join("etc/systemd/system").join(unit))
            .with_context(|| format!("cannot mask {unit}"))?;
    }
    let script = root.join(SCRIPT_PLACE);
    write(&script, SCRIPT)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).context("cannot make the script executable")?;
    for name in ["vmlinuz", "initrd.img"] {
        let from = root.join("boot").join(format!("{name}-{kernel}"));
        fs::copy(&from, folder.join(name)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    for superfluous in SUPERFLUOUS {
        remove(&root.join(superfluous))?;
    }
    let mut pack = Command::new("mke2fs");
    pack.args(["-q", "-F", "-t", "ext4", "-d"]).args([&root, &folder.join("root.img")]).arg(DISK_SIZE);
    shell::run_logged(pack, &log)?;
    remove(&root)
}

/// Fills the folder with the release and the packages; the driver is built by its package.
fn bootstrap(root: &Path, release: &str, log: &Path) -> Result<()> {
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--arch=amd64", "--variant=minbase", "--force-check-gpg"]);
    debootstrap.arg(format!("--keyring={DEBIAN_KEYRING}"));
    debootstrap.arg(format!("--include={}", [PACKAGES, DRIVER_PACKAGES].concat().join(",")));
    debootstrap.arg(release).arg(root);
    shell::run_logged(debootstrap, log).context("cannot make a Debian: it takes root and a network")
}

fn chroot(root: &Path, line: &[&str]) -> Command {
    let mut command = Command::new("chroot");
    command.arg(root).args(line).env("LC_ALL", "C").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// The one kernel in the folder.
fn kernel_version(root: &Path) -> Result<String> {
    let modules = root.join("usr/lib/modules");
    let what = || format!("cannot list {}", modules.display());
    let mut entries = fs::read_dir(&modules).with_context(what)?;
    let name = entries.next().with_context(what)?.with_context(what)?.file_name();
    name.into_string().ok().context("the kernel's version is not UTF-8")
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
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
