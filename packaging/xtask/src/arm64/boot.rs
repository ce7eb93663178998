//! `cargo xtask boot-arm64`: a whole emulated machine that runs the packages under a systemd of its own, in this terminal.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::root::Debian;
use super::{as_root, emulation, install, root};
use crate::cargo::Profile;
use crate::packages::{self, For};
use crate::{paths, shell, vm};

/// Where the daemon's port is on this machine.
const PORT: u16 = 18000;
/// The size that the disk shows; it takes the space of its files only.
const DISK_SIZE: &str = "3G";
/// Asks for an address on whatever network card there is.
const NETWORK: (&str, &str) = ("etc/systemd/network/80-any.network", "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n");

/// Installs the packages on a disk and boots it, until the machine is off. What it writes is gone with it.
///
/// # Errors
/// When something is missing, the packages cannot be made or installed, or qemu fails.
pub fn boot_arm64(profile: Profile) -> Result<()> {
    packages::ensure(For::Arm64Machine)?;
    as_root("boot-arm64")?;
    emulation::ensure()?;
    let home = paths::target().join("arm64-machine");
    let root = install(Debian::Machine, profile, &home)?;
    let disk = shell::step("making the machine's disk", || make_disk(&root, &home))?;
    eprintln!("xtask: booting; this takes some minutes. {}", words(PORT));
    shell::run(&mut machine(&disk, PORT)?)
}

/// What a machine starts from.
#[derive(Debug)]
struct Disk {
    image: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
}

fn make_disk(root: &Path, home: &Path) -> Result<Disk> {
    let log = home.join("disk.log");
    let (place, text) = NETWORK;
    fs::write(root.join(place), text).with_context(|| format!("cannot write {place}"))?;
    for line in [&["systemctl", "enable", "systemd-networkd"] as &[&str], &["passwd", "--delete", "root"]] {
        let mut command = root::command(root, None);
        command.args(line);
        shell::run_logged(command, &log)?;
    }
    let image = home.join("disk.img");
    let mut pack = Command::new("mke2fs");
    pack.args(["-q", "-F", "-t", "ext4", "-d"]).args([root, &image]).arg(DISK_SIZE);
    shell::run_logged(pack, &log)?;
    Ok(Disk { image, kernel: in_boot(root, "vmlinuz-")?, initrd: in_boot(root, "initrd.img-")? })
}

/// The one file in `/boot` whose name starts so.
fn in_boot(root: &Path, start: &str) -> Result<PathBuf> {
    let folder = root.join("boot");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let found: Vec<_> =
        entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(start)).collect();
    match found.as_slice() {
        [one] => Ok(one.path()),
        _ => bail!("{} has {} files {start}*, and one is needed", folder.display(), found.len()),
    }
}

fn machine(disk: &Disk, port: u16) -> Result<Command> {
    let mut qemu = Command::new("qemu-system-aarch64");
    // The real pointer authentication of `max` would be most of the time that emulation takes.
    qemu.args(["-machine", "virt", "-cpu", "max,pauth-impdef=on", "-accel", "tcg,thread=multi"]);
    qemu.args(["-smp", "2", "-m", "2048", "-nographic", "-no-reboot"]);
    qemu.arg("-kernel").arg(&disk.kernel).arg("-initrd").arg(&disk.initrd);
    qemu.args(["-append", "root=/dev/vda rw console=ttyAMA0"]);
    qemu.arg("-drive").arg(format!("file={},format=raw,if=virtio,snapshot=on", vm::qemu_option(&disk.image)?));
    qemu.arg("-netdev").arg(format!("user,id=net,hostfwd=tcp:127.0.0.1:{port}-:8000"));
    qemu.args(["-device", "virtio-net-pci,netdev=net"]);
    Ok(qemu)
}

/// What to try while it runs.
fn words(port: u16) -> String {
    format!(
        "Log in as root, without a password, and try `systemctl status forgesyted` and `forgesyted doctor`; from here, try \
         `curl http://127.0.0.1:{port}/readyz`. `poweroff` ends it, and so does Ctrl-A X"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_keeps_its_disk_and_shows_the_daemons_port() {
        let disk = Disk { image: "/t/disk.img".into(), kernel: "/t/vmlinuz".into(), initrd: "/t/initrd".into() };
        let qemu = machine(&disk, 18000).unwrap();
        let line: Vec<_> = qemu.get_args().map(|word| word.to_string_lossy()).collect();
        assert!(line.contains(&"file=/t/disk.img,format=raw,if=virtio,snapshot=on".into()), "{line:?}");
        assert!(line.contains(&"user,id=net,hostfwd=tcp:127.0.0.1:18000-:8000".into()), "{line:?}");
        assert!(words(18000).contains("http://127.0.0.1:18000/readyz"));
    }

    #[test]
    fn a_disk_without_a_kernel_is_told() {
        let root = std::env::temp_dir().join(format!("xtask-boot-{}", std::process::id()));
        fs::create_dir_all(root.join("boot")).unwrap();
        assert!(
            in_boot(&root, "vmlinuz-").unwrap_err().to_string().ends_with("has 0 files vmlinuz-*, and one is needed")
        );
        fs::write(root.join("boot/vmlinuz-6"), "").unwrap();
        assert_eq!(in_boot(&root, "vmlinuz-").unwrap(), root.join("boot/vmlinuz-6"));
        fs::remove_dir_all(&root).unwrap();
    }
}
