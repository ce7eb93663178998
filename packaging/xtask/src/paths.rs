//! Where things are: the checkout, its build outputs, the user's cache.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the checkout.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The folder of the shipped configuration, pipelines and models.
pub fn config() -> PathBuf {
    root().join("config")
}

/// The folder where xtask leaves its outputs, whatever `CARGO_TARGET_DIR` says: `.cargo/config.toml` names it.
pub fn target() -> PathBuf {
    root().join("target")
}

/// The link to the libtorch in use, which `.cargo/config.toml` names.
pub fn libtorch_link() -> PathBuf {
    target().join("libtorch")
}

/// The project's folder in the user's cache: `$XDG_CACHE_HOME/forgesyted` or `~/.cache/forgesyted`.
///
/// # Errors
/// When neither `XDG_CACHE_HOME` nor `HOME` is set to an absolute path.
pub fn cache() -> Result<PathBuf> {
    cache_from(|name| env::var_os(name).map(PathBuf::from))
}

fn cache_from(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("forgesyted"))
        .context("no cache folder: set HOME or XDG_CACHE_HOME to an absolute path")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join(".cargo/config.toml").is_file());
    }

    #[test]
    fn the_cache_follows_xdg_then_home() {
        let with = |pairs: &'static [(&str, &str)]| {
            cache_from(move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value)))
        };
        assert_eq!(with(&[("XDG_CACHE_HOME", "/c"), ("HOME", "/h")]).unwrap(), Path::new("/c/forgesyted"));
        assert_eq!(with(&[("HOME", "/h")]).unwrap(), Path::new("/h/.cache/forgesyted"));
        // The XDG specification: a relative path is to be ignored.
        assert_eq!(with(&[("XDG_CACHE_HOME", "c"), ("HOME", "/h")]).unwrap(), Path::new("/h/.cache/forgesyted"));
        assert!(with(&[]).is_err());
    }
}
