//! The version of libtorch that both programs are built for: the front checks a libtorch against it, and the engine is linked with it.

#[path = "src/launch/version.rs"]
mod version;

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = PathBuf::from(env::var_os("LIBTORCH").unwrap_or_default());
    // One that is not there would have cargo run this, and compile everything, each time.
    for file in ["build-version", "version.py"].map(|name| libtorch.join(name)).iter().filter(|file| file.exists()) {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    match version::version_of(&libtorch) {
        Some(version) => println!("cargo::rustc-env=FORGESYTED_TORCH_VERSION={version}"),
        None => println!(
            "cargo::error=no libtorch with a version in LIBTORCH ({}): run `cargo xtask setup`, or set it to a libtorch folder",
            libtorch.display()
        ),
    }
}
