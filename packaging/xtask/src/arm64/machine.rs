//! An emulated arm64 machine that runs the packages under a systemd of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::root;
use crate::{shell, vm};

/// The size that the disk shows; it takes the space of its files only.
const DISK_SIZE: &str = "3G";
/// Asks for an address on whatever network card there is.
const NETWORK: (&str, &str) = ("etc/systemd/network/80-any.network", "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n");
/// Longest from power-on until the daemon is ready; it takes a minute on an idle host.
const BOOT_LIMIT: Duration = Duration::from_secs(600);
/// Longest that one question may take: while nothing listens in the machine, qemu takes connections and lets them wait.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Pause between two questions.
const LOOK: Duration = Duration::from_millis(500);
/// Lines of the console that an error shows.
const LAST_LINES: usize = 40;

/// What a machine starts from.
#[derive(Debug)]
pub(super) struct Disk {
    image: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
}

impl Disk {
    /// Makes the disk of a root folder, in `home`.
    ///
    /// # Errors
    /// When the root has no kernel, or a step fails.
    pub(super) fn of(root: &Path, home: &Path) -> Result<Disk> {
        shell::step("making the machine's disk", || {
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
        })
    }

    /// A qemu that boots it and keeps it as it is, with the daemon's port as this one of the host.
    pub(super) fn command(&self, port: u16) -> Result<Command> {
        let mut qemu = Command::new("qemu-system-aarch64");
        // The real pointer authentication of `max` would be most of the time that emulation takes.
        qemu.args(["-machine", "virt", "-cpu", "max,pauth-impdef=on", "-accel", "tcg,thread=multi"]);
        qemu.args(["-smp", "2", "-m", "2048", "-no-reboot"]);
        qemu.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.initrd);
        // A panic restarts at once, which ends qemu.
        qemu.args(["-append", "root=/dev/vda rw console=ttyAMA0 panic=-1"]);
        qemu.arg("-drive").arg(format!("file={},format=raw,if=virtio,snapshot=on", vm::qemu_option(&self.image)?));
        qemu.arg("-netdev").arg(format!("user,id=net,hostfwd=tcp:127.0.0.1:{port}-:8000"));
        qemu.args(["-device", "virtio-net-pci,netdev=net,romfile="]);
        Ok(qemu)
    }
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

/// A machine whose daemon is ready, killed when this is dropped.
#[derive(Debug)]
pub(super) struct Machine {
    qemu: Child,
    address: SocketAddr,
}

impl Machine {
    /// Boots the disk and waits until the daemon in it is ready. The console goes to a file in `home`.
    ///
    /// # Errors
    /// When qemu cannot be started or ends, or the daemon does not get ready.
    pub(super) fn boot(disk: &Disk, home: &Path) -> Result<Machine> {
        let port = free_port()?;
        let console = home.join("console.log");
        let mut command = disk.command(port)?;
        command.args(["-nodefaults", "-display", "none", "-serial"]);
        command.arg(format!("file:{}", vm::qemu_option(&console)?)).stdin(Stdio::null());
        let qemu = command.spawn().context("cannot start qemu-system-aarch64")?;
        let mut machine = Machine { qemu, address: (Ipv4Addr::LOCALHOST, port).into() };
        machine.wait_ready().with_context(|| {
            let text = fs::read(&console).unwrap_or_default();
            let end = shell::last_lines(&String::from_utf8_lossy(&text), LAST_LINES);
            format!("the end of the machine's console ({}):\n{end}\n", console.display())
        })?;
        Ok(machine)
    }

    /// Where its daemon is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    fn wait_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        while !is_ready(self.address) {
            if let Some(status) = self.qemu.try_wait().context("cannot wait for qemu")? {
                bail!("the arm64 machine went off before its daemon was ready ({status})");
            }
            if start.elapsed() > BOOT_LIMIT {
                bail!("the daemon in the arm64 machine was not ready within {} s", BOOT_LIMIT.as_secs());
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// A port of this machine that nobody has now.
fn free_port() -> Result<u16> {
    let what = "cannot get a port of this machine";
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context(what)?.local_addr().context(what)?.port())
}

/// Whether a daemon there says that it is ready.
fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: board\r\nConnection: close\r\n\r\n")?;
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer == b"HTTP/1.1 200")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn the_machine_keeps_its_disk_and_shows_the_daemons_port() {
        let disk = Disk { image: "/t/disk.img".into(), kernel: "/t/vmlinuz".into(), initrd: "/t/initrd".into() };
        let qemu = disk.command(18000).unwrap();
        let line: Vec<_> = qemu.get_args().map(|word| word.to_string_lossy()).collect();
        assert!(line.contains(&"file=/t/disk.img,format=raw,if=virtio,snapshot=on".into()), "{line:?}");
        assert!(line.contains(&"user,id=net,hostfwd=tcp:127.0.0.1:18000-:8000".into()), "{line:?}");
    }

    #[test]
    fn a_root_without_a_kernel_is_told() {
        let root = std::env::temp_dir().join(format!("xtask-boot-{}", std::process::id()));
        fs::create_dir_all(root.join("boot")).unwrap();
        assert!(
            in_boot(&root, "vmlinuz-").unwrap_err().to_string().ends_with("has 0 files vmlinuz-*, and one is needed")
        );
        fs::write(root.join("boot/vmlinuz-6"), "").unwrap();
        assert_eq!(in_boot(&root, "vmlinuz-").unwrap(), root.join("boot/vmlinuz-6"));
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn ready_is_what_says_so() {
        for (answer, ready) in [
            (&b"HTTP/1.1 200 OK\r\n\r\n"[..], true),
            (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", false),
            (b"", false),
        ] {
            let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = server.local_addr().unwrap();
            let serving = thread::spawn(move || {
                let mut client = server.accept().unwrap().0;
                let request = BufReader::new(client.try_clone().unwrap()).lines();
                assert!(request.map_while(Result::ok).any(|line| line.is_empty()));
                client.write_all(answer).unwrap();
            });
            assert_eq!(is_ready(address), ready);
            serving.join().unwrap();
        }
        let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        assert!(!is_ready(nobody));
    }
}
