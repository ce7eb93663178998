//! Which Rust compiler has the standard library of the other architecture: cargo's own with rustup's target, else
//! Debian's, which root gets installed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::arch::Arch;
use crate::{packages, paths, shell};

/// Where Debian's compilers are.
const DEBIAN: &str = "/usr/bin/rustc";

/// Its packages, each with the architecture that it is for after the colon where that is not the machine's.
fn debian_packages(arch: Arch) -> [String; 2] {
    ["rustc-web".to_owned(), format!("libstd-rust-web-dev:{}", arch.debian())]
}

/// The compiler that cargo has to be told, or none when its own will do. rustup is asked to add the target; where it cannot,
/// root on Debian gets Debian's compiler installed.
///
/// # Errors
/// When no compiler has the target; the error says the ways to one.
pub(super) fn compiler(arch: Arch) -> Result<Option<PathBuf>> {
    let own = env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    if has_target(&own, arch) {
        return Ok(None);
    }
    if shell::on_path("rustup").is_some() {
        let mut add = Command::new("rustup");
        add.current_dir(paths::root()).args(["target", "add", arch.target()]);
        let added = shell::step(&format!("adding the target {} (once)", arch.target()), || shell::run(&mut add));
        match added {
            Ok(()) if has_target(&own, arch) => return Ok(None),
            Ok(()) => {}
            Err(error) => eprintln!("xtask: {error:#}"),
        }
    }
    let debian = Path::new(DEBIAN);
    if !has_target(debian, arch) && packages::can_install_foreign() {
        let names = debian_packages(arch);
        let installed = packages::install_foreign(arch.debian(), &names.each_ref().map(String::as_str));
        if let Err(error) = installed {
            eprintln!("xtask: {error:#}");
        }
    }
    if has_target(debian, arch) {
        eprintln!("xtask: using {DEBIAN}, which has the target {}", arch.target());
        return Ok(Some(debian.into()));
    }
    bail!("{}", sentence(arch))
}

/// What a person has to do where neither compiler has the target.
fn sentence(arch: Arch) -> String {
    let (target, debian, names) = (arch.target(), arch.debian(), debian_packages(arch).join(" "));
    format!(
        "no Rust compiler here has the standard library of {target}. Where rustup can download, run\n\n  rustup target add \
         {target}\n\nor install Debian's and run this again:\n\n  sudo dpkg --add-architecture {debian} && sudo apt-get \
         update && sudo apt-get install -y --no-install-recommends {names}\n"
    )
}

/// Whether a compiler can be started and has the standard library of the architecture.
fn has_target(compiler: &Path, arch: Arch) -> bool {
    let mut ask = Command::new(compiler);
    ask.current_dir(paths::root()).args(["--print", "target-libdir", "--target", arch.target()]);
    let Ok(answer) = ask.stderr(Stdio::null()).output() else {
        return false;
    };
    let folder = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    answer.status.success() && has_standard_library(Path::new(&folder))
}

fn has_standard_library(folder: &Path) -> bool {
    let is_std = |name: &str| name.starts_with("libstd-") && name.ends_with(".rlib");
    fs::read_dir(folder)
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(is_std)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_without_the_standard_library_does_not_count() {
        assert!(has_target(Path::new("rustc"), Arch::host().unwrap()));
        assert!(!has_target(Path::new("/no/such/rustc"), Arch::Aarch64));
        let folder = env::temp_dir().join(format!("xtask-target-libdir-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("libcore-1.rlib"), "").unwrap();
        assert!(!has_standard_library(&folder));
        fs::write(folder.join("libstd-1.rlib"), "").unwrap();
        assert!(has_standard_library(&folder));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn both_ways_to_a_compiler_can_be_pasted() {
        let words = sentence(Arch::Aarch64);
        assert!(words.contains("\n  rustup target add aarch64-unknown-linux-gnu\n"), "{words}");
        assert!(words.contains("\n  sudo dpkg --add-architecture arm64 && "), "{words}");
        assert!(words.ends_with(" rustc-web libstd-rust-web-dev:arm64\n"), "{words}");
    }
}
