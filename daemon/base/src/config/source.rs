//! Where the configuration comes from: which file, which environment, which installation.

use std::path::{Path, PathBuf};

use crate::config::load::{self, Loaded};
use crate::config::problem::{ConfigError, Place, Problem};
use crate::config::schema::Config;

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

    /// Reads the configuration again, to take the place of `before`. One without the token that `before` has is refused: a file
    /// that became empty, or is gone, would open the board.
    ///
    /// # Errors
    /// Every problem found.
    pub fn read_again(&self, before: &Config) -> Result<Loaded, ConfigError> {
        let loaded = self.read()?;
        if before.server.token.is_none() || loaded.config.server.token.is_some() || loaded.config.server.open {
            return Ok(loaded);
        }
        let place = Place::File(loaded.file.unwrap_or_else(|| DEFAULT_CONFIG.into()));
        let message =
            "there is no server.token any more, so anyone who reaches the port could connect. Bring it back, or say \
            `open = true` under [server] if that is wanted"
                .to_owned();
        Err(ConfigError { problems: vec![Problem { place, message }] })
    }

    /// The file that is read.
    pub fn path(&self) -> Option<&Path> {
        let default = Path::new(DEFAULT_CONFIG);
        // Only a default file that is certainly absent is passed over: one that cannot be looked at may hold a token.
        let default = Some(default).filter(|default| !matches!(default.try_exists(), Ok(false)));
        self.file.as_deref().or(default)
    }
}
