//! What is said about a loaded configuration: each value with its origin, and what a reload cannot apply.

use std::path::Path;

use crate::config::load::{Loaded, Origin};
use crate::config::schema::Config;
use crate::config::settings::{SETTINGS, Setting};

/// Every effective value and its origin, one a line, for `forgesyted check`.
pub fn describe(loaded: &Loaded) -> String {
    let file = loaded.file.as_deref().unwrap_or(Path::new("")).display();
    let line = |setting: &Setting| {
        let origin = match loaded.origins.get(setting.key) {
            Some(Origin::File { line }) => format!("{file}:{line}"),
            Some(Origin::Environment(variable)) => (*variable).to_owned(),
            Some(Origin::Default) | None => "default".to_owned(),
        };
        format!("{} = {}  ({origin})\n", setting.key, setting.show(&loaded.config))
    };
    SETTINGS.iter().map(line).collect()
}

/// The keys that differ between `old` and `new` and take effect only on a restart.
pub fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let waits = |s: &&Setting| s.restart && (s.raw)(old) != (s.raw)(new);
    SETTINGS.iter().filter(waits).map(|s| s.key).collect()
}
