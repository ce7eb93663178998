//! Tables over `[[camera]]`: blocks in, cameras or problems out.

use std::path::{Path, PathBuf};

use super::camera_read::{self, ReadCameras, Source};
use super::*;

fn from_text(text: &str) -> Result<Loaded, ConfigError> {
    load(Some((Path::new("/etc/f.toml"), text)), &[], None)
}

fn problems(text: &str) -> Vec<String> {
    let err = from_text(text).unwrap_err();
    err.problems.iter().map(Problem::to_string).collect()
}

/// A block with a sound name and device, unless `key` is one of them, and `key = value` in its last line, the fourth.
fn block(key: &str, value: &str) -> String {
    let other = |wanted: &str, line: &str| if key == wanted { "\n".to_owned() } else { format!("{line}\n") };
    let (name, device) = (other("name", "name = \"yard\""), other("device", "device = \"/dev/video0\""));
    format!("[[camera]]\n{name}{device}{key} = {value}\n")
}

fn key(name: &str) -> &'static CameraKey {
    CAMERA_KEYS.iter().find(|key| key.key == name).unwrap()
}

/// Key, a TOML value, and what `show` then gives.
const SET: &[(&str, &str, &str)] = &[
    ("name", "\"a\"", "\"a\""),
    ("name", "\"Yard_2-left\"", "\"Yard_2-left\""),
    ("name", "\"abcdefghijklmnopqrstuvwxyz012345\"", "\"abcdefghijklmnopqrstuvwxyz012345\""),
    ("device", "\"/dev/v4l/by-id/usb-X-video-index0\"", "\"/dev/v4l/by-id/usb-X-video-index0\""),
    ("device", "\"usb:046D:0825\"", "\"usb:046d:0825\""),
    ("device", "\"usb:046d:0825:A B:C\"", "\"usb:046d:0825:A B:C\""),
    ("device", "\"replay:/v/clip.mjpeg\"", "\"replay:/v/clip.mjpeg\""),
    ("pipeline", "\"scene.v2\"", "\"scene.v2\""),
    ("width", "1", "1"),
    ("width", "16384", "16384"),
    ("height", "0x10", "16"),
    ("height", "16384", "16384"),
    ("fps", "0.1", "0.1"),
    ("fps", "240", "240"),
    ("fps", "29.97", "29.97"),
    ("format", "\"auto\"", "\"auto\""),
    ("format", "\"MJPG\"", "\"MJPG\""),
    ("format", "\"BGR3\"", "\"BGR3\""),
    ("controls", "{}", "{}"),
    (
        "controls",
        "{ gain = -3, exposure_auto = true, power_line_frequency = \"50 Hz\" }",
        "{ exposure_auto = true, gain = -3, power_line_frequency = \"50 Hz\" }",
    ),
    ("rotate", "0", "0"),
    ("rotate", "270", "270"),
    ("always_on", "false", "false"),
];

#[test]
fn what_is_no_device_is_answered_with_what_works() {
    for (device, expected) in [
        (
            "rtsp://admin:s3cret@192.0.2.7/stream1",
            "found an address (rtsp://), and network cameras are not opened: the Python client of",
        ),
        (
            "http://192.0.2.7/video.mjpg",
            "found an address (http://), and network cameras are not opened: the Python client of",
        ),
        (
            "/srv/clip.mjpeg",
            "found \"/srv/clip.mjpeg\", a file; as a camera that plays it again and again, write \"replay:/srv/clip.mjpeg\"",
        ),
        (
            "/srv/clip.mp4",
            "found \"/srv/clip.mp4\", a file, and a camera is a device; `forgesyted run --pipeline ID FILE` runs a",
        ),
    ] {
        let found = problems(&block("device", &format!("{device:?}")));
        let start = format!("/etc/f.toml:4: camera \"yard\": device: {expected}");
        assert!(found.len() == 1 && found[0].starts_with(&start) && !found[0].contains("s3cret"), "{found:?}");
    }
}

