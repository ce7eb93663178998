//! Where the binary finds libtorch: in `../lib` beside itself once installed, and in the libtorch of the build while
//! developing. Also hands on the version that it was built against.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    println!("cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib");
    let libtorch = PathBuf::from(env::var_os("LIBTORCH").unwrap_or_default());
    // A shipped binary names no folder of the machine that built it.
    if env::var("PROFILE").is_ok_and(|profile| profile == "debug") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libtorch.join("lib").display());
    }
    let version_file = libtorch.join("build-version");
    println!("cargo::rerun-if-changed={}", version_file.display());
    let version = fs::read_to_string(version_file).unwrap_or_default();
    println!("cargo::rustc-env=FORGESYTED_TORCH_VERSION={}", version.trim());
}
