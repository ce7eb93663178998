//! Socket activation: systemd holds the port.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use forgesyted_tests::{Appliance, Client, frames, http, wait};

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_restart_drops_no_connecting_client() {
    let appliance = Appliance::installed();
    let since = appliance.now();
    // As docs/installation.md says.
    appliance.sh("systemctl stop forgesyted && systemctl enable --now forgesyted.socket && systemctl start forgesyted");
    let listening = appliance.wait_event(&since, "listening");
    assert_eq!(listening["PASSED"], "true", "{listening}");

    let (address, done) = (appliance.http(), AtomicBool::new(false));
    let served = thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut served = 0;
                    while !done.load(Ordering::Relaxed) {
                        // Each panics where it is not answered.
                        assert_eq!(http::get(address, "/healthz").status, 200);
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        let process = appliance.property("MainPID");
        appliance.sh("systemctl restart forgesyted && systemctl restart forgesyted");
        assert_ne!(appliance.property("MainPID"), process);
        done.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<u32>>()
    });
    assert!(served.iter().all(|&served| served > 0), "{served:?}");
    Client::connect(address, "pipeline_id=scene").ask(&frames::camera());
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn the_first_client_starts_the_daemon_and_waits_for_its_answer() {
    let appliance = Appliance::installed();
    appliance.sh("systemctl disable forgesyted.service && systemctl enable --now forgesyted.socket");
    assert_eq!(appliance.property("ActiveState"), "inactive");
    appliance.client("scene").ask(&frames::camera());
    assert_eq!(appliance.property("ActiveState"), "active");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn doctor_asks_at_the_port_that_systemd_holds() {
    let appliance = Appliance::installed();
    // As docs/installation.md says.
    appliance
        .write("/etc/systemd/system/forgesyted.socket.d/test.conf", "[Socket]\nListenStream=\nListenStream=8002\n");
    appliance.sh("systemctl daemon-reload && systemctl start forgesyted.socket && systemctl start forgesyted");
    wait::until("/readyz on the other port", || {
        http::try_get(appliance.at(8002), "/readyz").is_some_and(|answer| answer.status == 200)
    });
    let port = appliance.doctor("port");
    assert_eq!((&port["status"], &port["found"]), (&"ok".into(), &"[::]:8002 is forgesyted's, and it is ready".into()));
    appliance.sh("systemctl stop forgesyted");
    let port = appliance.doctor("port");
    assert!(port["found"].as_str().unwrap().contains("systemd holds the port"), "{port}");
    assert_eq!(appliance.property("ActiveState"), "inactive");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn an_upgrade_starts_the_socket_that_is_enabled() {
    let appliance = Appliance::installed();
    appliance.apt("--allow-downgrades", &["previous"]);
    appliance.sh("systemctl stop forgesyted && systemctl enable forgesyted.socket");
    assert_eq!(appliance.sh("systemctl is-active forgesyted.socket || true"), "inactive");
    let since = appliance.now();
    appliance.apt("", &["daemon"]);
    assert_eq!(appliance.sh("systemctl is-active forgesyted.socket"), "active");
    // The daemon was started by it, or with it.
    assert_eq!(appliance.wait_event(&since, "listening")["PASSED"], "true");
    appliance.wait_ready();
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn libtorch_that_comes_late_brings_the_socket_back_too() {
    let appliance = Appliance::installed();
    appliance.sh("apt-get remove --yes forgesyted-libtorch && systemctl enable --now forgesyted.socket");
    // Each client starts a daemon that finds no libtorch, until systemd gives up.
    let state = || appliance.sh("systemctl is-active forgesyted.socket || true");
    wait::until("the socket to fail", || {
        http::try_get(appliance.http(), "/healthz");
        state() == "failed"
    });
    let since = appliance.now();
    appliance.apt("", &["libtorch"]);
    appliance.wait_ready();
    assert_eq!(state(), "active");
    assert_eq!(appliance.wait_event(&since, "listening")["PASSED"], "true");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_socket_unit_may_have_two_ports_and_one_that_is_no_port_is_refused_once() {
    let appliance = Appliance::installed();
    let with = |line: &str| {
        appliance.write("/etc/systemd/system/forgesyted.socket.d/test.conf", format!("[Socket]\n{line}\n"));
        appliance.sh("systemctl daemon-reload && systemctl stop forgesyted forgesyted.socket");
        let since = appliance.now();
        appliance.sh("systemctl start forgesyted.socket; systemctl start forgesyted || true");
        since
    };
    with("ListenStream=8002");
    for port in [8000, 8002] {
        wait::until("/readyz on each port", || {
            http::try_get(appliance.at(port), "/readyz").is_some_and(|answer| answer.status == 200)
        });
    }
    let since = with("ListenStream=/run/forgesyted.sock");
    appliance.wait_state("failed");
    let said = appliance.last_line(&since);
    assert!(said.contains("no listening TCP socket (number 2 of 2); give forgesyted.socket a ListenStream="), "{said}");
    assert_eq!(appliance.property("NRestarts"), "0");
}
