//! From the `[[camera]]` blocks of a file to [`CameraConfig`]s, and every problem in them.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::camera::{CameraConfig, CameraDevice, ControlValue};
use crate::config::camera_keys::{CAMERA_KEYS, CameraKey, MAX_CAMERAS, is_control_name, is_name};
use crate::config::found::Found;
use crate::config::origin::Origin;
use crate::config::problem::{joined, nearest};
use crate::config::{no_device, places};

/// Most controls of one camera.
const MAX_CONTROLS: usize = 64;

/// The file around the blocks.
pub(super) struct Source<'a> {
    /// The line of a byte of it, counted from 1.
    pub line: &'a dyn Fn(usize) -> usize,
    /// The folder it lies in.
    pub folder: &'a Path,
    /// Where the daemon is installed; see [`super::installation_prefix`].
    pub prefix: Option<&'a Path>,
    /// Whether there is such a file or folder.
    pub exists: &'a dyn Fn(&Path) -> bool,
}

/// What the blocks came to.
#[derive(Default)]
pub(super) struct ReadCameras {
    /// The cameras, in the order of the file.
    pub cameras: Vec<CameraConfig>,
    /// The origin of every key, camera for camera.
    pub origins: Vec<BTreeMap<&'static str, Origin>>,
    pub problems: Vec<CameraProblem>,
    /// What is odd but not wrong, one sentence each.
    pub warnings: Vec<String>,
}

/// One thing that is wrong.
pub(super) struct CameraProblem {
    pub line: usize,
    /// Camera and key, such as `camera "yard": fps`.
    pub key: String,
    pub message: String,
}

/// One block while it is read.
struct Block<'a> {
    /// `camera "yard"`, or `camera 2` where it has no sound name.
    label: String,
    camera: CameraConfig,
    /// The lines of its keys, of their own or, where they are missing, of the block.
    lines: BTreeMap<&'static str, usize>,
    origins: BTreeMap<&'static str, Origin>,
    /// Keys that are missing or whose value was not allowed.
    refused: Vec<&'static str>,
    problems: Vec<CameraProblem>,
    source: &'a Source<'a>,
}

/// Reads the value of the key `camera`, which stands in `line`.
pub(super) fn read(value: &DeValue<'_>, line: usize, source: &Source<'_>) -> ReadCameras {
    let mut read = ReadCameras::default();
    let Some(items) = value.as_array() else {
        let message = format!("found {}; allowed: [[camera]] blocks, one a camera", Found::Toml(value, source.folder));
        read.problems.push(CameraProblem { line, key: "camera".to_owned(), message });
        return read;
    };
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (item, number) in items.iter().zip(1..) {
        let line = (source.line)(item.span().start);
        if number > MAX_CAMERAS {
            let message = format!("one too many; allowed: at most {MAX_CAMERAS} cameras");
            read.problems.push(CameraProblem { line, key: format!("camera {number}"), message });
            break;
        }
        let Some(entries) = item.get_ref().as_table() else {
            let message = format!("found {}; allowed: a table", Found::Toml(item.get_ref(), source.folder));
            read.problems.push(CameraProblem { line, key: format!("camera {number}"), message });
            continue;
        };
        let mut block = Block::read(entries, number, line, source);
        block.differ(&blocks);
        blocks.push(block);
    }
    for mut block in blocks {
        read.warnings.extend(block.look_up());
        read.problems.append(&mut block.problems);
        read.cameras.push(block.camera);
        read.origins.push(block.origins);
    }
    read
}

impl<'a> Block<'a> {
    fn read(entries: &DeTable<'_>, number: usize, line: usize, source: &'a Source<'a>) -> Self {
        let name = entries.get("name").and_then(|name| name.get_ref().as_str()).filter(|name| is_name(name));
        let mut block = Block {
            label: name.map_or_else(|| format!("camera {number}"), |name| format!("camera {name:?}")),
            camera: CameraConfig::blank(),
            lines: CAMERA_KEYS.iter().map(|key| (key.key, line)).collect(),
            origins: CAMERA_KEYS.iter().map(|key| (key.key, Origin::Default)).collect(),
            refused: Vec::new(),
            problems: Vec::new(),
            source,
        };
        for (name, value) in entries {
            let line = (source.line)(name.span().start);
            block.read_entry(name.get_ref(), line, value.get_ref());
        }
        for key in CAMERA_KEYS.iter().filter(|key| key.required && !entries.contains_key(key.key)) {
            block.refused.push(key.key);
            block.problem(line, key.key, format!("missing; allowed: {}", key.allowed));
        }
        block
    }

