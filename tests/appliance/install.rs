//! Installing, installing again, removing and purging.

use forgesyted_tests::builder::measure_node;
use forgesyted_tests::{Appliance, frames, http, modules, wait};
use serde_json::Value;

/// The checks of `forgesyted doctor`.
const CHECKS: [&str; 14] = [
    "board",
    "configuration",
    "libtorch",
    "device",
    "pipelines",
    "port",
    "cameras",
    "groups",
    "storage",
    "memory",
    "clock",
    "temperature",
    "service",
    "discovery",
];

/// Every file that is neither the kernel's nor apt's own: path, mode, owner, and content or target.
const EVERYTHING: &str = r"
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/log -o -path /var/cache/apt \
    -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /packages -o -path /var/lib/systemd \) -prune \
    -o -type f -printf '%p %m %u %g ' -exec md5sum {} \; -o -printf '%p %m %u %g %l\n' | sort
";

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_fresh_system_serves_after_apt_install() {
    let appliance = Appliance::installed();
    appliance.sh("apt-get purge --yes forgesyted forgesyted-libtorch");
    // A purge leaves the user; a fresh system has none.
    appliance.sh("userdel forgesyted && ! getent passwd forgesyted");
    appliance.apt("", &["daemon", "libtorch"]);
    appliance.wait_ready();
    // The user was there before the first start.
    assert_eq!(appliance.property("NRestarts"), "0");
    assert_eq!(appliance.sh("systemctl is-active forgesyted; systemctl is-enabled forgesyted"), "active\nenabled");
    // Socket activation is for those who want it.
    assert_eq!(appliance.sh("systemctl is-enabled forgesyted.socket || true"), "disabled");
    let result = appliance.client("scene").ask(&frames::camera());
    assert!(result.is_object(), "{result}");
    assert!(http::get(appliance.http(), "/").status == 200);
    // Its user has a group for cameras and one for GPUs, and owns its state and nothing else.
    let groups = appliance.sh("id --groups --name forgesyted");
    assert!(["forgesyted", "render", "video"].iter().all(|group| groups.split(' ').any(|is| is == *group)), "{groups}");
    let owned = appliance.sh("find / -xdev -user forgesyted -not -path '/proc/*' | sort");
    assert_eq!(owned, "/var/cache/forgesyted\n/var/lib/forgesyted\n/var/lib/forgesyted/models");
    doctor_finds_no_error(&appliance);
}

/// `doctor` has looked at everything. It may warn, as of a clock that nobody in a container keeps.
fn doctor_finds_no_error(appliance: &Appliance) {
    let examined = appliance.run("forgesyted doctor --json");
    let report: Value = serde_json::from_slice(&examined.stdout).unwrap_or_else(|_| panic!("{examined:?}"));
    let checks = report["checks"].as_array().unwrap();
    for name in CHECKS {
        assert!(checks.iter().any(|check| check["check"] == name), "no {name} in {report}");
    }
    let errors: Vec<&Value> = checks.iter().filter(|check| check["status"] == "error").collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(examined.status.success(), "{report}");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn shells_and_man_find_what_is_theirs() {
    let appliance = Appliance::installed();
    for completions in [
        "/usr/share/bash-completion/completions/forgesyted",
        "/usr/share/zsh/vendor-completions/_forgesyted",
        "/usr/share/fish/vendor_completions.d/forgesyted.fish",
    ] {
        appliance.sh(&format!("grep --quiet doctor {completions}"));
    }
    for page in ["forgesyted", "forgesyted-serve", "forgesyted-doctor", "forgesyted-cameras-test"] {
        appliance.sh(&format!(r"zcat /usr/share/man/man1/{page}.1.gz | grep --quiet '^\.TH {page} '"));
        appliance.sh(&format!(r#"zcat /usr/share/man/man1/{page}.1.gz | grep --quiet '^\.SH "EXIT STATUS"'"#));
    }
    // Every page of the documentation that an installed file names.
    let named = r"grep -rhoE '/usr/share/doc/forgesyted/[A-Za-z-]+\.md' /etc/forgesyted /usr/lib/systemd/system/forgesyted.* /usr/share/forgesyted/pipelines";
    appliance.sh(&format!("{named} | sort -u | xargs ls"));
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn the_same_version_again_changes_nothing() {
    let appliance = Appliance::serving();
    appliance.sh("echo '# mine' >> /etc/forgesyted/forgesyted.toml; echo '# mine' >> /etc/default/forgesyted");
    let mut client = appliance.client("noop");
    client.ask(&frames::white());
    let (before, process) = (appliance.sh(EVERYTHING), appliance.property("MainPID"));
    appliance.apt("--reinstall", &["daemon", "libtorch"]);
    assert_eq!(appliance.sh(EVERYTHING), before);
    // Not even a session ended.
    client.ask(&frames::white());
    assert_eq!(appliance.property("MainPID"), process);
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn remove_keeps_what_is_the_administrators_and_purge_leaves_nothing() {
    let appliance = Appliance::serving();
    appliance.sh("echo '# mine' >> /etc/forgesyted/forgesyted.toml; touch /var/lib/forgesyted/models/mine.pt");
    let mut client = appliance.client("noop");
    client.ask(&frames::white());
    appliance.sh("apt-get remove --yes forgesyted forgesyted-libtorch");
    client.ends_in("shutting_down", 1001);
    assert!(http::try_get(appliance.http(), "/healthz").is_none());
    appliance.sh("grep mine /etc/forgesyted/forgesyted.toml && test -e /var/lib/forgesyted/models/mine.pt");
    assert_eq!(appliance.sh("ls -d /usr/bin/forgesyted /usr/lib/forgesyted 2>/dev/null || true"), "");
    assert_eq!(appliance.sh("systemctl show forgesyted.service --property=LoadState --value"), "not-found");

    appliance.sh("apt-get purge --yes forgesyted forgesyted-libtorch");
    let left =
        r"find / -xdev -iname '*forgesyted*' -not -path '/proc/*' -not -path '/packages/*' -not -path '/var/log/*'";
    // systemd clears away the service's own /tmp when it gets to it.
    wait::until("nothing to be left", || appliance.sh(left).is_empty());
    assert_eq!(appliance.sh("systemctl list-units --all --plain --no-legend 'forgesyted*'"), "");
    assert_eq!(appliance.sh("dpkg-query --list 'forgesyted*' 2>/dev/null || true"), "");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn doctor_looks_with_the_services_rights_though_root_runs_it() {
    let appliance = Appliance::serving();
    assert_eq!(appliance.doctor("pipelines")["status"], "ok");
    appliance.write("/etc/forgesyted/pipelines.d/mine.toml", format!("id = \"mine\"\n{}", measure_node("mine", "")));
    appliance.write("/var/lib/forgesyted/models/mine.pt", modules::archive("mine", &modules::raises_on_bright()));
    let found = appliance.doctor("pipelines")["found"].clone();
    assert!(found.as_str().unwrap().split(", ").any(|id| id == "mine"), "{found}");
    appliance.sh("chown root:root /var/lib/forgesyted/models/mine.pt; chmod 0600 /var/lib/forgesyted/models/mine.pt");
    let pipelines = appliance.doctor("pipelines");
    assert_eq!(pipelines["status"], "error", "{pipelines}");
    assert!(pipelines["found"].as_str().unwrap().contains("Permission denied"), "{pipelines}");
}
