//! A libtorch of the machine's own, in place of the package.

use forgesyted_tests::{Appliance, frames};

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_libtorch_of_the_machines_own_serves_without_the_package() {
    let appliance = Appliance::installed();
    // Links take no room, and outlive the package.
    appliance.sh(
        "install -d /opt/libtorch && cd /usr/lib/forgesyted && cp --archive --link lib build-version /opt/libtorch",
    );
    appliance.sh("apt-get remove --yes forgesyted-libtorch && ! test -e /usr/lib/forgesyted/lib");
    appliance.write("/etc/forgesyted/forgesyted.toml", "[engine]\nlibtorch = \"/opt/libtorch\"\n");
    appliance.sh("systemctl start forgesyted");
    appliance.wait_ready();
    let mut client = appliance.client("scene");
    client.ask(&frames::camera());
    let process = appliance.property("MainPID");
    appliance.sh(&format!("grep --quiet /opt/libtorch/lib/libtorch_cpu.so /proc/{process}/maps"));
    let found = appliance.doctor("libtorch");
    assert!(found["status"] == "ok" && found["found"].as_str().unwrap().contains("/opt/libtorch/"), "{found}");
    // The package comes and goes, and the daemon is not concerned.
    appliance.apt("", &["libtorch"]);
    appliance.sh("apt-get remove --yes forgesyted-libtorch");
    client.ask(&frames::camera());
    assert_eq!(appliance.property("MainPID"), process);
    appliance.sh("systemctl stop forgesyted; rm -r /opt/libtorch");
}
