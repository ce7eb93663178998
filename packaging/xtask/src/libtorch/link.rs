//! The link `target/libtorch`, by which every cargo command finds the libtorch in use.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{paths, shell};

/// Points the link to a libtorch folder. When the new one has CUDA and the old one had not, or the other way round, the
/// builds of torch-sys are removed: it looks for CUDA only when it is built.
///
/// # Errors
/// When something that is not a link is in the way, or the file system refuses.
pub fn point_to(folder: &Path) -> Result<()> {
    let link = paths::libtorch_link();
    if let Old::Other { rebuild: true } = replace(&link, folder)? {
        eprintln!("xtask: libtorch has changed, torch-sys will be built again");
        for profile in ["dev", "release"] {
            shell::run(crate::cargo::command("clean").args(["--quiet", "-p", "torch-sys", "--profile", profile]))?;
        }
    }
    Ok(())
}

/// Gives a cargo command the link as its `LIBTORCH`, as plain cargo commands get it: were the value another one, each
/// would build torch-sys anew.
pub fn child_environment(command: &mut Command) {
    let inherited = env::var_os("LIBTORCH").is_some_and(|value| is_the_link(Path::new(&value)));
    if !inherited {
        command.env("LIBTORCH", paths::libtorch_link());
    }
}

/// Whether a `LIBTORCH` is the link, which `.cargo/config.toml` sets for whoever has set none.
pub(super) fn is_the_link(value: &Path) -> bool {
    let link = paths::libtorch_link();
    let folder = |path: &Path| path.parent().and_then(|parent| fs::canonicalize(parent).ok());
    value == link
        || (value.file_name() == link.file_name() && folder(value).is_some_and(|at| Some(at) == folder(&link)))
}

/// Whether torch-sys would link CUDA with this libtorch.
pub fn has_cuda(folder: &Path) -> bool {
    folder.join("lib/libtorch_cuda.so").exists()
}

#[derive(Debug, PartialEq, Eq)]
enum Old {
    None,
    Same,
    Other { rebuild: bool },
}

fn replace(link: &Path, folder: &Path) -> Result<Old> {
    let old = match fs::read_link(link) {
        Ok(old) if old == folder => return Ok(Old::Same),
        // What was built against a folder that is gone is unknown: build again.
        Ok(old) => Old::Other { rebuild: !old.is_dir() || has_cuda(&old) != has_cuda(folder) },
        Err(error) if error.kind() == ErrorKind::NotFound => Old::None,
        Err(_) => {
            bail!("{} is not a link: move it away, and set LIBTORCH if it is a libtorch of yours", link.display())
        }
    };
    let what = || format!("cannot make the link {}", link.display());
    if let Some(parent) = link.parent() {
        fs::create_dir_all(parent).with_context(what)?;
    }
    // Over the old one in one step: another cargo may be building.
    let new = link.with_extension(format!("new-{}", std::process::id()));
    symlink(folder, &new).with_context(what)?;
    fs::rename(&new, link).with_context(what)?;
    Ok(old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_follows_and_says_when_to_build_again() {
        let home = env::temp_dir().join(format!("xtask-link-{}", std::process::id()));
        let folder = |name: &str, cuda: bool| {
            let folder = home.join(name);
            fs::create_dir_all(folder.join("lib")).unwrap();
            if cuda {
                fs::write(folder.join("lib/libtorch_cuda.so"), "").unwrap();
            }
            folder
        };
        let (cpu, other, cuda) = (folder("cpu", false), folder("other", false), folder("cuda", true));
        let link = home.join("target/libtorch");
        assert_eq!(replace(&link, &cpu).unwrap(), Old::None);
        assert_eq!(replace(&link, &cpu).unwrap(), Old::Same);
        assert_eq!(replace(&link, &other).unwrap(), Old::Other { rebuild: false });
        assert_eq!(replace(&link, &cuda).unwrap(), Old::Other { rebuild: true });
        assert_eq!(fs::read_link(&link).unwrap(), cuda);
        fs::remove_dir_all(&cuda).unwrap();
        assert_eq!(replace(&link, &cpu).unwrap(), Old::Other { rebuild: true });
        fs::remove_file(&link).unwrap();
        fs::create_dir(&link).unwrap();
        assert!(replace(&link, &cpu).unwrap_err().to_string().contains("is not a link"));
        fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn the_configured_value_is_known_from_the_users() {
        assert!(is_the_link(&paths::root().join("target/libtorch")));
        assert!(!is_the_link(Path::new("/opt/libtorch")));
    }
}
