//! Cameras in the sandbox of the shipped unit: the daemon's package, installed in the VM and started by its systemd.

use forgesyted_tests::builder::camera_table;
use forgesyted_tests::vm::driver::Driver;
use forgesyted_tests::vm::uvc::{HEIGHT, PRODUCT, VENDOR, WIDTH};
use forgesyted_tests::vm::{Usb, Vivid};
use forgesyted_tests::{Appliance, Client, frames, http, wait};
use serde_json::Value;
use xtask::vm::{LIBTORCH_VARIABLE, PACKAGE_VARIABLE};

const SERIAL: &str = "BOARD1";
/// Where the machine's own libtorch is seen: where a checkout lies, a home perhaps, the service sees nothing.
const LIBTORCH: &str = "/opt/libtorch";

/// Takes away what other tests have left loaded.
const NO_CAMERA_DRIVER: &str = "while grep --quiet video4linux /proc/devices; do
    rmmod $(awk '$3 == 0 && /^(uvc|v4l2|video|vivid)/ { print $1 }' /proc/modules) || exit
done";

/// The installed service, with this camera through `scene`.
fn serving(device: &str, more: &str) -> Appliance {
    let appliance = Appliance::here();
    let given = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is unset: cargo xtask test-vm"));
    let (package, libtorch) = (given(PACKAGE_VARIABLE), given(LIBTORCH_VARIABLE));
    appliance.sh(&format!(
        "set -e
        if [ ! -d {LIBTORCH} ]; then
            mkdir {LIBTORCH} && mount --bind '{libtorch}' {LIBTORCH}
            dpkg --install '{package}'
        fi
        systemctl stop forgesyted && systemctl reset-failed
        rm -rf /etc/systemd/system/forgesyted.service.d && systemctl daemon-reload"
    ));
    let camera = camera_table("test", device, &format!("pipeline = \"scene\"\n{more}"));
    // The models of the other shipped pipelines take a minute to load here.
    let folder = "/etc/forgesyted/pipelines.d";
    appliance.sh(&format!("mkdir --parents {folder} && cp /usr/share/forgesyted/pipelines/scene.toml {folder}"));
    let config = format!("[engine]\nlibtorch = \"{LIBTORCH}\"\n[pipelines]\ndirs = [\"{folder}\"]\n{camera}");
    appliance.write("/etc/forgesyted/forgesyted.toml", config);
    appliance.sh("systemctl start forgesyted");
    appliance.wait_ready();
    appliance
}

fn wait_camera(appliance: &Appliance, state: &str) -> Value {
    wait::until_some(&format!("the camera to be {state}"), || {
        Some(http::camera(appliance.http(), "test")).filter(|camera| camera["state"] == state)
    })
}