/// Key and a TOML value that it refuses.
const REFUSED: &[(&str, &str)] = &[
    ("name", "\"\""),
    ("name", "\"back yard\""),
    ("name", "\"ä\""),
    ("name", "\"abcdefghijklmnopqrstuvwxyz0123456\""),
    ("name", "7"),
    ("device", "\"\""),
    ("device", "\"video0\""),
    ("device", "\"/dev/video\\u0000\""),
    ("device", "\"usb:\""),
    ("device", "\"usb:046d\""),
    ("device", "\"usb:46d:0825\""),
    ("device", "\"usb:046d:082g\""),
    ("device", "\"usb:+46d:0825\""),
    ("device", "\"usb:046d:0825:\""),
    ("device", "\"replay:\""),
    ("device", "0"),
    ("pipeline", "\"\""),
    ("pipeline", "\"my scene\""),
    ("pipeline", "[\"scene\"]"),
    ("width", "0"),
    ("width", "16385"),
    ("width", "640.0"),
    ("height", "0"),
    ("height", "\"480\""),
    ("fps", "0"),
    ("fps", "0.09"),
    ("fps", "240.1"),
    ("fps", "nan"),
    ("fps", "\"30\""),
    ("format", "\"mjpg\""),
    ("format", "\"H264\""),
    ("format", "\"\""),
    ("format", "1"),
    ("controls", "[]"),
    ("controls", "\"gain\""),
    ("rotate", "45"),
    ("rotate", "360"),
    ("rotate", "-90"),
    ("rotate", "90.0"),
    ("rotate", "\"90\""),
    ("always_on", "1"),
    ("always_on", "\"true\""),
];

#[test]
fn values_are_set() {
    for (name, value, shown) in SET {
        let loaded = from_text(&block(name, value)).unwrap();
        let [camera] = &loaded.config.cameras[..] else { panic!("{:?}", loaded.config.cameras) };
        assert_eq!(key(name).show(camera), *shown, "{name} = {value}");
        assert_eq!(loaded.camera_origins[0][name], Origin::File { line: 4 }, "{name}");
        let text = block(name, shown);
        assert_eq!(from_text(&text).unwrap().config, loaded.config, "what is shown can be written: {text}");
    }
    for key in CAMERA_KEYS {
        assert!(SET.iter().any(|(name, ..)| *name == key.key), "no test sets {}", key.key);
    }
}

#[test]
fn values_out_of_range_or_of_the_wrong_type_are_refused() {
    for (name, value) in REFUSED {
        let found = problems(&block(name, value));
        assert_eq!(found.len(), 1, "{name} = {value}: {found:?}");
        let label = if *name == "name" { "camera 1" } else { "camera \"yard\"" };
        assert!(found[0].starts_with(&format!("/etc/f.toml:4: {label}: {name}: found ")), "{found:?}");
        assert!(found[0].ends_with(key(name).allowed), "{found:?}");
    }
    for key in CAMERA_KEYS {
        assert!(REFUSED.iter().any(|(name, _)| *name == key.key), "no test refuses a value of {}", key.key);
    }
}

#[test]
fn a_name_and_a_device_are_enough() {
    let loaded = from_text("[[camera]]\nname = \"yard\"\ndevice = \"/dev/video0\"\n").unwrap();
    let device = CameraDevice::Path("/dev/video0".into());
    assert_eq!(loaded.config.cameras, [CameraConfig { name: "yard".into(), device, ..CameraConfig::blank() }]);
    for key in CAMERA_KEYS.iter().filter(|key| !key.required) {
        assert_eq!(loaded.camera_origins[0][key.key], Origin::Default, "{}", key.key);
        assert_eq!(Some(key.show(&loaded.config.cameras[0])), key.default(), "{}", key.key);
    }
}

