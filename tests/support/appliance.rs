//! The appliance: a Debian with a real systemd, in which the packages are installed. `cargo xtask test-appliance` boots one in a
//! container; these fixtures reach it from outside, over the network and as its administrator. The VM of `cargo xtask test-vm`
//! is another, which tests reach from within.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use xtask::appliance::{ADDRESS_VARIABLE, LEADER_VARIABLE, PACKAGES};
use xtask::vm::VM_VARIABLE;

use crate::metrics::Metrics;
use crate::{Client, http, wait};

/// The port that the shipped configuration listens on.
const PORT: u16 = 8000;
/// As `apt install FILE` where nobody can be asked: a changed configuration file is kept, as apt does unless told otherwise.
const APT: &str = "apt-get -o Dpkg::Options::=--force-confdef install --yes --no-install-recommends";
/// Takes the system back to how the current packages leave it: installed, as shipped, stopped.
const RESET: &str = r"
for place in /etc /usr /var /mnt; do
    mountpoint --quiet $place || continue
    umount --lazy $place
    systemctl restart systemd-journald
done
systemctl stop squatter.socket 2>/dev/null
systemctl stop forgesyted.socket forgesyted.service 2>/dev/null
systemctl unmask --quiet forgesyted.service 2>/dev/null
systemctl disable --quiet forgesyted.socket 2>/dev/null
rm -rf /etc/systemd/system/forgesyted.*.d /root/called-off /opt/torch /opt/libtorch
wanted=$(dpkg-deb -f /packages/daemon.deb Version)
there() { [ $(dpkg-query --show --showformat='${db:Status-Abbrev}${Version}' $1 2>/dev/null | tr -d ' ') = ii$2 ]; }
if ! there forgesyted $wanted || ! there forgesyted-libtorch $(dpkg-deb -f /packages/libtorch.deb Version); then
    apt-get install --yes --no-install-recommends --allow-downgrades -o Dpkg::Options::=--force-confnew \
        /packages/daemon.deb /packages/libtorch.deb || exit 1
    systemctl stop forgesyted.service
fi
rm -rf /etc/forgesyted /var/lib/forgesyted /var/cache/forgesyted
dpkg-deb --fsys-tarfile /packages/daemon.deb | tar --extract --directory / ./etc || exit 1
systemd-sysusers forgesyted.conf
systemctl enable --quiet forgesyted.service
systemctl daemon-reload
systemctl reset-failed
";

/// The system that runs.
#[derive(Debug)]
pub struct Appliance {
    /// The container's first process; none for the system that this runs in.
    leader: Option<String>,
    address: IpAddr,
}

/// A place in the journal.
#[derive(Clone, Debug)]
pub struct Cursor(String);

impl Appliance {
    /// With whatever is in it.
    ///
    /// # Panics
    /// When this test was not started by `cargo xtask test-appliance`.
    pub fn reach() -> Appliance {
        let variable =
            |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is unset: cargo xtask test-appliance"));
        Appliance { leader: Some(variable(LEADER_VARIABLE)), address: variable(ADDRESS_VARIABLE).parse().unwrap() }
    }

    /// The system that this test runs in, which is there for tests alone.
    ///
    /// # Panics
    /// Outside of the VM.
    pub fn here() -> Appliance {
        assert!(std::env::var_os(VM_VARIABLE).is_some(), "only the VM is an appliance: cargo xtask test-vm");
        Appliance { leader: None, address: Ipv4Addr::LOCALHOST.into() }
    }

    /// With the current packages installed as they are shipped, and the service stopped.
    ///
    /// # Panics
    /// When it cannot be brought there.
    pub fn installed() -> Appliance {
        let appliance = Appliance::reach();
        appliance.sh(RESET);
        appliance
    }

    /// With the service running on the shipped configuration.
    ///
    /// # Panics
    /// When it does not get ready.
    pub fn serving() -> Appliance {
        let appliance = Appliance::installed();
        appliance.sh("systemctl start forgesyted");
        appliance.wait_ready();
        appliance
    }

    /// Runs a shell script as root inside, and returns what it wrote.
    ///
    /// # Panics
    /// When it fails.
    pub fn sh(&self, script: &str) -> String {
        let output = self.run(script);
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{script}\nended with {}:\n{said}\n{errors}", output.status);
        said
    }

