//! Upgrading while clients stream, and going back.

use std::thread;

use forgesyted_tests::client::Received;
use forgesyted_tests::{Appliance, Client, frames, http};
use serde_json::Value;

/// Streams until the connection ends: how many results came, and everything from the first error on.
fn stream(mut client: Client) -> (usize, Vec<Received>) {
    let (frame, mut results, mut end) = (frames::camera(), 0, Vec::new());
    client.send(&frame);
    loop {
        match client.receive() {
            Received::Json(reply) if reply.get("error").is_none() => {
                results += usize::from(reply.get("result").is_some());
                // The connection may have ended meanwhile; then the next message says so.
                client.try_send(&frame);
            }
            Received::End => return (results, end),
            other => end.push(other),
        }
    }
}

fn is_shutting_down(end: &[Received]) -> bool {
    matches!(end, [Received::Json(Value::Object(error)), Received::Close(1001)] if error["error"] == "shutting_down")
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn an_upgrade_under_load_tells_every_session_and_keeps_what_was_changed() {
    let appliance = Appliance::installed();
    appliance.apt("--allow-downgrades -o Dpkg::Options::=--force-confnew", &["previous"]);
    appliance.sh("echo '[stream]\nmax_sessions = 7' > /etc/forgesyted/forgesyted.toml; systemctl restart forgesyted");
    appliance.wait_ready();
    let (before, process) = (appliance.version("forgesyted"), appliance.property("MainPID"));
    let ends = thread::scope(|scope| {
        let clients: Vec<_> = (0..3).map(|_| appliance.client("scene")).collect();
        let clients: Vec<_> = clients.into_iter().map(|client| scope.spawn(|| stream(client))).collect();
        appliance.apt("", &["daemon"]);
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    for (results, end) in &ends {
        assert!(*results > 0 && is_shutting_down(end), "{results} results, then {end:?}");
    }
    appliance.wait_ready();
    assert_ne!(appliance.version("forgesyted"), before);
    assert_ne!(appliance.property("MainPID"), process);
    assert_eq!(appliance.sh("cat /etc/forgesyted/forgesyted.toml"), "[stream]\nmax_sessions = 7");
    // What the newer version ships lies beside it.
    appliance.sh("grep --quiet max_sessions /etc/forgesyted/forgesyted.toml.dpkg-dist");
    appliance.client("scene").ask(&frames::camera());
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn going_back_keeps_configuration_and_state() {
    let appliance = Appliance::serving();
    appliance.sh("echo '[stream]\nmax_sessions = 7' > /etc/forgesyted/forgesyted.toml");
    appliance
        .sh("echo 'FORGESYTED_LOG=debug' > /etc/default/forgesyted; echo weights > /var/lib/forgesyted/models/mine.pt");
    let current = appliance.version("forgesyted");
    // As docs/installation.md says.
    appliance.apt("--allow-downgrades", &["previous"]);
    appliance.wait_ready();
    assert_eq!(appliance.version("forgesyted"), format!("{current}~previous"));
    assert_eq!(appliance.sh("cat /etc/forgesyted/forgesyted.toml"), "[stream]\nmax_sessions = 7");
    assert_eq!(appliance.sh("cat /etc/default/forgesyted"), "FORGESYTED_LOG=debug");
    assert_eq!(appliance.sh("cat /var/lib/forgesyted/models/mine.pt"), "weights");
    appliance.client("scene").ask(&frames::camera());
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn an_upgrade_that_is_called_off_leaves_the_daemon_that_runs() {
    let appliance = Appliance::serving();
    let (version, process) = (appliance.version("forgesyted"), appliance.property("MainPID"));
    let mut client = appliance.client("noop");
    client.ask(&frames::white());
    // A newer package that refuses to be unpacked: dpkg has the old one take everything back (postinst abort-upgrade).
    appliance.sh(r"
        dpkg-deb --raw-extract /packages/daemon.deb /root/called-off
        sed -i 's/^Version: .*/&+refuses/' /root/called-off/DEBIAN/control
        printf '#!/bin/sh\nexit 1\n' > /root/called-off/DEBIAN/preinst
        chmod 0755 /root/called-off/DEBIAN/preinst
        dpkg-deb --root-owner-group -Zzstd -z1 --build /root/called-off /root/called-off.deb
    ");
    let refused = appliance.run("dpkg --install /root/called-off.deb");
    appliance.sh("rm -r /root/called-off /root/called-off.deb");
    assert!(!refused.status.success(), "{refused:?}");
    assert_eq!(appliance.version("forgesyted"), version);
    client.ask(&frames::white());
    assert_eq!((appliance.property("ActiveState").as_str(), appliance.property("MainPID")), ("active", process));
}

/// Debian's policy: what an administrator has switched off stays off.
#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn an_upgrade_starts_no_service_that_was_switched_off() {
    for (switch_off, state) in [("disable", "disabled"), ("mask", "masked")] {
        let appliance = Appliance::installed();
        let current = appliance.version("forgesyted");
        appliance.apt("--allow-downgrades", &["previous"]);
        appliance.wait_ready();
        appliance.sh(&format!("systemctl stop forgesyted && systemctl {switch_off} forgesyted"));
        appliance.apt("", &["daemon"]);
        assert_eq!(appliance.version("forgesyted"), current);
        assert_eq!(appliance.sh("systemctl is-enabled forgesyted || true"), state);
        assert_eq!(appliance.property("ActiveState"), "inactive", "{switch_off}");
        assert!(http::try_get(appliance.http(), "/healthz").is_none(), "{switch_off}");
    }
}

/// dpkg may configure libtorch first; both scripts would restart the daemon then.
#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn an_upgrade_of_both_packages_restarts_the_daemon_once() {
    let appliance = Appliance::installed();
    appliance.apt("--allow-downgrades -o Dpkg::Options::=--force-confnew", &["previous"]);
    appliance.sh("systemctl restart forgesyted");
    appliance.wait_ready();
    let process = || appliance.property("MainPID");
    // As dpkg leaves the libraries: the daemon has those loaded that are gone.
    let replace = "cd /usr/lib/forgesyted/lib; cp libtorch_cpu.so new; mv new libtorch_cpu.so";
    // As dpkg calls it after an upgrade from this version.
    let configured = "/var/lib/dpkg/info/forgesyted-libtorch.postinst configure 2.10.0-1";

    let before = process();
    appliance.sh(&format!("dpkg --unpack /packages/daemon.deb; {replace}; {configured}"));
    assert_eq!(process(), before);
    appliance.sh("dpkg --configure forgesyted");
    let restarted = process();
    assert_ne!(restarted, before);
    // It has the new libraries now.
    appliance.sh(configured);
    assert_eq!(process(), restarted);
    // An upgrade of libtorch alone.
    appliance.wait_ready();
    appliance.sh(&format!("{replace}; {configured}"));
    assert_ne!(process(), restarted);
    appliance.wait_ready();
}
