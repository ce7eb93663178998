//! `cargo xtask cross`: the programs for a board, built on another machine.
//!
//! Lives here: the compiler to use (`rust`), the environment of the cargo call, the libtorch of the other architecture,
//! the compiled dependencies that survive the checkout (`store`), and what the programs ask of a board's libraries
//! (`symbols`). Does not live here: the packages made of the programs (`deb`), running them (`arm64`).

mod rust;
mod store;
pub mod symbols;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::arch::Arch;
use crate::cargo::{self, Profile};
use crate::deb::trim;
use crate::packages::{self, For};
use crate::{libtorch, paths, shell};
use store::Store;

/// What a cross-build gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// The daemon that runs models, linked with libtorch.
    pub engine: PathBuf,
    /// The daemon's front, built without libtorch.
    pub front: PathBuf,
    /// The CPU-only libtorch that the engine was built against.
    pub libtorch: PathBuf,
}

/// Builds both programs for another architecture than this machine's.
///
/// # Errors
/// When the architecture is this machine's own, when a compiler is missing, when a build fails, or when what it gave would
/// not run on every board.
pub fn build(arch: Arch, profile: Profile) -> Result<Programs> {
    let host = Arch::host()?;
    if (host, arch) != (Arch::X86_64, Arch::Aarch64) {
        bail!("programs for {} are cross-built on x86_64 only, and this is {}", arch.name(), host.name());
    }
    packages::ensure(For::Cross)?;
    let compiler = rust::compiler(arch)?;
    let libtorch = libtorch::cpu_folder(arch)?;
    libtorch::ensure_cpu(&libtorch, arch)?;
    let folder = paths::target().join("cross").join(profile.name());
    // The dependencies of a release are compiled with names that stand for this checkout's folders: no other's.
    let kept =
        (profile == Profile::Dev).then(|| Store::of(arch, profile, compiler.as_deref(), &libtorch)).transpose()?;
    if let Some(kept) = &kept {
        kept.bring_to(&folder);
    }
    let made = |selection: &[&str], name: &str| {
        let title = format!("building the {name} for {} ({})", arch.name(), profile.name());
        shell::step(&title, || {
            cargo::build_by(command(arch, profile, compiler.as_deref(), &libtorch, &folder), profile, selection)
        })
    };
    let (engine, front) = (made(cargo::ENGINE, "engine")?.engine()?, made(cargo::FRONT, "front")?.front()?);
    if let Some(kept) = &kept {
        kept.keep(&folder);
    }
    for program in [&engine, &front] {
        symbols::check(program)?;
    }
    Ok(Programs { engine, front, libtorch })
}

/// A `cargo build` for the architecture, with its compilers. What is released names no folder of this machine.
fn command(arch: Arch, profile: Profile, compiler: Option<&Path>, libtorch: &Path, folder: &Path) -> Command {
    let mut cargo = cargo::command("build");
    cargo.args(["--target", arch.target(), "--target-dir"]).arg(folder);
    cargo.envs(environment(arch)).env("LIBTORCH", libtorch);
    if let Some(compiler) = compiler {
        cargo.env("RUSTC", compiler);
    }
    if profile == Profile::Release {
        trim::machine_and_day(&mut cargo, folder, libtorch);
    }
    cargo
}

/// What tells cargo, and the build scripts that compile C and C++, which tools to use for the architecture.
fn environment(arch: Arch) -> Vec<(String, String)> {
    let target = arch.target().replace('-', "_");
    let linker = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase());
    let tools = [("CC", "gcc"), ("CXX", "g++"), ("AR", "ar")];
    let compilers = tools.map(|(variable, tool)| (format!("{variable}_{target}"), arch.tool(tool)));
    [(linker, arch.tool("gcc"))].into_iter().chain(compilers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_and_build_scripts_are_told_the_tools_of_a_board() {
        let variables = environment(Arch::Aarch64);
        let value = |name: &str| variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let compiler = Arch::Aarch64.tool("gcc");
        assert_eq!(value("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER"), Some(compiler.as_str()));
        assert_eq!(value("CC_aarch64_unknown_linux_gnu"), Some(compiler.as_str()));
        assert_eq!(value("CXX_aarch64_unknown_linux_gnu"), Some(Arch::Aarch64.tool("g++").as_str()));
    }
}
