//! The machine: qemu with an image, folders of the host and two ports, from power-on to power-off.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::image::{Image, UNIT_NAME};
use crate::shell;

/// Longest from power-on until the machine says that it is up; it takes ten seconds on an idle host.
const BOOT_LIMIT: Duration = Duration::from_secs(180);
/// Longest from the script's end to power-off.
const OFF_LIMIT: Duration = Duration::from_secs(20);
/// Pause between two looks at the machine.
const LOOK: Duration = Duration::from_millis(100);
/// Lines of the console that an error shows.
const LAST_LINES: usize = 60;

/// How far the machine has come, as its status port says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Booting,
    Running,
    Ended(i32),
}

/// What the machine's time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// The host's. Two processors, so that races show.
    Host,
    /// A nanosecond for each instruction, so CPU times are the same however busy the host is. One processor: two would
    /// count each other's instructions.
    Instructions,
}

/// Boots, runs the script in it with its output on this standard output, and returns the script's status. The machine
/// sees the shares read-only; what it writes elsewhere is gone with it. `folder` takes its console and other files.
///
/// # Errors
/// When it cannot be started, hangs, or dies.
pub(super) fn boot(image: &Image, clock: Clock, shares: &[PathBuf], script: &str, folder: &Path) -> Result<i32> {
    let host = folder.join("host");
    fs::create_dir_all(&host).with_context(|| format!("cannot make the folder {}", host.display()))?;
    fs::write(host.join("run"), script).context("cannot write the script for the VM")?;
    let (status, console) = (folder.join("status"), folder.join("console.log"));
    for file in [&status, &console] {
        File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let mut qemu = command(image, clock, shares, &host, &status, &console)?;
    let child = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start qemu-system-x86_64")?;
    let mut machine = Machine(child);
    let mut output = machine.0.stdout.take().context("qemu has no standard output")?;
    let copying = thread::spawn(move || io::copy(&mut output, &mut io::stdout()));
    let end = machine.watch(&status, clock.limit());
    drop(machine);
    // A reader that has gone away is no matter here.
    let _ = copying.join();
    match end? {
        End { stage: Stage::Ended(status), .. } => Ok(status),
        end => {
            bail!(
                "the VM {}; the end of its console ({}):\n{}",
                end.words(clock.limit()),
                console.display(),
                last_words(&console)
            )
        }
    }
}

/// How a machine ended that may not have done what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    stage: Stage,
    /// Whether it went off by itself.
    off: bool,
}

