//! The daemon captures from a real driver: every format, sizes, controls, stable names, and the commands that list and try
//! cameras.

use std::process::Command;

use forgesyted_tests::builder::{Builder, binary};
use forgesyted_tests::vm::{Loopback, Vivid};
use forgesyted_tests::{Daemon, frames, wait};
use serde_json::Value;

const BRIGHTNESS: &str = r#"class Brightness(Module):
  training : bool
  def forward(self, x: Tensor) -> Dict[str, Any]:
    return annotate(Dict[str, Any], {"brightness": float(torch.mean(x)), "height": x.size(2), "width": x.size(3)})
"#;

fn builder() -> Builder {
    Daemon::builder().measure("light", BRIGHTNESS)
}

fn video(vivid: &Vivid) -> String {
    vivid.device(0).display().to_string()
}

/// Size and pixels of a JPEG.
fn decoded(jpeg: &[u8]) -> (usize, usize, Vec<u8>) {
    let image = turbojpeg::decompress(jpeg, turbojpeg::PixelFormat::RGB).unwrap();
    (image.width, image.height, image.pixels)
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn every_raw_format_gives_the_same_picture() {
    let vivid = Vivid::load(1);
    let mut brightness = Vec::new();
    for format in ["YUYV", "UYVY", "NV12", "YU12", "GREY", "RGB3", "BGR3"] {
        let more = format!("pipeline = \"light\"\nformat = \"{format}\"\nwidth = 640\nheight = 480\nfps = 10");
        let daemon = builder().camera("test", &video(&vivid), &more).start();
        let up = daemon.events().wait_for("camera_up");
        assert_eq!((up["format"].as_str(), up["driver"].as_str()), (Some(format), Some("vivid")), "{up}");
        let mut watcher = daemon.watch("camera=test");
        let result = &watcher.recv()["result"];
        assert_eq!((&result["width"], &result["height"]), (&640.into(), &480.into()), "{format}");
        let light = result["brightness"].as_f64().unwrap();
        let (width, height, pixels) = decoded(&daemon.get("/v1/cameras/test/snapshot.jpg").bytes);
        assert_eq!((width, height), (640, 480), "{format}");
        let mean = pixels.iter().map(|&value| f64::from(value)).sum::<f64>() / pixels.len() as f64 / 255.0;
        assert!((mean - light).abs() < 0.05, "{format}: the model sees {light} and the picture {mean}");
        if format != "GREY" {
            // vivid's colour bars: neighbours differ in colour.
            let coloured = pixels.chunks_exact(3).filter(|rgb| rgb[0].abs_diff(rgb[2]) > 100).count();
            assert!(coloured > width * height / 4, "{format}: {coloured} coloured pixels");
            brightness.push((format, light));
        }
        assert_eq!(daemon.stop(), 0);
    }
    let (least, most) = brightness.iter().fold((1.0_f64, 0.0_f64), |(low, high), (_, b)| (low.min(*b), high.max(*b)));
    assert!(most - least < 0.06, "one picture, whatever its format: {brightness:?}");
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn an_mjpeg_camera_gives_its_own_jpegs_without_their_padding() {
    let loopback = Loopback::load();
    let jpeg = frames::synthetic(320, 240);
    let padded = [jpeg.as_slice(), &[0; 777]].concat();
    let cut = jpeg[..jpeg.len() / 2].to_vec();
    let feeder = loopback.feed(320, 240, 20.0, vec![padded.clone(), padded.clone(), padded, cut]);
    let device = loopback.device().display().to_string();
    let daemon = builder().camera("test", &device, "pipeline = \"light\"\nwidth = 320\nheight = 240\nfps = 20").start();
    let up = daemon.events().wait_for("camera_up");
    assert_eq!(up["format"], "MJPG", "{up}");
    assert_eq!(daemon.get("/v1/cameras/test/snapshot.jpg").bytes, jpeg);
    let bad = || daemon.metrics().value("camera_bad_frames_total{camera=\"test\"}");
    let before = bad();
    let fed = feeder.fed();
    wait::until("forty frames", || feeder.fed() >= fed + 40);
    wait::until("the cut ones among them", || bad() >= before + 5.0);
    assert_eq!(daemon.watch("camera=test").recv()["result"]["width"], 320);
    assert_eq!(daemon.events().of_kind("stream_connect").len(), 1);
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn what_the_driver_agreed_to_is_told_when_it_differs() {
    let vivid = Vivid::load(1);
    let more = "width = 600\nheight = 400\nfps = 24\ncontrols = { brightness = 77, nosuch = 1 }\nrotate = 90";
    let daemon = builder().camera("test", &video(&vivid), more).start();
    let camera = daemon.wait_camera("test", "up");
    assert_eq!((&camera["asked"]["width"], &camera["asked"]["height"]), (&600.into(), &400.into()));
    let agreed = &camera["agreed"];
    assert_ne!((&agreed["width"], &agreed["height"]), (&600.into(), &400.into()), "vivid's webcam has no such size");
    let notes: Vec<String> =
        camera["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap().to_owned()).collect();
    let says = |words: &str| notes.iter().any(|note| note.contains(words));
    assert!(says("600") && says("nosuch") && says("/dev/v4l/by-path/"), "{notes:?}");
    let logged = daemon.events().of_kind("camera_note");
    assert_eq!(logged.len(), notes.len(), "each is logged once");
    // The control was set, as every other program sees.
    let seen = Command::new("v4l2-ctl").args(["-d", &video(&vivid), "-C", "brightness"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&seen.stdout).trim(), "brightness: 77");
    let (width, height, _) = decoded(&daemon.get("/v1/cameras/test/snapshot.jpg").bytes);
    assert_eq!(
        (Some(height as u64), Some(width as u64)),
        (agreed["width"].as_u64(), agreed["height"].as_u64()),
        "turned"
    );
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn a_camera_is_found_by_its_stable_name() {
    let vivid = Vivid::load(1);
    let link = "/dev/v4l/by-path/platform-vivid.0-video-index0";
    let daemon = builder().camera("test", link, "width = 640\nheight = 480\nfps = 10").start();
    let camera = daemon.wait_camera("test", "up");
    assert_eq!(camera["asked"]["device"], link);
    assert!(!camera["notes"].to_string().contains("by-path"), "no hint where the name is stable: {camera}");
    drop(daemon);
    drop(vivid);
}

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn cameras_are_listed_and_tried() {
    let vivid = Vivid::load(1);
    let node = video(&vivid);
    let run = |args: &[&str]| {
        let output = Command::new(binary("cameras")).arg("cameras").args(args).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    let (status, listed) = run(&["--json"]);
    assert_eq!(status, Some(0), "{listed}");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let device = listed["devices"].as_array().unwrap().iter().find(|device| device["node"] == *node);
    let device = device.unwrap_or_else(|| panic!("{node} in {listed}"));
    assert_eq!(device["driver"], "vivid");
    assert!(device["formats"].as_array().unwrap().len() > 5, "{device}");
    assert!(device.to_string().contains("brightness") && device.to_string().contains("by-path"), "{device}");
    let (status, table) = run(&[]);
    assert!(
        status == Some(0) && table.contains(&node) && table.contains("vivid") && table.contains("640x480"),
        "{table}"
    );

    let (status, tried) = run(&["test", &node, "--json", "--seconds", "2"]);
    assert_eq!(status, Some(0), "{tried}");
    let tried: Value = serde_json::from_str(&tried).unwrap();
    assert!(tried["frames"].as_u64().unwrap() > 10, "{tried}");
    let (status, tried) = run(&["test", &node, "--seconds", "1"]);
    assert!(status == Some(0) && tried.contains("640x480"), "{tried}");
    let (status, refused) = run(&["test", "/dev/video77"]);
    assert!(status == Some(1) && refused.contains("/dev/video77"), "{refused}");
}