#[test]
fn typed_values() {
    let text = "\
[[camera]]
name = \"yard\"
device = \"usb:046d:0825:ABC\"
format = \"YUYV\"
[camera.controls]
gain = 3
[[camera]]
name = \"gate\"
device = \"/dev/video2\"
";
    let cameras = from_text(text).unwrap().config.cameras;
    assert_eq!(cameras.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["yard", "gate"]);
    let usb = CameraDevice::Usb { vendor: 0x046d, product: 0x0825, serial: Some("ABC".into()) };
    assert_eq!((&cameras[0].device, cameras[0].format), (&usb, CameraFormat::Fourcc(*b"YUYV")));
    assert_eq!(cameras[0].controls, [("gain".to_owned(), ControlValue::Integer(3))].into());
    // The short way to write the same.
    let inline = "camera = [{ name = \"gate\", device = \"/dev/video2\" }]";
    assert_eq!(from_text(inline).unwrap().config.cameras, cameras[1..]);
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let text = "\
[[camera]]
name = \"yard\"
device = \"/dev/video0\"
heigth = 15
fps = 0
controls = { gain = 1.5, \"Auto Gain\" = 1, list = [] }

[[camera]]
name = \"yard\"
device = \"/dev//video0\"
colour = true

[[camera]]
# no name and no device
width = 0

[log]
levle = \"info\"
";
    let name = key("name").allowed;
    let device = key("device").allowed;
    let keys = "name, device, pipeline, width, height, fps, format, controls, rotate, always_on";
    assert_eq!(
        problems(text),
        [
            "/etc/f.toml:4: camera \"yard\": heigth: unknown key; did you mean height?",
            "/etc/f.toml:5: camera \"yard\": fps: found 0; allowed: a number from 0.1 to 240",
            "/etc/f.toml:6: camera \"yard\": controls.Auto Gain: not the name of a control; allowed: 1 to 64 small \
             letters, digits and \"_\"",
            "/etc/f.toml:6: camera \"yard\": controls.gain: found 1.5; allowed: a whole number, true, false or a text",
            "/etc/f.toml:6: camera \"yard\": controls.list: found an array; allowed: a whole number, true, false or a \
             text",
            "/etc/f.toml:9: camera \"yard\": name: found \"yard\", which the camera in line 2 has; allowed: a name of \
             its own for each camera",
            "/etc/f.toml:10: camera \"yard\": device: found \"/dev//video0\", which the camera in line 3 has; allowed: \
             a device of its own for each camera",
            &format!("/etc/f.toml:11: camera \"yard\": colour: unknown key; the keys of [[camera]] are {keys}"),
            &format!("/etc/f.toml:13: camera 3: name: missing; allowed: {name}"),
            &format!("/etc/f.toml:13: camera 3: device: missing; allowed: {device}"),
            "/etc/f.toml:15: camera 3: width: found 0; allowed: a whole number from 1 to 16384",
            "/etc/f.toml:18: log.levle: unknown key; did you mean log.level?",
        ]
    );
}

#[test]
fn what_is_no_block_of_a_camera() {
    for (text, expected) in [
        ("[camera]\nname = \"a\"", "/etc/f.toml:1: camera: found a table; allowed: [[camera]] blocks, one a camera"),
        ("camera = 3", "/etc/f.toml:1: camera: found 3; allowed: [[camera]] blocks, one a camera"),
        ("camera = [\n 3]", "/etc/f.toml:2: camera 1: found 3; allowed: a table"),
    ] {
        assert_eq!(problems(text), [expected]);
    }
    let blocks = |count: usize| -> String {
        (0..count).map(|n| format!("[[camera]]\nname = \"c{n}\"\ndevice = \"/dev/video{n}\"\n")).collect()
    };
    assert_eq!(from_text(&blocks(16)).unwrap().config.cameras.len(), 16);
    assert_eq!(problems(&blocks(18)), ["/etc/f.toml:49: camera 17: one too many; allowed: at most 16 cameras"]);
}

#[test]
fn a_device_has_one_camera_and_a_replay_any_number() {
    let two = |one: &str, other: &str| {
        let block = |name: &str, device: &str| format!("[[camera]]\nname = \"{name}\"\ndevice = \"{device}\"\n");
        from_text(&(block("a", one) + &block("b", other)))
    };
    for (one, other, allowed) in [
        ("/dev/video0", "/dev/video1", true),
        ("/dev/video0", "/dev/video0", false),
        ("usb:046d:0825", "usb:046D:0825", false),
        ("usb:046d:0825:1", "usb:046d:0825:2", true),
        ("replay:/v/clip", "replay:/v/clip", true),
    ] {
        assert_eq!(two(one, other).is_ok(), allowed, "{one} {other}");
    }
}

/// Reads one replay of this path, where only these files exist.
fn replay(path: &str, existing: &[&str]) -> ReadCameras {
    let text = format!("[[camera]]\nname = \"demo\"\ndevice = \"replay:{path}\"\n");
    let (document, errors) = toml::de::DeTable::parse_recoverable(&text);
    assert!(errors.is_empty());
    let source = Source {
        line: &|_| 1,
        folder: Path::new("/etc/f"),
        prefix: Some(Path::new("/opt")),
        exists: &|path| existing.iter().any(|known| Path::new(known) == path),
    };
    camera_read::read(document.get_ref().get("camera").unwrap().get_ref(), 1, &source)
}

#[test]
fn replays_are_looked_up() {
    let (beside, shared) = ("/etc/f/demo.mjpeg", "/opt/share/forgesyted/replay/demo.mjpeg");
    for (path, existing, expected, warned) in [
        ("demo.mjpeg", &[beside, shared][..], beside, false),
        ("demo.mjpeg", &[shared], shared, false),
        ("demo.mjpeg", &[], beside, true),
        ("/v/clip", &["/v/clip"], "/v/clip", false),
        ("/v/clip", &[beside], "/v/clip", true),
    ] {
        let read = replay(path, existing);
        assert_eq!(read.cameras[0].device, CameraDevice::Replay(expected.into()), "{path} {existing:?}");
        assert_eq!(!read.warnings.is_empty(), warned, "{:?}", read.warnings);
    }
    let expected =
        format!("camera \"demo\": there is no {beside} and no {shared}; the camera is down until it is there");
    assert_eq!(replay("demo.mjpeg", &[]).warnings, [expected]);
}

#[test]
fn describe_gives_every_key_of_every_camera() {
    let text = "[[camera]]\nname = \"yard\"\ndevice = \"/dev/video0\"\nfps = 15\n[camera.controls]\ngain = 3\n";
    let described = describe(&from_text(text).unwrap(), true);
    let lines: Vec<&str> = described.lines().filter(|line| line.starts_with("camera ")).collect();
    assert_eq!(
        lines,
        [
            "camera \"yard\": name = \"yard\"  (/etc/f.toml:2)",
            "camera \"yard\": device = \"/dev/video0\"  (/etc/f.toml:3)",
            "camera \"yard\": pipeline = unset  (default)",
            "camera \"yard\": width = 640  (default)",
            "camera \"yard\": height = 480  (default)",
            "camera \"yard\": fps = 15  (/etc/f.toml:4)",
            "camera \"yard\": format = \"auto\"  (default)",
            "camera \"yard\": controls = { gain = 3 }  (/etc/f.toml:5)",
            "camera \"yard\": rotate = 0  (default)",
            "camera \"yard\": always_on = true  (default)",
        ]
    );
}

#[test]
fn a_reload_applies_cameras() {
    let with = from_text("[[camera]]\nname = \"yard\"\ndevice = \"/dev/video0\"\n").unwrap();
    assert!(needs_restart(&Config::default(), &with.config).is_empty());
}

#[test]
fn devices_and_formats_are_shown_as_written() {
    for text in ["/dev/video0", "usb:046d:0825", "usb:046d:0825:ABC", "replay:clips/a", "replay:/v/a.mjpeg"] {
        assert_eq!(CameraDevice::parse(text).unwrap().to_string(), text);
    }
    for text in CameraFormat::KNOWN.iter().chain(&["auto"]) {
        assert_eq!(CameraFormat::parse(text).unwrap().to_string(), *text);
        assert!(key("format").allowed.contains(&format!("\"{text}\"")), "{text}");
    }
    assert_eq!(CameraDevice::parse("replay:a"), Some(CameraDevice::Replay(PathBuf::from("a"))));
}
