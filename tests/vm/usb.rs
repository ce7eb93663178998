//! The daemon and a USB camera, by the driver that nearly all of them have (`uvcvideo`): its names, and its faults.

use std::process::Command;
use std::time::Instant;

use forgesyted_tests::builder::binary;
use forgesyted_tests::{Daemon, frames, wait};
use serde_json::Value;

use crate::faults::{frames_of, told, wait_back, wait_down};
use forgesyted_tests::vm::uvc::{HEIGHT, Mode, PRODUCT, VENDOR, WIDTH};
use forgesyted_tests::vm::{Usb, UsbCamera, Vivid};

const SERIAL: &str = "ABC123";

/// `usb:VID:PID`.
fn usb_id() -> String {
    format!("usb:{VENDOR:04x}:{PRODUCT:04x}")
}

/// The names that a camera keeps whatever its node's number: with its serial number, and its link.
fn stable_names(camera: &UsbCamera<'_>) -> [String; 2] {
    [format!("{}:{SERIAL}", usb_id()), camera.link().display().to_string()]
}

fn jpeg() -> Vec<u8> {
    frames::synthetic(WIDTH.into(), HEIGHT.into())
}

fn start(device: &str, format: &str) -> Daemon {
    let more = format!("pipeline = \"noop\"\nformat = \"{format}\"\nwidth = {WIDTH}\nheight = {HEIGHT}\nfps = 15");
    let daemon = Daemon::builder().camera("test", device, &more).start();
    let up = daemon.events().wait_for("camera_up");
    assert_eq!((&up["driver"], &up["format"]), (&"uvcvideo".into(), &format.into()), "{up}");
    daemon
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn a_usb_camera_is_found_by_each_of_its_names() {
    let (usb, jpeg) = (Usb::load(), jpeg());
    // Of two that are alike, the serial number tells which is meant.
    let other = usb.plug("OTHER", &frames::solid(WIDTH.into(), HEIGHT.into(), [255; 3]));
    let camera = usb.plug(SERIAL, &jpeg);
    for name in stable_names(&camera) {
        let daemon = start(&name, "MJPG");
        assert_eq!(
            daemon.get("/v1/cameras/test/snapshot.jpg").bytes,
            jpeg,
            "{name}: its own JPEG, without the padding"
        );
        assert!(!daemon.camera("test")["notes"].to_string().contains("by-id"), "no hint where the name is stable");
        assert_eq!(daemon.stop(), 0);
    }
    drop(other);
    let daemon = start(&usb_id(), "YUYV");
    wait::until("more frames", || frames_of(&daemon, "test") > 20);
    let picture = turbojpeg::read_header(&daemon.get("/v1/cameras/test/snapshot.jpg").bytes).unwrap();
    assert_eq!((picture.width, picture.height), (WIDTH.into(), HEIGHT.into()));
    assert_eq!(daemon.stop(), 0);
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn the_list_shows_the_names_to_configure() {
    let usb = Usb::load();
    let camera = usb.plug(SERIAL, &jpeg());
    let output = Command::new(binary("cameras")).args(["cameras", "--json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let node = camera.node().display().to_string();
    let device = listed["devices"].as_array().unwrap().iter().find(|device| device["node"] == *node);
    let device = device.unwrap_or_else(|| panic!("{node} in {listed}"));
    let [id, link] = stable_names(&camera);
    assert_eq!((&device["usb"], &device["links"][0]), (&id.into(), &link.into()), "{device}");
    assert_eq!(device["driver"], "uvcvideo", "{device}");
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn a_pulled_usb_plug_is_healed_whatever_number_the_camera_gets_then() {
    let (usb, jpeg) = (Usb::load(), jpeg());
    for choice in [0, 1] {
        let mut camera = usb.plug(SERIAL, &jpeg);
        let name = &stable_names(&camera)[choice];
        let daemon = start(name, "MJPG");
        let mut taker = None;
        for (round, number_taken) in [(1, false), (2, true)] {
            let told = told(&daemon);
            let (node, pulled) = (camera.node(), Instant::now());
            camera.unplug();
            let down = wait_down(&daemon, told, pulled);
            assert!(["disconnected", "no_such_device"].contains(&down["reason"].as_str().unwrap()), "{name}: {down}");
            assert_eq!(daemon.metrics().value("camera_up{camera=\"test\"}"), 0.0);
            if number_taken {
                taker = Some(Vivid::load(1));
                assert_eq!(taker.as_ref().map(|vivid| vivid.device(0)), Some(node.as_path()));
            }
            let plugged = Instant::now();
            camera = usb.plug(SERIAL, &jpeg);
            assert_eq!(camera.node() != node, number_taken, "{node:?}, and now {:?}", camera.node());
            wait_back(&daemon, round + 1, plugged);
        }
        assert_eq!(daemon.get("/v1/cameras/test/snapshot.jpg").bytes, jpeg, "{name}: and not the other camera's");
        assert_eq!(daemon.stop(), 0);
        drop(taker);
    }
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn a_usb_camera_that_falls_silent_is_noticed() {
    let usb = Usb::load();
    let camera = usb.plug(SERIAL, &jpeg());
    let daemon = start(&usb_id(), "MJPG");
    let silent = Instant::now();
    camera.send(Mode::Silent);
    let down = wait_down(&daemon, 0, silent);
    assert_eq!(down["reason"], "no_frames", "{down}");
    camera.send(Mode::Whole);
    wait_back(&daemon, 2, Instant::now());
    assert_eq!(daemon.stop(), 0);
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn cut_frames_are_counted_and_cost_only_themselves() {
    let usb = Usb::load();
    let camera = usb.plug(SERIAL, &jpeg());
    let daemon = start(&usb_id(), "MJPG");
    let value = |name: &str| daemon.metrics().value(&format!("{name}{{camera=\"test\"}}"));
    let session = daemon.camera("test")["session_id"].clone();
    let (bad, came) = (value("camera_bad_frames_total"), value("camera_frames_total"));
    camera.send(Mode::Cut);
    wait::until("forty frames", || value("camera_frames_total") >= came + 40.0);
    let share = (value("camera_bad_frames_total") - bad) / (value("camera_frames_total") - came);
    assert!((0.3..0.7).contains(&share), "every other frame is cut: {share}");
    camera.send(Mode::Whole);
    let mut watcher = daemon.watch("camera=test");
    watcher.recv();
    let after = daemon.camera("test");
    assert_eq!((&after["session_id"], &after["reconnects"]), (&session, &0.into()), "{after}");
    assert!(daemon.events().of_kind("camera_down").is_empty());
}
