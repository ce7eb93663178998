//! `vivid` does what the other tests rely on: frames, sequence numbers, and each fault on command.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use forgesyted_tests::vm::ctl::Frame;
use forgesyted_tests::vm::{Capture, Vivid};

/// The smallest picture of the driver's webcams.
fn capture(vivid: &Vivid, camera: usize) -> Capture {
    Capture::raw(vivid.device(camera), "YUYV", 320, 180)
}

fn gaps(frames: &[Frame]) -> usize {
    frames.windows(2).filter(|pair| pair[1].sequence != pair[0].sequence + 1).count()
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn each_camera_gives_whole_frames() {
    let vivid = Vivid::load(2);
    let captures = [capture(&vivid, 0), capture(&vivid, 1)];
    for capture in captures {
        let frames = capture.wait_frames(30);
        assert!(frames.iter().all(|frame| frame.bytes == 320 * 180 * 2 && !frame.damaged), "{frames:?}");
    }
    // They are one platform device, so they share one link.
    assert!(Path::new("/dev/v4l/by-path/platform-vivid.0-video-index0").exists());
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn lost_buffers_are_gaps_in_the_sequence() {
    let vivid = Vivid::load(1);
    vivid.set(0, "percentage_of_dropped_buffers", 50);
    let frames = capture(&vivid, 0).wait_frames(30);
    assert!(gaps(&frames) > 3, "{frames:?}");
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn a_damaged_buffer_is_marked() {
    let vivid = Vivid::load(1);
    let capture = capture(&vivid, 0);
    let before = capture.wait_frames(3).len();
    vivid.set(0, "inject_v4l2_buf_flag_error", 1);
    let frames = capture.wait_frames(before + 30);
    assert_eq!(frames.iter().filter(|frame| frame.damaged).count(), 1, "{frames:?}");
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn a_buffer_that_is_refused_is_lost_to_its_stream() {
    let vivid = Vivid::load(1);
    let capture = capture(&vivid, 0);
    let buffers = |frames: &[Frame]| frames.iter().map(|frame| frame.buffer).collect::<BTreeSet<_>>().len();
    let before = capture.wait_frames(10);
    assert_eq!(buffers(&before), 4);
    vivid.set(0, "inject_vidioc_qbuf_error", 1);
    let frames = capture.wait_frames(capture.frames().len() + 20);
    assert_eq!(buffers(&frames[frames.len() - 10..]), 3, "{frames:?}");
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn a_fatal_fault_ends_the_stream_and_the_next_one_runs() {
    let vivid = Vivid::load(1);
    for control in ["inject_fatal_streaming_error", "disconnect"] {
        let running = capture(&vivid, 0);
        running.wait_frames(3);
        vivid.set(0, control, 1);
        println!("{control}: {}", running.wait_failure());
        capture(&vivid, 0).wait_frames(3);
    }
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn a_fault_at_the_start_fails_one_start() {
    let vivid = Vivid::load(1);
    for (control, complaint) in [
        ("inject_vidioc_reqbufs_error", "VIDIOC_REQBUFS returned -1 (Invalid argument)"),
        ("inject_vidioc_streamon_error", "VIDIOC_STREAMON returned -1 (Invalid argument)"),
    ] {
        vivid.set(0, control, 1);
        let said = capture(&vivid, 0).wait_failure();
        assert!(said.contains(complaint), "{control}: {said}");
        capture(&vivid, 0).wait_frames(3);
    }
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn a_disconnected_camera_cannot_be_opened_and_the_other_goes_on() {
    let vivid = Vivid::load(2);
    let other = capture(&vivid, 1);
    let disconnected = vivid.disconnect(0);
    let refused = File::open(vivid.device(0)).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(rustix::io::Errno::NODEV.raw_os_error()));
    let before = other.frames().len();
    assert_eq!(gaps(&other.wait_frames(before + 10)), 0);
    drop(disconnected);
    capture(&vivid, 0).wait_frames(3);
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn an_unbound_driver_takes_its_nodes_away_from_running_streams() {
    let vivid = Vivid::load(1);
    let running = capture(&vivid, 0);
    running.wait_frames(3);
    let unbound = vivid.unbind();
    assert!(File::open(vivid.device(0)).is_err());
    drop(running);
    drop(unbound);
    capture(&vivid, 0).wait_frames(3);
}
