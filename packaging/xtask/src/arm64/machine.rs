//! An emulated arm64 machine that runs the packages under a systemd of its own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::machine::{Disk, Process, path_option, root};
use crate::shell;

/// Asks for an address on whatever network card there is.
const NETWORK: (&str, &str) = ("etc/systemd/network/80-any.network", "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n");
/// Longest from power-on until the daemon is ready; it takes a minute on an idle host.
const BOOT_LIMIT: Duration = Duration::from_secs(600);
/// Longest that one question may take: while nothing listens in the machine, qemu takes connections and lets them wait.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Makes the disk of a root folder with the packages, in `home`.
pub(super) fn disk(root: &Path, home: &Path) -> Result<Disk> {
    shell::step("making the machine's disk", || {
        let log = home.join("disk.log");
        root::write(root, NETWORK.0, 0o644, NETWORK.1)?;
        root::run(root, &["systemctl", "enable", "systemd-networkd"], &log)?;
        root::run(root, &["passwd", "--delete", "root"], &log)?;
        Disk::pack(root, home, &log)
    })
}

/// A qemu that boots the disk, with the daemon's port as this one of the host.
pub(super) fn command(disk: &Disk, port: u16) -> Result<Command> {
    let mut qemu = disk.boot(Arch::Aarch64, "console=ttyAMA0")?;
    // The real pointer authentication of `max` would be most of the time that emulation takes.
    qemu.args(["-machine", "virt", "-cpu", "max,pauth-impdef=on", "-accel", "tcg,thread=multi", "-smp", "2"]);
    qemu.arg("-netdev").arg(format!("user,id=net,hostfwd=tcp:127.0.0.1:{port}-:8000"));
    qemu.args(["-device", "virtio-net-pci,netdev=net,romfile="]);
    Ok(qemu)
}

/// A machine whose daemon is ready; it ends with this value.
#[derive(Debug)]
pub(super) struct Machine {
    _qemu: Process,
    address: SocketAddr,
}

impl Machine {
    /// Boots the disk and waits until the daemon in it is ready. The console goes to a file in `home`.
    pub(super) fn boot(disk: &Disk, home: &Path) -> Result<Machine> {
        let port = free_port()?;
        let console = home.join("console.log");
        let mut command = command(disk, port)?;
        command.args(["-nodefaults", "-display", "none", "-serial"]);
        command.arg(format!("file:{}", path_option(&console)?)).stdin(Stdio::null());
        let mut qemu = Process::start("the arm64 machine", &mut command, &console)?;
        let address = (Ipv4Addr::LOCALHOST, port).into();
        qemu.wait_until("ready", BOOT_LIMIT, || is_ready(address).then_some(()))?;
        Ok(Machine { _qemu: qemu, address })
    }

    /// Where its daemon is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
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
    use std::thread;

    use super::*;

    #[test]
    fn the_machine_shows_the_daemons_port() {
        let root = std::env::temp_dir().join(format!("xtask-arm64-{}", std::process::id()));
        let qemu = command(&Disk::in_folder(root), 18000).unwrap();
        let line: Vec<_> = qemu.get_args().map(|word| word.to_string_lossy()).collect();
        assert!(line.contains(&"user,id=net,hostfwd=tcp:127.0.0.1:18000-:8000".into()), "{line:?}");
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
