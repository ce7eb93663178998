//! The clip that ships, and the camera of the shipped configuration that plays it.

use std::fs;
use std::time::Duration;

use forgesyted::config::{self, CameraDevice};
use forgesyted::source::camera::capture::Encoding;
use forgesyted::source::camera::replay;
use forgesyted_tests::demo::{self, FRAMES};
use forgesyted_tests::folder::Folder;
use forgesyted_tests::{Daemon, sources};

/// Set, the clip is made anew.
const WRITE: &str = "FORGESYTED_TEST_WRITE_DEMO";

/// The first camera of the shipped configuration without its comment signs, and nothing else.
fn uncommented() -> String {
    let sample = fs::read_to_string(sources::root().join("config/forgesyted.toml")).unwrap();
    let block = sample.lines().skip_while(|line| *line != "# [[camera]]").take_while(|line| line.starts_with("# "));
    block.map(|line| format!("{}\n", &line[2..])).collect()
}

#[test]
fn the_shipped_clip_is_what_this_makes() {
    let path = sources::root().join("config/replay/demo.mjpeg");
    let made = demo::clip();
    if std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &made).unwrap();
    }
    let stale =
        format!("config/replay/demo.mjpeg is stale: run {WRITE}=1 cargo xtask test -- -p forgesyted-tests --test demo");
    assert!(fs::read(&path).unwrap() == made, "{stale}");
    assert!(made.len() <= 400 * 1024, "{} bytes", made.len());
}

#[test]
fn the_shipped_camera_works_when_it_is_uncommented() {
    let folder = Folder::new();
    let file = folder.write("etc/forgesyted.toml", uncommented());
    let clip = fs::read(sources::root().join("config/replay/demo.mjpeg")).unwrap();
    let path = folder.write("share/forgesyted/replay/demo.mjpeg", &clip);
    let loaded = config::read(Some(&file), &[], Some(folder.path())).unwrap();
    assert_eq!(loaded.warnings, [""; 0]);
    let [camera] = &loaded.config.cameras[..] else { panic!("{:?}", loaded.config.cameras) };
    assert_eq!((camera.name.as_str(), camera.pipeline.as_deref()), ("demo", Some("scene")));
    assert_eq!(camera.device, CameraDevice::Replay(path.clone()));

    let mut capture = replay::open(&path, camera.fps).unwrap();
    let agreed = capture.agreed();
    assert_eq!((agreed.encoding, agreed.width, agreed.height), (Encoding::Jpeg, 640, 480));
    assert_eq!(agreed.card, format!("demo.mjpeg ({FRAMES} frames)"));
    let scene = sources::root().join("config");
    let daemon = Daemon::builder()
        .file("pipelines/scene.toml", fs::read(scene.join("pipelines/scene.toml")).unwrap())
        .file("models/scene.pt", fs::read(scene.join("models/scene.pt")).unwrap())
        .start();
    let mut client = daemon.client("scene");
    let mut taken: Vec<Vec<u8>> = Vec::new();
    while taken.len() < 2 {
        capture.next(Duration::from_secs(60), &mut |view| taken.push(view.bytes.to_vec())).unwrap();
    }
    assert_ne!(taken[0], taken[1], "the scene moves");
    for frame in taken {
        assert_eq!(client.ask(&frame)["verdict"], "ok");
    }
}
