//! Configuration: the settings, their defaults, and where each value came from.
//!
//! Here: the typed [`Config`], the one list of [`SETTINGS`] and that of a camera's keys ([`CAMERA_KEYS`]), reading of the file and the environment, the checks, and
//! the report of every problem at once. The order is default, then file, then environment; the later one wins.
//!
//! Not here: what a setting does. Each room reads its own struct of [`Config`]. Pipeline files are read by `pipeline`,
//! command-line arguments by `commands`, and reloading is run by `app`.

mod camera;
mod camera_keys;
mod camera_read;
mod found;
mod injected;
mod listen;
mod load;
mod no_device;
mod origin;
mod places;
mod problem;
mod report;
mod schema;
mod settings;
mod source;

pub use camera::{CameraConfig, CameraDevice, CameraFormat, ControlValue};
pub use camera_keys::{CAMERA_KEYS, CameraKey, MAX_CAMERAS};
pub use listen::{Endpoint, Listen, is_without_ipv6};
pub use load::{Loaded, environment, load, read};
pub use no_device::instead_of;
pub use origin::Origin;
pub use places::{document, home_advice, installation_prefix, is_in_home};
pub use problem::{ConfigError, Place, Problem, nearest, shortened};
pub use report::{describe, needs_restart};
pub use schema::{
    Config, DeviceChoice, EngineConfig, LogConfig, PipelinesConfig, Precision, ServerConfig, StreamConfig,
};
pub use settings::{SETTINGS, Setting};
pub use source::ConfigSource;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_camera;
#[cfg(test)]
mod tests_documents;