/// Whether a program in the service's control group, which root is held to as well, can open a device.
fn opens(appliance: &Appliance, group: &str, node: &str) -> bool {
    let script = format!("echo $$ >/sys/fs/cgroup{group}/cgroup.procs && exec 3<{node}");
    appliance.run(&script).status.success()
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn the_machines_first_usb_camera_is_captured_in_it_and_comes_back_under_another_number() {
    let jpeg = frames::synthetic(WIDTH.into(), HEIGHT.into());
    let appliance = serving(
        &format!("usb:{VENDOR:04x}:{PRODUCT:04x}:{SERIAL}"),
        &format!("format = \"MJPG\"\nwidth = {WIDTH}\nheight = {HEIGHT}\nfps = 15"),
    );
    // As after a boot without a camera, the kernel knows of none: drivers are loaded when the first one comes.
    appliance.sh(&format!("systemctl stop forgesyted && {{ {NO_CAMERA_DRIVER}; }} && systemctl start forgesyted"));
    wait_camera(&appliance, "down");
    let usb = Usb::load();
    let camera = usb.plug(SERIAL, &jpeg);
    let (up, process) = (wait_camera(&appliance, "up"), appliance.property("MainPID"));
    assert_eq!(up["agreed"]["driver"], "uvcvideo", "{up}");
    let status = appliance.sh(&format!("cat /proc/{process}/status /proc/{process}/cgroup"));
    assert!(status.contains("NoNewPrivs:\t1") && status.contains("/forgesyted.service"), "{status}");
    let mut watcher = Client::watch(appliance.http(), "camera=test");
    let seen = watcher.recv();
    assert!(seen["result"]["brightness"].is_number(), "{seen}");
    assert_eq!(http::get(appliance.http(), "/v1/cameras/test/snapshot.jpg").bytes, jpeg);

    let node = camera.node();
    camera.unplug();
    wait_camera(&appliance, "down");
    let taker = Vivid::load(1);
    assert_eq!(taker.device(0), node);
    let camera = usb.plug(SERIAL, &jpeg);
    assert_ne!(camera.node(), node);
    wait_camera(&appliance, "up");
    assert_eq!(http::get(appliance.http(), "/v1/cameras/test/snapshot.jpg").bytes, jpeg);
    assert_eq!(appliance.property("MainPID"), process);
    appliance.sh("systemctl stop forgesyted");
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn cameras_and_gpus_open_in_it_and_other_devices_do_not() {
    let (vivid, _gpu) = (Vivid::load(1), Driver::load("vgem", &[]));
    let device = vivid.device(0).display().to_string();
    let appliance = serving(&device, "width = 320\nheight = 180\nfps = 5");
    wait_camera(&appliance, "up");
    let (service, here) = (appliance.property("ControlGroup"), "/system.slice/vm.service");
    let nodes = |pattern: &str| appliance.sh(&format!("ls {pattern}")).lines().map(str::to_owned).collect::<Vec<_>>();
    let gpus = nodes("/dev/dri/card* /dev/dri/renderD*");
    assert_eq!(gpus.len(), 2, "{gpus:?}");
    for node in [device, "/dev/null".into(), "/dev/urandom".into()].iter().chain(&gpus) {
        assert!(opens(&appliance, &service, node), "{node}");
    }
    for node in nodes("/dev/vda /dev/kmsg /dev/mem /dev/ttyS0") {
        assert!(opens(&appliance, here, &node), "{node} opens for nobody");
        assert!(!opens(&appliance, &service, &node), "{node}");
    }
    assert!(appliance.exposure() <= 2.0);
    appliance.sh("systemctl stop forgesyted");
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn what_keeps_a_camera_out_is_told() {
    let vivid = Vivid::load(1);
    let appliance = serving(&vivid.device(0).display().to_string(), "width = 320\nheight = 180\nfps = 5");
    wait_camera(&appliance, "up");
    assert_eq!(appliance.doctor("cameras")["status"], "ok");
    let down_after = |script: &str| {
        let start = appliance.now();
        appliance.sh(&format!("{script}; systemctl restart forgesyted"));
        let line = appliance.wait_event(&start, "camera_down");
        assert_eq!(line["REASON"], "permission_denied", "{line}");
        line["MESSAGE"].as_str().unwrap().to_owned()
    };
    appliance.drop_in("DeviceAllow=");
    let line = down_after("true");
    assert!(
        line.contains("The service's sandbox keeps it out: its unit needs DeviceAllow=char-81 (video4linux)"),
        "{line}"
    );
    appliance.sh("rm -r /etc/systemd/system/forgesyted.service.d; systemctl daemon-reload");
    let line = down_after("gpasswd --delete forgesyted video");
    assert!(line.contains("Add the daemon's user to the group that owns the device (usually video)"), "{line}");
    let found = appliance.doctor("cameras");
    assert!(found["status"] == "error" && found["found"].as_str().unwrap().contains("group video"), "{found}");
    appliance.sh("gpasswd --add forgesyted video; systemctl restart forgesyted");
    wait_camera(&appliance, "up");
    appliance.sh("systemctl stop forgesyted");
}
