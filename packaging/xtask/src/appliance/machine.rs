//! The container: a copy of the system, booted, with a network of its own that this machine reaches.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::cgroup::Cgroup;
use crate::machine::{Process, root};
use crate::shell;

/// Enters the control groups whose folders come first, and becomes the command that follows `--`.
const ENTER_AND_RUN: &str =
    r#"while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs" || exit; shift; done; shift; exec "$@""#;
/// In a process namespace of nspawn's own: the container's systemd outlives an nspawn that is killed, but nothing outlives the
/// first process of its namespace, and that ends with `unshare`.
const NSPAWN: &[&str] = &[
    "--",
    "unshare",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "systemd-nspawn",
    "--quiet",
    "--register=no",
    "--keep-unit",
    "--network-veth",
];
/// Longest that booting may take; it takes seconds.
const BOOT_WITHIN: Duration = Duration::from_secs(90);

/// A container that runs; it ends with this value.
#[derive(Debug)]
pub(super) struct Machine {
    // All that is in it goes with `unshare`.
    _unshare: Process,
    leader: u32,
    address: String,
    // Goes last, when nothing is left in it.
    _group: Cgroup,
}

impl Machine {
    /// Copies the image to `home/system` and boots it, with the packages in reach; its console goes to `home/console.log`.
    pub(super) fn boot(image: &Path, packages: &Path, home: &Path) -> Result<Self> {
        let root = home.join("system");
        root::copy(image, &root)?;
        let console = home.join("console.log");
        let output = File::create(&console).with_context(|| format!("cannot write {}", console.display()))?;
        let errors = output.try_clone().context("cannot share the console's file")?;
        let group = Cgroup::make()?;
        let name = format!("fsd-{}", std::process::id());
        // The container must not outlive this process, however that ends.
        let mut nspawn = Command::new("setpriv");
        nspawn.args(["--pdeathsig", "KILL", "sh", "-c", ENTER_AND_RUN, "sh"]).args(group.folders()).args(NSPAWN);
        nspawn.arg(format!("--machine={name}")).arg("--directory").arg(&root);
        nspawn.arg(format!("--bind-ro={}:{}", packages.display(), super::PACKAGES)).arg("--boot");
        // nspawn is the first process where it runs, and such a one would log to the kernel.
        nspawn.env("SYSTEMD_LOG_TARGET", "console");
        nspawn.stdin(Stdio::null()).stdout(output).stderr(errors);
        let mut unshare = Process::start("the container", &mut nspawn, &console)?;
        let parent = unshare.id();
        let leader = unshare.wait_until("up", BOOT_WITHIN, || {
            // Its child is nspawn, whose child is at first a helper that goes again.
            child_of(parent).and_then(child_of).filter(|leader| has_booted(*leader))
        })?;
        let address = connect(leader, &name)?;
        Ok(Self { _unshare: unshare, leader, address, _group: group })
    }

    /// Process number of its systemd.
    pub(super) fn leader(&self) -> u32 {
        self.leader
    }

    /// Its address.
    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

/// Gives both ends of the cable an address of the range for tests of network devices (RFC 2544); returns the container's.
fn connect(leader: u32, name: &str) -> Result<String> {
    let ([a, b], [c, d]) = addresses(std::process::id());
    let (here, leader) = (format!("ve-{name}"), leader.to_string());
    let ip = |inside: bool, words: &[&str]| {
        let mut command = Command::new(if inside { "nsenter" } else { "ip" });
        if inside {
            command.args(["--target", &leader, "--net", "ip"]);
        }
        shell::run(command.args(words))
    };
    ip(false, &["address", "add", &format!("198.18.{a}.{b}/30"), "dev", &here])?;
    ip(false, &["link", "set", &here, "up"])?;
    ip(true, &["address", "add", &format!("198.18.{c}.{d}/30"), "dev", "host0"])?;
    ip(true, &["link", "set", "host0", "up"])?;
    Ok(format!("198.18.{c}.{d}"))
}

/// The last two numbers of the addresses of this end and of the other.
fn addresses(process: u32) -> ([u32; 2], [u32; 2]) {
    let net = process % (64 * 256);
    let (third, fourth) = (net / 64, net % 64 * 4);
    ([third, fourth + 1], [third, fourth + 2])
}

fn child_of(parent: u32) -> Option<u32> {
    let children = |entry: fs::DirEntry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name, in brackets, may hold anything.
        let fields = stat.rsplit_once(") ")?.1;
        (fields.split(' ').nth(1)?.parse() == Ok(parent)).then_some(process)
    };
    fs::read_dir("/proc").ok()?.flatten().find_map(children)
}

/// Whether systemd there says that it has nothing left to start.
fn has_booted(leader: u32) -> bool {
    let mut ask = Command::new("nsenter");
    ask.args(["--target", &leader.to_string(), "--all", "--root", "systemctl", "is-system-running"]);
    let answer = ask.stdin(Stdio::null()).stderr(Stdio::null()).output();
    answer.is_ok_and(|answer| matches!(answer.stdout.trim_ascii(), b"running" | b"degraded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_in_one_net_of_four() {
        for (process, expected) in
            [(0, ([0, 1], [0, 2])), (63, ([0, 253], [0, 254])), (64 * 256 + 65, ([1, 5], [1, 6]))]
        {
            assert_eq!(addresses(process), expected, "{process}");
        }
    }

    #[test]
    fn a_child_is_found_by_its_parent() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(child_of(std::process::id()).is_some());
        assert_eq!(child_of(child.id()), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
