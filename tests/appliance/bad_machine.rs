//! Something is wrong with the machine: the daemon serves on where it can, and says what to do.

use std::process::Command;

use forgesyted_tests::appliance::Cursor;
use forgesyted_tests::builder::camera_table;
use forgesyted_tests::{Appliance, frames, wait};
use serde_json::Value;
use xtask::appliance::LEADER_VARIABLE;

/// The daemon's last line of level warning or worse.
fn complaint(appliance: &Appliance, since: &Cursor) -> Option<String> {
    let is_worse = |line: &Value| line["_PID"] != "1" && line["PRIORITY"].as_str() <= Some("4");
    let line = appliance.journal(since).into_iter().rfind(is_worse)?;
    line["MESSAGE"].as_str().map(str::to_owned)
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn without_a_group_for_cameras_it_runs_and_says_why_there_is_no_picture() {
    let appliance = Appliance::installed();
    appliance.sh("groupdel video; groupdel render; ! getent group video");
    // A camera's node, whose group is now a number; nothing in the container may make one.
    let leader = std::env::var(LEADER_VARIABLE).unwrap();
    let inside = |program: &[&str]| {
        let status =
            Command::new("nsenter").args(["--target", &leader, "--mount", "--root"]).args(program).status().unwrap();
        assert!(status.success(), "{program:?}");
    };
    inside(&[
        "sh",
        "-c",
        "test -e /dev/video0 || mknod /dev/video0 c 81 0; chown 0:44 /dev/video0; chmod 0660 /dev/video0",
    ]);
    appliance.write("/etc/forgesyted/forgesyted.toml", camera_table("door", "/dev/video0", ""));
    let since = appliance.now();
    appliance.sh("systemctl start forgesyted");
    appliance.wait_ready();
    appliance.client("scene").ask(&frames::camera());
    let said = wait::until_some("a word about the camera", || complaint(&appliance, &since));
    assert!(said.contains("Add the daemon's user to the group that owns the device (usually video)"), "{said}");
    inside(&["rm", "/dev/video0"]);
    // The package's own file brings them back.
    appliance.sh("systemd-sysusers && id --groups --name forgesyted | grep video | grep render");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn on_a_read_only_disk_it_serves() {
    let appliance = Appliance::serving();
    appliance.sh("systemctl stop forgesyted");
    appliance
        .sh("for folder in /etc /usr /var; do mount --bind $folder $folder && mount -o remount,bind,ro $folder; done");
    let started = appliance.run("systemctl start forgesyted");
    appliance.wait_ready();
    appliance.client("scene").ask(&frames::camera());
    assert!(!appliance.run("touch /var/lib/forgesyted/test").status.success());
    let storage = appliance.doctor("storage");
    appliance.sh("systemctl reload forgesyted && systemctl stop forgesyted");
    appliance.sh("umount --lazy /etc && umount --lazy /usr && umount --lazy /var");
    assert!(started.status.success());
    assert_eq!(storage["status"], "error", "{storage}");
    assert!(storage["found"].as_str().unwrap().contains("can only be read"), "{storage}");
    assert!(storage["advice"].as_str().unwrap().contains("dmesg"), "{storage}");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn with_a_full_var_it_starts_and_serves() {
    let appliance = Appliance::serving();
    let mut client = appliance.client("scene");
    // A small disk in its place, filled to the last byte, and a journal that notices.
    appliance.sh("mount -t tmpfs -o size=$(($(du --summarize --block-size=1M /var | cut -f1) + 8))M small /mnt && \
         cp --archive /var/. /mnt && mount --bind /mnt /var && systemctl restart systemd-journald && \
         ! dd if=/dev/zero of=/var/filler bs=4k status=none");
    assert_eq!(appliance.sh("df --output=avail /var | tail -1").trim(), "0");
    client.ask(&frames::camera());
    appliance.sh("systemctl reload forgesyted && systemctl restart forgesyted");
    appliance.wait_ready();
    appliance.client("scene").ask(&frames::camera());
    appliance.sh(
        "systemctl stop forgesyted; umount --lazy /var && umount --lazy /mnt && systemctl restart systemd-journald",
    );
    // The service's own /tmp, which systemd could not clear away behind the small disk.
    appliance.sh("rm -rf /var/tmp/systemd-private-*-forgesyted.service-*");
}

/// The container has no clock of its own: only the daemon is shown another time.
#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_clock_before_2000_is_told_and_the_daemon_serves() {
    let appliance = Appliance::installed();
    let library = appliance.sh("ls /usr/lib/*/faketime/libfaketime.so.1");
    appliance.drop_in(&format!(
        "Environment=LD_PRELOAD={library} \"FAKETIME=@1999-12-31 23:00:00\" FAKETIME_DONT_FAKE_MONOTONIC=1"
    ));
    let since = appliance.now();
    appliance.sh("systemctl start forgesyted");
    appliance.wait_ready();
    let said = wait::until_some("a word about the clock", || complaint(&appliance, &since));
    assert!(said.contains("clock is wrong") && said.contains("timedatectl"), "{said}");
    appliance.client("scene").ask(&frames::camera());
}
