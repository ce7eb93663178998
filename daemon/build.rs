//! Where the engine program finds libtorch: in `../lib` beside itself once installed, and in the libtorch of the build while
//! developing. Also hands on the version that it is built for; the front is built with the same libtorch at hand, so that the
//! two agree.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = PathBuf::from(env::var_os("LIBTORCH").unwrap_or_default());
    if env::var_os("CARGO_FEATURE_ENGINE").is_some() {
        println!("cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib");
        // A shipped binary names no folder of the machine that built it.
        if env::var("PROFILE").is_ok_and(|profile| profile == "debug") {
            println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libtorch.join("lib").display());
        }
    }
    for file in ["build-version", "version.py"] {
        println!("cargo::rerun-if-changed={}", libtorch.join(file).display());
    }
    match version_of(&libtorch) {
        Some(version) => println!("cargo::rustc-env=FORGESYTED_TORCH_VERSION={version}"),
        None => println!(
            "cargo::error=no libtorch with a version in LIBTORCH ({}): run `cargo xtask setup`, or set it to a libtorch folder",
            libtorch.display()
        ),
    }
}

/// The version that a libtorch folder states, as `daemon/src/launch/libtorch.rs` reads it at run time.
fn version_of(folder: &Path) -> Option<String> {
    if let Ok(text) = fs::read_to_string(folder.join("build-version")) {
        return Some(text.trim().to_owned()).filter(|version| !version.is_empty());
    }
    let text = fs::read_to_string(folder.join("version.py")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("__version__"))?;
    line.split(['\'', '"']).nth(1).map(str::to_owned)
}
