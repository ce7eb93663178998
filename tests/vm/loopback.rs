//! `v4l2loopback` does what the other tests rely on: a camera that gives exactly the JPEGs that were fed.

use std::fs;

use forgesyted_tests::folder::Folder;
use forgesyted_tests::frames;
use forgesyted_tests::vm::{Capture, Loopback};

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn frames_come_as_they_were_fed() {
    let jpegs: Vec<_> = [[255, 0, 0], [0, 255, 0], [0, 0, 255]].map(|colour| frames::solid(64, 48, colour)).into();
    let loopback = Loopback::load();
    let _feeder = loopback.feed(64, 48, 25.0, jpegs.clone());
    let folder = Folder::new();
    let file = folder.path().join("frames");
    let capture = Capture::to_file(loopback.device(), &file);
    let captured = capture.wait_frames(20);
    drop(capture);

    let mut stream = fs::read(&file).unwrap();
    let mut order = Vec::new();
    for frame in captured {
        let rest = stream.split_off(frame.bytes.min(stream.len()));
        // The driver hands out what a buffer held before, or a whole one that was never written, until frames come.
        let fed = jpegs.iter().position(|jpeg| *jpeg == stream);
        order.extend(fed.map(|fed| (frame.sequence, fed)));
        stream = rest;
    }
    assert!(order.len() >= 15, "{order:?}");
    let (first, start) = order[0];
    for (sequence, fed) in order {
        assert_eq!(fed, (start + (sequence - first) as usize) % jpegs.len(), "frame {sequence}");
    }
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn without_a_feeder_nothing_can_be_captured() {
    let loopback = Loopback::load();
    let feeder = loopback.feed(64, 48, 25.0, vec![frames::solid(64, 48, [0; 3])]);
    let is_camera = || {
        let device = v4l::Device::with_path(loopback.device()).unwrap();
        device.query_caps().unwrap().capabilities.contains(v4l::capability::Flags::VIDEO_CAPTURE)
    };
    assert!(is_camera());
    drop(feeder);
    assert!(!is_camera());
}
