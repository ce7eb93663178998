//! What is said about a loaded configuration: each value with its origin, and what a reload cannot apply.

use std::path::Path;

use crate::config::camera_keys::CAMERA_KEYS;
use crate::config::load::Loaded;
use crate::config::origin::Origin;
use crate::config::schema::Config;
use crate::config::settings::{SETTINGS, Setting};

/// The values that the file or a variable set, each with its origin, one a line, for `forgesyted check`; with `all`, every
/// effective value. Otherwise a last line says how many were left out.
pub fn describe(loaded: &Loaded, all: bool) -> String {
    let file = loaded.file.as_deref().unwrap_or(Path::new("")).display();
    let mut left_out = 0;
    let mut line = |key: &str, value: String, origin: Option<&Origin>| {
        let origin = match origin {
            Some(Origin::File { line }) => format!("{file}:{line}"),
            Some(Origin::Environment(variable)) => (*variable).to_owned(),
            Some(Origin::Default) | None if all => "default".to_owned(),
            Some(Origin::Default) | None => {
                left_out += 1;
                return String::new();
            }
        };
        format!("{key} = {value}  ({origin})\n")
    };
    let mut text: String =
        SETTINGS.iter().map(|s| line(s.key, s.show(&loaded.config), loaded.origins.get(s.key))).collect();
    for (camera, origins) in loaded.config.cameras.iter().zip(&loaded.camera_origins) {
        for key in CAMERA_KEYS {
            let label = format!("camera {:?}: {}", camera.name, key.key);
            text.push_str(&line(&label, key.show(camera), origins.get(key.key)));
        }
    }
    if left_out > 0 {
        text.push_str(&format!("{left_out} settings have their defaults; --all shows them too\n"));
    }
    text
}

/// The settings that differ between `old` and `new` and take effect only on a restart.
pub fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let waits = |s: &&Setting| s.restart && (s.raw)(old) != (s.raw)(new);
    SETTINGS.iter().filter(waits).map(|s| s.key).collect()
}
