//! Where the configuration comes from: which file, which environment, which installation.

use std::path::{Path, PathBuf};

use crate::config::load::{self, Loaded};
use crate::config::problem::ConfigError;

/// Read when no file is asked for and it exists.
const DEFAULT_CONFIG: &str = "/etc/forgesyted/forgesyted.toml";

/// Where the configuration comes from; a reload reads it again.
#[derive(Clone, Debug)]
pub struct ConfigSource {
    /// The file that was asked for; none means the default one, where it exists.
    pub file: Option<PathBuf>,
    /// The environment as it was at start.
    pub environment: Vec<(String, String)>,
    /// The installation's prefix, for default folders.
    pub prefix: Option<PathBuf>,
}

impl ConfigSource {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Every problem found.
    pub fn read(&self) -> Result<Loaded, ConfigError> {
        load::read(self.path(), &self.environment, self.prefix.as_deref())
    }

    /// The file that is read.
    pub fn path(&self) -> Option<&Path> {
        let default = Path::new(DEFAULT_CONFIG);
        // Only a default file that is certainly absent is passed over: one that cannot be looked at may hold a token.
        let default = Some(default).filter(|default| !matches!(default.try_exists(), Ok(false)));
        self.file.as_deref().or(default)
    }
}
