//! The one list of a camera's keys: name, meaning, allowed values, how to set and how to show each.

use crate::config::camera::{CameraConfig, CameraDevice, CameraFormat, ControlValue};
use crate::config::found::Found;
use crate::config::settings::{UNSET, quoted};

/// Most cameras of one daemon.
pub const MAX_CAMERAS: usize = 16;

/// One key of a `[[camera]]` block.
pub struct CameraKey {
    /// The key.
    pub key: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// The allowed values, in words that end an error message.
    pub allowed: &'static str,
    /// Whether every camera must have it; the others have a default.
    pub required: bool,
    /// Checks a found value and puts it into the camera; `None` where it is not allowed.
    pub(super) set: fn(&mut CameraConfig, &Found<'_>) -> Option<()>,
    /// The value as TOML.
    show: fn(&CameraConfig) -> String,
}

impl CameraKey {
    /// The effective value as TOML would write it; `unset` where there is none.
    pub fn show(&self, camera: &CameraConfig) -> String {
        (self.show)(camera)
    }

    /// The default as TOML would write it, `unset` where a camera does without; `None` for a required key.
    pub fn default(&self) -> Option<String> {
        (!self.required).then(|| self.show(&CameraConfig::blank()))
    }
}

/// What most entries share; each names what differs.
const PLAIN: CameraKey =
    CameraKey { key: "", about: "", allowed: "", required: false, set: |_, _| None, show: |_| String::new() };

/// Every key, in the order in which the sample file and the documents list them.
pub static CAMERA_KEYS: &[CameraKey] = &[
    CameraKey {
        key: "name",
        about: "Its name in URLs, logs and metrics; no two cameras share one.",
        allowed: "1 to 32 letters (a to z), digits, \"-\" and \"_\"",
        required: true,
        set: |c, v| v.text().filter(|text| is_name(text)).map(|text| c.name = text.to_owned()),
        show: |c| quoted(&c.name),
    },
    CameraKey {
        key: "device",
        about: "Where its pictures come from: a device node or a link to one, a USB camera by its ids, or files that are played again and again.",
        allowed: "an absolute path such as \"/dev/video0\", \"usb:VID:PID\" or \"usb:VID:PID:SERIAL\" with ids of four hex digits, or \"replay:\" and a folder or file",
        required: true,
        set: |c, v| CameraDevice::parse(v.text()?).map(|device| c.device = device),
        show: |c| quoted(&c.device.to_string()),
    },
    CameraKey {
        key: "pipeline",
        about: "Id of the pipeline that its frames run through; unset, it gives pictures only.",
        allowed: "the id of a pipeline: 1 to 64 letters (a to z), digits, \"_\", \"-\" and \".\"",
        set: |c, v| v.text().filter(|text| is_pipeline_id(text)).map(|text| c.pipeline = Some(text.to_owned())),
        show: |c| c.pipeline.as_deref().map_or_else(|| UNSET.to_owned(), quoted),
        ..PLAIN
    },
    CameraKey {
        key: "width",
        about: "Pixels in a row, asked for; the device may agree to others. A replay has its own.",
        allowed: "a whole number from 1 to 16384",
        set: |c, v| v.integer(1..=16_384)?.try_into().ok().map(|n| c.width = n),
        show: |c| c.width.to_string(),
        ..PLAIN
    },
    CameraKey {
        key: "height",
        about: "Rows, asked for, like `width`.",
        allowed: "a whole number from 1 to 16384",
        set: |c, v| v.integer(1..=16_384)?.try_into().ok().map(|n| c.height = n),
        show: |c| c.height.to_string(),
        ..PLAIN
    },
    CameraKey {
        key: "fps",
        about: "Frames a second, asked for; the device may agree to others. A replay plays at this rate.",
        allowed: "a number from 0.1 to 240",
        set: |c, v| v.number(0.1..=240.0).map(|n| c.fps = n),
        show: |c| c.fps.to_string(),
        ..PLAIN
    },
    CameraKey {
        key: "format",
        about: "Format asked for, by its V4L2 name; `auto` takes the cheapest one that reaches size and rate. A replay is always JPEG.",
        allowed: "\"auto\", \"MJPG\", \"JPEG\", \"YUYV\", \"UYVY\", \"NV12\", \"YU12\", \"GREY\", \"RGB3\" or \"BGR3\"",
        set: |c, v| CameraFormat::parse(v.text()?).map(|format| c.format = format),
        show: |c| quoted(&c.format.to_string()),
        ..PLAIN
    },
    CameraKey {
        key: "controls",
        about: "V4L2 controls that are set before capturing, by name; a menu's entry by number or name. A replay has none.",
        allowed: "a table of at most 64 controls: names of small letters, digits and \"_\", values that are whole numbers, true, false or texts",
        // Read entry by entry, so that a mistake is told with its own line.
        set: |_, _| None,
        show: |c| inline(c.controls.iter()),
        ..PLAIN
    },
    CameraKey {
        key: "rotate",
        about: "Degrees by which its pictures are turned clockwise, for pipelines and whoever looks.",
        allowed: "0, 90, 180 or 270",
        set: |c, v| {
            let degrees = v.integer(0..=270)?.try_into().ok()?;
            [0, 90, 180, 270].contains(&degrees).then(|| c.rotate = degrees)
        },
        show: |c| c.rotate.to_string(),
        ..PLAIN
    },
    CameraKey {
        key: "always_on",
        about: "Whether it captures, and its pipeline runs, while nobody watches.",
        allowed: "true or false",
        set: |c, v| v.boolean().map(|on| c.always_on = on),
        show: |c| c.always_on.to_string(),
        ..PLAIN
    },
];

pub(super) fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=32).contains(&text.len()) && text.bytes().all(allowed)
}

/// What pipeline files may have as `id`.
fn is_pipeline_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

pub(super) fn is_control_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

fn inline<'a>(controls: impl Iterator<Item = (&'a String, &'a ControlValue)>) -> String {
    let pairs: Vec<String> = controls.map(|(name, value)| format!("{name} = {value}")).collect();
    if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
}
