//! The shipped sample and the reference page say what the list of settings says.

use std::path::Path;

use super::*;

const SAMPLE: &str = include_str!("../../../../config/forgesyted.toml");
const DOCUMENT: &str = include_str!("../../../../docs/configuration.md");

fn from_text(text: &str) -> Loaded {
    load(Some((Path::new("/etc/f.toml"), text)), &[], None).unwrap()
}

/// `# key = value` without the comment sign; `None` for any other line.
fn uncommented(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("# ")?;
    let (key, _) = rest.split_once(" = ")?;
    let plain = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    plain.then_some(rest)
}

/// What a camera of the sample begins with.
const CAMERA: &str = "# [[camera]]";

/// The sample's settings, and each of its cameras.
fn parts() -> Vec<&'static str> {
    SAMPLE.split(CAMERA).collect()
}

fn all_uncommented(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", uncommented(line).unwrap_or(line))).collect()
}

#[test]
fn the_sample_is_the_defaults_as_shipped_and_uncommented() {
    assert_eq!(from_text(SAMPLE).config, Config::default());
    let loaded = from_text(&all_uncommented(parts()[0]));
    assert_eq!(loaded.config, Config::default());
    for setting in SETTINGS {
        let written = loaded.origins[setting.key] != Origin::Default;
        // One that is unset has no default that could be written.
        assert_eq!(written, setting.show(&Config::default()) != "unset", "{} in the sample", setting.key);
        if let Some(variable) = setting.variable {
            assert!(SAMPLE.contains(variable), "{variable} in the sample");
        }
    }
}

#[test]
fn the_cameras_of_the_sample_are_cameras() {
    let camera = |part: &str| {
        let mut loaded = from_text(&format!("[[camera]]\n{}", all_uncommented(part)));
        (loaded.config.cameras.remove(0), loaded.camera_origins.remove(0))
    };
    let parts = parts();
    assert_eq!(parts.len(), 3);
    let (demo, origins) = camera(parts[1]);
    assert_eq!((demo.name.as_str(), demo.pipeline.as_deref()), ("demo", Some("yolo_ocr")));
    assert!(matches!(&demo.device, CameraDevice::Replay(path) if path.ends_with("demo.mjpeg")), "{demo:?}");
    assert_eq!(origins.values().filter(|origin| **origin != Origin::Default).count(), 4);

    let (real, origins) = camera(parts[2]);
    for key in CAMERA_KEYS {
        assert_ne!(origins[key.key], Origin::Default, "{} in the sample", key.key);
        if let Some(default) = key.default().filter(|default| default != "unset") {
            assert_eq!(key.show(&real), default, "{} in the sample", key.key);
        }
    }
    for format in CameraFormat::KNOWN {
        assert!(parts[2].contains(&format!("\"{format}\"")), "{format} in the sample");
    }
}

/// The rows of the page whose first cell is code and that have this many cells.
fn rows(cells: usize) -> Vec<Vec<&'static str>> {
    DOCUMENT
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>())
        .filter(|row| row.len() == cells)
        .collect()
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// A default as the page shows it.
fn shown(default: &str) -> String {
    if default == "unset" { default.to_owned() } else { code(default) }
}

#[test]
fn the_document_lists_exactly_the_keys_of_a_camera() {
    let expected: Vec<Vec<String>> = CAMERA_KEYS
        .iter()
        .map(|key| {
            let default = key.default().map_or("required".to_owned(), |default| shown(&default));
            vec![code(key.key), default, key.allowed.into(), key.about.into()]
        })
        .collect();
    assert_eq!(rows(4), expected);
}

#[test]
fn the_document_lists_exactly_the_settings() {
    let expected: Vec<Vec<String>> = SETTINGS
        .iter()
        .map(|s| {
            let default = shown(&s.show(&Config::default()));
            let variable = s.variable.map_or("–".to_owned(), code);
            let reload = if s.restart { "restart" } else { "reload" };
            vec![code(s.key), variable, default, s.allowed.into(), s.about.into(), reload.into()]
        })
        .collect();
    assert_eq!(rows(6), expected);
}