    fn read_entry(&mut self, name: &str, line: usize, value: &DeValue<'_>) {
        let Some(key) = CAMERA_KEYS.iter().find(|key| key.key == name) else {
            let names = || CAMERA_KEYS.iter().map(|key| key.key);
            let message = match nearest(name, names()) {
                Some(known) => format!("unknown key; did you mean {known}?"),
                None => format!("unknown key; the keys of [[camera]] are {}", joined(names())),
            };
            return self.problem(line, name, message);
        };
        self.lines.insert(key.key, line);
        self.origins.insert(key.key, Origin::File { line });
        match value {
            DeValue::Table(entries) if key.key == "controls" => self.read_controls(key, line, entries),
            _ => {
                let found = Found::Toml(value, self.source.folder);
                let instead = found.text().filter(|_| key.key == "device").and_then(no_device::instead_of);
                if let Some(message) = instead {
                    self.refused.push(key.key);
                    self.problem(line, key.key, message);
                } else if (key.set)(&mut self.camera, &found).is_none() {
                    self.refused.push(key.key);
                    self.problem(line, key.key, format!("found {found}; allowed: {}", key.allowed));
                }
            }
        }
    }

    fn read_controls(&mut self, key: &CameraKey, line: usize, entries: &DeTable<'_>) {
        if entries.len() > MAX_CONTROLS {
            let message = format!("found {} controls; allowed: {}", entries.len(), key.allowed);
            return self.problem(line, key.key, message);
        }
        for (name, value) in entries {
            let line = (self.source.line)(name.span().start);
            let found = Found::Toml(value.get_ref(), self.source.folder);
            match control(&found) {
                Some(value) if is_control_name(name.get_ref()) => {
                    self.camera.controls.insert(name.get_ref().to_string(), value);
                }
                Some(_) => {
                    let message = "not the name of a control; allowed: 1 to 64 small letters, digits and \"_\"";
                    self.problem(line, &control_key(name), message.to_owned());
                }
                None => {
                    let message = format!("found {found}; allowed: a whole number, true, false or a text");
                    self.problem(line, &control_key(name), message);
                }
            }
        }
    }

    /// Refuses what a camera before this one has already.
    fn differ(&mut self, others: &[Block<'_>]) {
        let sound = |block: &Block<'_>, key| !block.refused.contains(&key);
        let same_name =
            |other: &&Block<'_>| sound(self, "name") && sound(other, "name") && other.camera.name == self.camera.name;
        // Files can be read by any number, a device only by one.
        let is_file = |device: &CameraDevice| matches!(device, CameraDevice::Replay(_));
        let same_device = |other: &&Block<'_>| {
            let devices = sound(self, "device") && sound(other, "device") && !is_file(&self.camera.device);
            devices && other.camera.device == self.camera.device
        };
        let taken = [
            ("name", self.camera.name.clone(), others.iter().find(same_name)),
            ("device", self.camera.device.to_string(), others.iter().find(same_device)),
        ];
        for (key, shown, other) in taken {
            let line = |block: &Block<'_>| block.lines.get(key).copied().unwrap_or_default();
            if let Some(other) = other {
                let message = format!(
                    "found {shown:?}, which the camera in line {} has; allowed: a {key} of its own for each camera",
                    line(other)
                );
                self.problem(line(self), key, message);
            }
        }
    }

    /// Gives a replay's relative path the folder in which it is found; a warning where it is in none.
    fn look_up(&mut self) -> Option<String> {
        let CameraDevice::Replay(path) = &mut self.camera.device else { return None };
        let candidates = places::replay(path, self.source.folder, self.source.prefix);
        let found = candidates.iter().find(|candidate| (self.source.exists)(candidate));
        let warning = found.is_none().then(|| {
            let places: Vec<String> = candidates.iter().map(|place| place.display().to_string()).collect();
            format!("{}: there is no {}; the camera is down until it is there", self.label, places.join(" and no "))
        });
        if let Some(chosen) = found.or(candidates.first()) {
            path.clone_from(chosen);
        }
        warning
    }

    fn problem(&mut self, line: usize, key: &str, message: String) {
        self.problems.push(CameraProblem { line, key: format!("{}: {key}", self.label), message });
    }
}

fn control(found: &Found<'_>) -> Option<ControlValue> {
    let integer = found.signed().map(ControlValue::Integer);
    integer
        .or_else(|| found.boolean().map(ControlValue::Boolean))
        .or_else(|| found.text().map(|text| ControlValue::Text(text.to_owned())))
}

fn control_key(name: &Spanned<std::borrow::Cow<'_, str>>) -> String {
    format!("controls.{}", name.get_ref())
}
