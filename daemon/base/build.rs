//! The version of libtorch that both programs are built for: the front checks a libtorch against it, and the engine is linked with it.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = PathBuf::from(env::var_os("LIBTORCH").unwrap_or_default());
    // One that is not there would have cargo run this, and compile everything, each time.
    for file in ["build-version", "version.py"].map(|name| libtorch.join(name)).iter().filter(|file| file.exists()) {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    match version_of(&libtorch) {
        Some(version) => println!("cargo::rustc-env=FORGESYTED_TORCH_VERSION={version}"),
        None => println!(
            "cargo::error=no libtorch with a version in LIBTORCH ({}): run `cargo xtask setup`, or set it to a libtorch folder",
            libtorch.display()
        ),
    }
}

/// The version that a libtorch folder states, as `src/launch/libtorch.rs` reads it at run time.
fn version_of(folder: &Path) -> Option<String> {
    if let Ok(text) = fs::read_to_string(folder.join("build-version")) {
        return Some(text.trim().to_owned()).filter(|version| !version.is_empty());
    }
    let text = fs::read_to_string(folder.join("version.py")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("__version__"))?;
    line.split(['\'', '"']).nth(1).map(str::to_owned)
}