    /// Runs a shell script as root inside.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn run(&self, script: &str) -> Output {
        let mut command = Command::new("env");
        if let Some(leader) = &self.leader {
            command = Command::new("nsenter");
            command.args(["--target", leader, "--all", "--root", "--wd", "env"]);
        }
        command.args([
            "--ignore-environment",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL=C.UTF-8",
            "DEBIAN_FRONTEND=noninteractive",
        ]);
        command.args(["sh", "-c", script]).stdin(Stdio::null()).output().unwrap()
    }

    /// Installs packages of [`PACKAGES`], as a person would by apt; `options` go to apt.
    ///
    /// # Panics
    /// When apt refuses.
    pub fn apt(&self, options: &str, packages: &[&str]) -> String {
        let files: String = packages.iter().map(|name| format!(" {PACKAGES}/{name}.deb")).collect();
        self.sh(&format!("{APT} {options}{files}"))
    }

    /// The version of an installed package; empty where it is not installed.
    pub fn version(&self, package: &str) -> String {
        let script =
            format!("dpkg-query --show --showformat='${{db:Status-Abbrev}}|${{Version}}' {package} 2>/dev/null");
        let said = text(&self.run(&script).stdout);
        said.strip_prefix("ii |").unwrap_or_default().to_owned()
    }

    /// Puts a file into it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.leader.as_ref().map_or_else(|| path.to_owned(), |leader| format!("/proc/{leader}/root{path}"));
        std::fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Gives the service a drop-in with these lines of `[Service]`.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn drop_in(&self, lines: &str) {
        self.write("/etc/systemd/system/forgesyted.service.d/test.conf", format!("[Service]\n{lines}\n"));
        self.sh("systemctl daemon-reload");
    }

    /// A property of the service, as `systemctl show` has it.
    pub fn property(&self, name: &str) -> String {
        self.sh(&format!("systemctl show forgesyted.service --property={name} --value"))
    }

    /// Waits until the service is in a state such as `active` or `failed`.
    ///
    /// # Panics
    /// When it does not get there.
    pub fn wait_state(&self, state: &str) {
        wait::until(&format!("the service to be {state}"), || self.property("ActiveState") == state);
    }

    /// Waits until the daemon says to the outside that it serves.
    ///
    /// # Panics
    /// When it never does.
    pub fn wait_ready(&self) {
        wait::until("/readyz to be 200", || http::try_get(self.http(), "/readyz").is_some_and(|it| it.status == 200));
    }

    /// How open the service is as `systemd-analyze security` rates it: from 0, closed, to 10.
    ///
    /// # Panics
    /// When it says no such thing.
    pub fn exposure(&self) -> f64 {
        let report = self.sh("systemd-analyze security --no-pager forgesyted.service");
        let line = report.lines().find(|line| line.contains("Overall exposure level")).expect(&report);
        println!("{report}");
        line.split_whitespace().find_map(|word| word.parse().ok()).expect(line)
    }

    /// Where it is reached from outside.
    pub fn http(&self) -> SocketAddr {
        self.at(PORT)
    }

    /// Another port of it.
    pub fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }

    /// A client that streams to a pipeline from outside.
    ///
    /// # Panics
    /// When the upgrade is refused.
    pub fn client(&self, pipeline: &str) -> Client {
        Client::connect(self.http(), &format!("pipeline_id={pipeline}"))
    }

    /// What `forgesyted doctor`, run by root, finds in a check.
    ///
    /// # Panics
    /// When it has no such check.
    pub fn doctor(&self, check: &str) -> Value {
        let report: Value = serde_json::from_slice(&self.run("forgesyted doctor --json").stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|found| found["check"] == check).cloned().unwrap_or_else(|| panic!("no {check} in {report}"))
    }

    /// One scrape of `/metrics`.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&http::get(self.http(), "/metrics").body)
    }

    /// The end of the journal.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn now(&self) -> Cursor {
        // A mark of our own: a journal that was just emptied has no end.
        static MARKS: AtomicU32 = AtomicU32::new(0);
        let mark = format!("test-{}-{}", std::process::id(), MARKS.fetch_add(1, Ordering::Relaxed));
        self.sh(&format!("echo {mark} | systemd-cat --identifier={mark}"));
        let script = format!("journalctl --identifier={mark} --output=json");
        let line = wait::until_some("the mark in the journal", || {
            serde_json::from_str::<Value>(self.sh(&script).lines().next()?).ok()
        });
        Cursor(line["__CURSOR"].as_str().unwrap().to_owned())
    }

    /// What the daemon logged since then, with every field of the journal, and what systemd said about it.
    ///
    /// # Panics
    /// When the journal cannot be read.
    pub fn journal(&self, since: &Cursor) -> Vec<Value> {
        let script = format!("journalctl --unit=forgesyted.service --cursor='{}' --output=json", since.0);
        self.sh(&script).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for the daemon's first line with this event.
    ///
    /// # Panics
    /// When none comes.
    pub fn wait_event(&self, since: &Cursor, event: &str) -> Value {
        wait::until_some(&format!("the event {event} in the journal"), || {
            self.journal(since).into_iter().find(|line| line["EVENT"] == event)
        })
    }

    /// The last line that the daemon itself wrote since then.
    ///
    /// # Panics
    /// When there is none.
    pub fn last_line(&self, since: &Cursor) -> String {
        let own = |line: &Value| line["_PID"] != "1";
        let line = self.journal(since).into_iter().rfind(own).expect("the daemon wrote a line");
        line["MESSAGE"].as_str().unwrap().to_owned()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}
