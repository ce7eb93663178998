//! Keeps the folders of the machine that builds, and the day, out of what it builds: two machines get the same bytes, and nobody
//! learns how the other's user is called.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::{files, paths, shell};

/// Between the arguments in cargo's variable.
const SEPARATOR: char = '\x1f';

/// What is built is told that it is this day, 1 January 2026: libjpeg-turbo writes it into its version. It is not the commit's:
/// what was built for an earlier one is not built again.
const DAY: &str = "1767225600";

/// Has the compilers of a `cargo` call, which builds in this folder against this libtorch, write other names for the folders
/// of this machine and another day than today. Flags of the user's own are left out: they would change what is built.
pub fn machine_and_day(cargo: &mut Command, target: &Path, libtorch: &Path) {
    let mut names = names();
    names.push((target.to_path_buf(), "/target".to_owned()));
    names.extend(fs::canonicalize(libtorch).map(|folder| (folder, "/libtorch".to_owned())));
    names.push((libtorch.to_path_buf(), "/libtorch".to_owned()));
    let rust: Vec<_> =
        names.iter().map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display())).collect();
    // Build scripts split C flags at spaces, so a path with one cannot be told; `check` finds it where it matters.
    let tellable = names.iter().filter(|(path, _)| !path.as_os_str().as_encoded_bytes().contains(&b' '));
    let c: Vec<_> = tellable.map(|(path, name)| format!("-ffile-prefix-map={}={name}", path.display())).collect();
    cargo.env("CARGO_ENCODED_RUSTFLAGS", rust.join(&SEPARATOR.to_string()));
    cargo.env("CFLAGS", c.join(" ")).env("CXXFLAGS", c.join(" "));
    cargo.env("SOURCE_DATE_EPOCH", DAY).env("TZ", "UTC");
    // Names of inner functions have a hash that is another in each folder, and the linker's build id would be of them too.
    cargo.env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
}

/// Folders of this machine and what stands for them, the inner ones last: those win.
fn names() -> Vec<(PathBuf, String)> {
    let mut names = vec![(cargo_home(), "/cargo".to_owned())];
    names.push((paths::root(), "/forgesyted".to_owned()));
    // One folder a registry, whose name is made from its address.
    let registries = fs::read_dir(cargo_home().join("registry/src")).into_iter().flatten().flatten();
    names.extend(registries.map(|entry| (entry.path(), "/crates".to_owned())));
    let mut rustc = Command::new("rustc");
    if let Ok(sysroot) = shell::output(rustc.args(["--print", "sysroot"]).current_dir(paths::root())) {
        names.push((sysroot.trim().into(), "/rust".to_owned()));
    }
    names
}

/// Where cargo keeps what it fetched.
fn cargo_home() -> PathBuf {
    env::var_os("CARGO_HOME").map(PathBuf::from).unwrap_or_else(|| home().join(".cargo"))
}

fn home() -> PathBuf {
    env::var_os("HOME").map(PathBuf::from).unwrap_or_else(|| "/nonexistent".into())
}

/// Checks that a program names no folder of this machine.
///
/// # Errors
/// When it does, or cannot be read.
pub(super) fn check(program: &Path) -> Result<()> {
    let bytes = files::read(program)?;
    let cache = paths::cache().into_iter().map(|folder| (folder, String::new()));
    // A checkout at `/src`, as containers have it, says nothing about a user, and such a short name may be anything's.
    let telling = |path: &Path| path.components().count() > 2;
    for (path, _) in names().into_iter().chain(cache).filter(|(path, _)| telling(path)) {
        if let Some(found) = find(&bytes, path.as_os_str().as_encoded_bytes()) {
            bail!("{} has a path of this machine in it: {found}", program.display());
        }
    }
    Ok(())
}

/// The text around the first place where a file has this path.
fn find(bytes: &[u8], path: &[u8]) -> Option<String> {
    let at = bytes.windows(path.len()).position(|window| window == path)?;
    let text = bytes.get(at..)?.iter().take_while(|byte| byte.is_ascii_graphic()).take(200);
    Some(text.map(|&byte| char::from(byte)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_compilers_are_told_and_the_inner_folder_wins() {
        let mut cargo = Command::new("cargo");
        machine_and_day(&mut cargo, &paths::root().join("target/deb"), &paths::libtorch_link());
        let value = |name: &str| {
            let found = cargo.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
            found.unwrap().to_str().unwrap().to_owned()
        };
        let rust = value("CARGO_ENCODED_RUSTFLAGS");
        let root = paths::root();
        let position = |text: String| rust.find(&text).unwrap_or_else(|| panic!("no {text} in {rust}"));
        let outer = position(format!("--remap-path-prefix={}=/forgesyted", root.display()));
        assert!(outer < position(format!("--remap-path-prefix={}/target/deb=/target", root.display())));
        assert_eq!((value("SOURCE_DATE_EPOCH").as_str(), value("TZ").as_str()), (DAY, "UTC"));
        assert_eq!(value("CARGO_PROFILE_RELEASE_STRIP"), "symbols");
        assert!(value("CXXFLAGS").contains(&format!("-ffile-prefix-map={}=/forgesyted", root.display())));
    }

    #[test]
    fn a_path_in_a_program_is_found() {
        let file = env::temp_dir().join(format!("xtask-trim-{}", std::process::id()));
        fs::write(&file, b"\0\x01harmless\0").unwrap();
        check(&file).unwrap();
        let cache = paths::cache().unwrap();
        fs::write(&file, format!("\0\x01{}/libtorch/include/c10.h\0", cache.display())).unwrap();
        assert!(check(&file).unwrap_err().to_string().ends_with("/libtorch/include/c10.h"));
        fs::remove_file(&file).unwrap();
    }
}
