//! `forgesyted doctor`: what this machine has, what is wrong with it, and what to do.
//!
//! Lives here: one file a check, each with the facts that it gathers (from the files below a root, so that tests bring their
//! own) and a pure verdict over them; the findings and their report (`finding`), and who the service is (`accounts`). Does not
//! live here: what the engine program knows of libtorch, devices and pipelines; it is asked (`inspect`).

pub(super) mod accounts;
mod board;
mod cameras;
mod clock;
mod configuration;
mod discovery;
mod engine;
mod environment;
mod finding;
mod groups;
mod heat;
mod homes;
mod memory;
mod port;
mod service;
mod storage;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use base::command_line::ConfigArgs;
use base::config::ConfigSource;

use accounts::Service;
use environment::Environment;
use finding::{Finding, Report, Status};

/// How to examine.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the report as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Prints the report. Exit status 1 where there is an error, 0 otherwise.
pub fn run(args: Args) -> ExitCode {
    let report = Report::new(examine(Path::new("/"), &args.config.source()));
    let text = match args.json {
        // Texts only: they can always be written.
        true => serde_json::to_string_pretty(&report).unwrap_or_default() + "\n",
        false => report.to_text(),
    };
    // A reader that went away is no fault of ours.
    _ = std::io::stdout().write_all(text.as_bytes());
    if report.status == Status::Error { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Every check, on the machine whose files lie below `root`.
fn examine(root: &Path, source: &ConfigSource) -> Vec<Finding> {
    let Environment { source, others, finding: variables } = environment::of_service(root, source);
    let read = source.read();
    let account = Service::gather(root);
    let (unit, socket) = (service::gather(root, "forgesyted.service"), service::gather(root, "forgesyted.socket"));
    let passed = Some(&socket).filter(|socket| service::is_active(socket)).map(service::listens);
    let passed = passed.filter(|passed| !passed.is_empty());
    let socket = service::is_active(&socket);
    let listen = read.as_ref().ok().map(|loaded| passed.unwrap_or_else(|| loaded.config.server.listen.endpoints()));
    let mut findings = vec![board::judge(&base::board::gather(root))];
    let kept = source.path().and_then(|file| {
        let denied = configuration::is_denied(file);
        configuration::kept_from_you(file, denied, account.as_ref())
    });
    let configuration = kept.map_or_else(|| configuration::judge(read.as_ref(), account.as_ref()), |kept| vec![kept]);
    let for_the_service = configuration.iter().all(|finding| finding.status != Status::Error);
    findings.extend(configuration);
    findings.extend(variables);
    match &read {
        Ok(_) if !for_the_service => {
            let unread = |check| Finding::skipped(check, "not with a configuration that the service may not read");
            findings.extend(["libtorch", "device", "pipelines"].map(unread));
        }
        Ok(loaded) => {
            findings.extend(homes::judge(&loaded.config, &unit));
            let engine = engine::gather(&source, &others, account.as_ref());
            findings.extend(engine::judge(&engine, engine::gpu_node(root).as_deref()));
        }
        Err(_) => {
            let unread = |check| Finding::skipped(check, "not with a configuration that cannot be read");
            findings.extend(["libtorch", "device", "pipelines", "port"].map(unread));
        }
    }
    for endpoint in listen.iter().flatten() {
        // A connection would start a service that does not run.
        let held = socket && !service::is_active(&unit);
        let port = if held { Some(port::Port::Held) } else { port::gather(endpoint) };
        let privileged = || port::is_privileged(root, endpoint.address.port()) && !service::has_any_port(&unit);
        let port = match port {
            // Root may listen there.
            Some(port::Port::Free) if account.is_some() && privileged() => Some(port::Port::Privileged),
            port => port,
        };
        findings.extend(port.map(|port| port::judge(endpoint, &port, socket)));
    }
    let configured = read.as_ref().map(|loaded| cameras::configured(&loaded.config.cameras)).unwrap_or_default();
    findings.extend(cameras::judge(&cameras::gather(root), &configured, account.as_ref()));
    findings.push(groups::judge(account.as_ref(), &groups::gather(root)));
    findings.extend(storage::judge(&storage::gather(root), account.as_ref()));
    findings.push(memory::judge(memory::gather(root)));
    findings.push(clock::judge(&clock::gather(root)));
    findings.push(heat::judge(&heat::gather(root)));
    findings.push(service::judge(&unit, socket));
    findings.push(discovery::judge(&discovery::gather(root), listen.as_deref()));
    findings
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// A folder that stands for `/`, removed with the value.
    pub(super) struct Root(pub PathBuf);

    impl Root {
        pub fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("forgesyted-doctor-{name}-{}", std::process::id()));
            fs::create_dir_all(&root).unwrap();
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(root)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    pub(super) fn statuses(findings: &[Finding]) -> Vec<Status> {
        findings.iter().map(|finding| finding.status).collect()
    }

    /// What a Jetson Orin Nano of JetPack 6 with the package installed has of what is looked at.
    pub(super) const JETSON: &[(&str, &str)] = &[
        ("proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit\0"),
        ("proc/meminfo", "MemTotal:        7680000 kB\nMemFree: 1 kB\nMemAvailable:    6000000 kB\n"),
        ("etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n"),
        (
            "var/lib/dpkg/status",
            "Package: nvidia-jetpack-dev\nStatus: install ok installed\nVersion: 1\n\n\
             Package: nvidia-jetpack\nStatus: install ok installed\nArchitecture: arm64\nVersion: 6.2+b77\n",
        ),
        ("dev/nvhost-gpu", ""),
        (
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\nforgesyted:x:998:997::/var/lib/forgesyted:/usr/sbin/nologin\n",
        ),
        ("etc/group", "root:x:0:\nvideo:x:44:\nrender:x:105:\nforgesyted:x:997:\n"),
        ("usr/lib/systemd/system/forgesyted.service", "[Service]\nUser=forgesyted\nSupplementaryGroups=video render\n"),
        ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
        ("sys/class/thermal/thermal_zone0/temp", "48250\n"),
        ("sys/class/thermal/thermal_zone1/type", "gpu-thermal\n"),
        ("sys/class/thermal/thermal_zone1/temp", "51000\n"),
        ("sys/class/thermal/cooling_device0/type", "pwm-fan\n"),
        ("sys/class/thermal/cooling_device0/cur_state", "2\n"),
        ("sys/class/thermal/cooling_device1/type", "cpufreq-cpu0\n"),
        ("sys/class/thermal/cooling_device1/cur_state", "1\n"),
        ("sys/class/thermal/cooling_device2/type", "devfreq-17000000.gpu\n"),
        ("sys/class/thermal/cooling_device2/cur_state", "0\n"),
        ("run/systemd/timesync/synchronized", ""),
        ("usr/sbin/avahi-daemon", ""),
        ("run/avahi-daemon/pid", "1\n"),
        (
            "etc/avahi/services/forgesyted.service",
            "<service-group><service><type>_forgesyted._tcp</type><port>8000</port></service></service-group>\n",
        ),
    ];

    #[test]
    fn a_whole_machine_is_examined_from_its_files() {
        let root = Root::new("whole", JETSON);
        // A configuration that cannot be read keeps the engine program and the port out of this test.
        let file = Some(root.0.join("missing.toml"));
        let findings = examine(&root.0, &ConfigSource { file, environment: Vec::new(), prefix: None });
        let of = |check: &str| {
            let found: Vec<&Finding> = findings.iter().filter(|finding| finding.check == check).collect();
            assert_eq!(found.len(), if check == "storage" { 2 } else { 1 }, "{check}: {findings:#?}");
            found[0].status
        };
        for (check, expected) in [
            ("board", Status::Ok),
            ("configuration", Status::Error),
            ("libtorch", Status::Skipped),
            ("device", Status::Skipped),
            ("pipelines", Status::Skipped),
            ("port", Status::Skipped),
            ("cameras", Status::Ok),
            ("groups", Status::Ok),
            ("memory", Status::Ok),
            ("clock", Status::Ok),
            ("temperature", Status::Warning),
            ("service", Status::Skipped),
            ("discovery", Status::Ok),
        ] {
            assert_eq!(of(check), expected, "{check}: {findings:#?}");
        }
        assert!(findings.iter().any(|finding| finding.check == "storage"));
        let lacks =
            |finding: &&Finding| matches!(finding.status, Status::Warning | Status::Error) && finding.advice.is_none();
        assert_eq!(findings.iter().find(lacks), None, "each says what to do");
    }

    #[test]
    fn a_machine_with_nothing_is_examined_too() {
        let root = Root::new("nothing", &[]);
        let file = Some(root.0.join("missing.toml"));
        let findings = examine(&root.0, &ConfigSource { file, environment: Vec::new(), prefix: None });
        let errors: Vec<_> = findings.iter().filter(|finding| finding.status == Status::Error).collect();
        assert!(errors.iter().all(|finding| finding.check == "configuration"), "{errors:#?}");
    }
}