impl Clock {
    /// Longest from power-on until the script has ended.
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

impl End {
    fn words(self, limit: Duration) -> String {
        match self.stage {
            Stage::Ended(status) => format!("ended with status {status}"),
            Stage::Booting if self.off => "died while it booted".to_owned(),
            Stage::Booting => format!("did not come up within {} s", BOOT_LIMIT.as_secs()),
            Stage::Running if self.off => "died while it ran".to_owned(),
            Stage::Running => format!("was not done within {} s", limit.as_secs()),
        }
    }
}

/// A running qemu, killed when this is dropped.
struct Machine(Child);

impl Machine {
    /// Waits until the machine is off or a limit is over, and says how far it came. `limit` is the one from power-on
    /// until the script has ended.
    fn watch(&mut self, status: &Path, limit: Duration) -> Result<End> {
        let mut ended = None;
        let start = Instant::now();
        loop {
            let off: Option<ExitStatus> = self.0.try_wait().context("cannot wait for qemu")?;
            let stage = stage(&fs::read_to_string(status).context("cannot read the VM's status")?);
            if matches!(stage, Stage::Ended(_)) {
                ended.get_or_insert_with(Instant::now);
            }
            let over = match stage {
                Stage::Booting => start.elapsed() > BOOT_LIMIT,
                Stage::Running => start.elapsed() > limit,
                Stage::Ended(_) => ended.is_some_and(|ended| ended.elapsed() > OFF_LIMIT),
            };
            if off.is_some() || over {
                return Ok(End { stage, off: off.is_some() });
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the lines on the status port mean.
fn stage(lines: &str) -> Stage {
    // Only whole lines: the last one may still be coming.
    let whole = lines.rfind('\n').map_or("", |end| lines.get(..end).unwrap_or(""));
    let ended = whole.lines().find_map(|line| line.strip_prefix("ended ")?.parse().ok());
    match ended {
        Some(status) => Stage::Ended(status),
        None if whole.lines().any(|line| line == "up") => Stage::Running,
        None => Stage::Booting,
    }
}

/// The command line.
fn command(
    image: &Image,
    clock: Clock,
    shares: &[PathBuf],
    host: &Path,
    status: &Path,
    console: &Path,
) -> Result<Command> {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(clock.options()).args(["-cpu", "max", "-m", "2048"]);
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    qemu.arg("-kernel").arg(&image.kernel).arg("-initrd").arg(&image.initrd);
    // The console takes time: warnings only. A driver that fails is a panic, and a panic a restart, which ends qemu.
    let kernel =
        "root=/dev/vda rootfstype=ext4 rw console=ttyS0 loglevel=5 oops=panic panic=-1 systemd.show_status=error";
    qemu.arg("-append").arg(format!("{kernel} systemd.unit={UNIT_NAME}"));
    qemu.arg("-drive").arg(format!("file={},format=raw,if=virtio,snapshot=on", option(&image.disk)?));
    qemu.arg("-serial").arg(format!("file:{}", option(console)?));
    // Not the backend `stdio`: at the end of its input it takes the port down, and whoever writes to it waits for ever.
    qemu.args(["-device", "virtio-serial-pci", "-chardev", "file,id=output,path=/dev/stdout"]);
    qemu.args(["-device", "virtserialport,chardev=output,name=output"]);
    qemu.arg("-chardev").arg(format!("file,id=status,path={}", option(status)?));
    qemu.args(["-device", "virtserialport,chardev=status,name=status"]);
    let numbered = shares.iter().enumerate().map(|(number, share)| (format!("share{number}"), share.as_path()));
    for (tag, folder) in numbered.chain([("host".to_owned(), host)]) {
        let path = option(folder)?;
        let fixed = "security_model=none,readonly=on,multidevs=remap";
        qemu.arg("-virtfs").arg(format!("local,path={path},mount_tag={tag},{fixed}"));
    }
    Ok(qemu)
}

/// A path as the value of an option of qemu, where commas stand between options.
pub(crate) fn option(path: &Path) -> Result<String> {
    let text = path.to_str().with_context(|| format!("qemu takes no path that is not UTF-8: {}", path.display()))?;
    Ok(text.replace(',', ",,"))
}

/// The end of the console, for an error.
fn last_words(console: &Path) -> String {
    shell::last_lines(&String::from_utf8_lossy(&fs::read(console).unwrap_or_default()), LAST_LINES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_port_tells_the_stage() {
        let cases = [
            ("", Stage::Booting),
            ("u", Stage::Booting),
            ("up\n", Stage::Running),
            ("up\nended 10", Stage::Running),
            ("up\nended 101\n", Stage::Ended(101)),
            ("up\nended 0\n", Stage::Ended(0)),
        ];
        for (lines, expected) in cases {
            assert_eq!(stage(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn how_it_ended_is_said_in_words() {
        let words = |stage, off| End { stage, off }.words(Clock::Host.limit());
        assert_eq!(words(Stage::Booting, false), "did not come up within 180 s");
        assert_eq!(words(Stage::Booting, true), "died while it booted");
        assert_eq!(words(Stage::Running, false), "was not done within 1200 s");
        assert_eq!(words(Stage::Running, true), "died while it ran");
    }

    #[test]
    fn commas_in_paths_are_no_options() {
        assert_eq!(option(Path::new("/a,b")).unwrap(), "/a,,b");
    }

    #[test]
    fn the_console_s_end_is_shown() {
        let file = std::env::temp_dir().join(format!("xtask-console-{}", std::process::id()));
        fs::write(&file, (0..100).map(|line| format!("line {line}\r\n")).collect::<String>()).unwrap();
        let words = last_words(&file);
        assert!(words.starts_with("line 40\n") && words.ends_with("\nline 98\nline 99"), "{words}");
        fs::remove_file(&file).unwrap();
    }
}
