//! Where the engine program finds libtorch: in `../lib` beside itself once installed, and in the libtorch of the build while
//! developing. Also hands on the version that it is built for; the front is built with the same libtorch at hand, so that the
//! two agree. Compiles the C++ that the engine program brings, against that libtorch's headers.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = PathBuf::from(env::var_os("LIBTORCH").unwrap_or_default());
    #[cfg(feature = "engine")]
    {
        println!("cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib");
        // A shipped binary names no folder of the machine that built it.
        if env::var("PROFILE").is_ok_and(|profile| profile == "debug") {
            println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libtorch.join("lib").display());
        }
        compile_cpp(&libtorch);
    }
    // One that is not there would have cargo run this, and compile the daemon, each time.
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

/// Compiles the C++ of `src/pipeline/operators` and `src/pipeline/torch`, as torch-sys does its own: the same standard, the same form of `std::string`.
#[cfg(feature = "engine")]
fn compile_cpp(libtorch: &Path) {
    let folder = Path::new("src/pipeline/operators");
    println!("cargo::rerun-if-changed={}", folder.display());
    println!("cargo::rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").opt_level(2).warnings(true).extra_warnings(true);
    build.define("_GLIBCXX_USE_CXX11_ABI", abi.as_str()).define("AT_PER_OPERATOR_HEADERS", None);
    for headers in ["include", "include/torch/csrc/api/include"] {
        // As a system's: their warnings are not ours.
        build.flag("-isystem").flag(libtorch.join(headers));
    }
    build.files(["nms.cpp", "register.cpp", "roi_align.cpp"].map(|file| folder.join(file)));
    let text = Path::new("src/pipeline/torch/text.cpp");
    println!("cargo::rerun-if-changed={}", text.display());
    build.file(text);
    build.compile("forgesyted_cpp");
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
