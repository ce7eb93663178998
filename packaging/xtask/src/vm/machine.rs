//! The machine: qemu with a disk, folders of the host and two ports, from power-on to power-off.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::image::UNIT_NAME;
use crate::arch::Arch;
use crate::files;
use crate::machine::{Disk, Process, path_option};

/// Longest from power-on until the machine says that it is up; it takes ten seconds on an idle host.
const BOOT_LIMIT: Duration = Duration::from_secs(180);
/// Longest from the script's end to power-off.
const OFF_LIMIT: Duration = Duration::from_secs(20);

/// What the machine's time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// The host's. Two processors, so that races show.
    Host,
    /// A nanosecond for each instruction, so CPU times are the same however busy the host is. One processor: two would
    /// count each other's instructions.
    Instructions,
}

impl Clock {
    /// Longest that the script may take.
    fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Clock::Host => 1200,
            Clock::Instructions => 3600,
        })
    }

    /// Options of qemu. Plain emulation: it works everywhere, in nested machines too, and everywhere alike.
    fn options(self) -> &'static [&'static str] {
        match self {
            Clock::Host => &["-accel", "tcg,thread=multi", "-smp", "2"],
            Clock::Instructions => &["-accel", "tcg,thread=single", "-smp", "1", "-icount", "shift=0"],
        }
    }
}

/// Boots, runs the script in it with its output on this standard output, and returns the script's status. The machine
/// sees the shares read-only; what it writes elsewhere is gone with it. `folder` takes its console and other files.
///
/// # Errors
/// When it cannot be started, hangs, or dies.
pub(super) fn boot(disk: &Disk, clock: Clock, shares: &[PathBuf], script: &str, folder: &Path) -> Result<i32> {
    let host = folder.join("host");
    files::write(&host.join("run"), script)?;
    let (status, console) = (folder.join("status"), folder.join("console.log"));
    files::write(&status, "")?;
    let mut qemu = command(disk, clock, shares, &host, &status, &console)?;
    let mut machine = Process::start("the VM", qemu.stdin(Stdio::null()).stdout(Stdio::piped()), &console)?;
    let mut output = machine.output().context("qemu has no standard output")?;
    let copying = thread::spawn(move || io::copy(&mut output, &mut io::stdout()));
    let ended = watch(&mut machine, &status, clock);
    drop(machine);
    // A reader that has gone away is no matter here.
    let _ = copying.join();
    ended
}

/// Waits until the machine is off, and returns the script's status.
fn watch(machine: &mut Process, status: &Path, clock: Clock) -> Result<i32> {
    let lines = || fs::read_to_string(status).unwrap_or_default();
    machine.wait_until("up", BOOT_LIMIT, || whole(&lines()).any(|line| line == "up").then_some(()))?;
    let ended = machine.wait_until("done", clock.limit(), || ended(&lines()))?;
    machine.wait_end(OFF_LIMIT);
    Ok(ended)
}

/// The lines on the status port but the last one, which may still be coming.
fn whole(lines: &str) -> impl Iterator<Item = &str> {
    lines.rsplit_once('\n').map_or("", |(whole, _)| whole).lines()
}

/// The script's status, when that has ended.
fn ended(lines: &str) -> Option<i32> {
    whole(lines).find_map(|line| line.strip_prefix("ended ")?.parse().ok())
}

/// The command line.
fn command(
    disk: &Disk,
    clock: Clock,
    shares: &[PathBuf],
    host: &Path,
    status: &Path,
    console: &Path,
) -> Result<Command> {
    // The console takes time: warnings only. A driver that fails is a panic.
    let kernel = "rootfstype=ext4 console=ttyS0 loglevel=5 oops=panic systemd.show_status=error";
    let mut qemu = disk.boot(Arch::X86_64, &format!("{kernel} systemd.unit={UNIT_NAME}"))?;
    qemu.args(clock.options()).args(["-cpu", "max", "-nodefaults", "-no-user-config", "-display", "none"]);
    qemu.arg("-serial").arg(format!("file:{}", path_option(console)?));
    // Not the backend `stdio`: at the end of its input it takes the port down, and whoever writes to it waits for ever.
    qemu.args(["-device", "virtio-serial-pci", "-chardev", "file,id=output,path=/dev/stdout"]);
    qemu.args(["-device", "virtserialport,chardev=output,name=output"]);
    qemu.arg("-chardev").arg(format!("file,id=status,path={}", path_option(status)?));
    qemu.args(["-device", "virtserialport,chardev=status,name=status"]);
    let numbered = shares.iter().enumerate().map(|(number, share)| (format!("share{number}"), share.as_path()));
    for (tag, folder) in numbered.chain([("host".to_owned(), host)]) {
        let path = path_option(folder)?;
        let fixed = "security_model=none,readonly=on,multidevs=remap";
        qemu.arg("-virtfs").arg(format!("local,path={path},mount_tag={tag},{fixed}"));
    }
    Ok(qemu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_port_tells_the_stage() {
        let cases = [
            ("", false, None),
            ("u", false, None),
            ("up", false, None),
            ("up\n", true, None),
            ("up\nended 10", true, None),
            ("up\nended 101\n", true, Some(101)),
            ("up\nended 0\n", true, Some(0)),
        ];
        for (lines, up, status) in cases {
            assert_eq!(whole(lines).any(|line| line == "up"), up, "{lines:?}");
            assert_eq!(ended(lines), status, "{lines:?}");
        }
    }
}
