//! Where the engine program finds libtorch: in `../lib` beside itself once installed, and in the libtorch of the build while
//! developing. Compiles the C++ that it brings, against that libtorch's headers.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = PathBuf::from(env::var_os("LIBTORCH").unwrap_or_default());
    println!("cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib");
    // A shipped binary names no folder of the machine that built it.
    if env::var("PROFILE").is_ok_and(|profile| profile == "debug") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libtorch.join("lib").display());
    }
    compile_cpp(&libtorch);
}

/// Compiles the C++ of `src/pipeline/operators` and `src/pipeline/torch`, as torch-sys does its own: the same standard, the same form of `std::string`.
fn compile_cpp(libtorch: &Path) {
    let operators = Path::new("src/pipeline/operators");
    let text = Path::new("src/pipeline/torch/text.cpp");
    for changed in [operators, text] {
        println!("cargo::rerun-if-changed={}", changed.display());
    }
    println!("cargo::rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").opt_level(2).warnings(true).extra_warnings(true);
    build.define("_GLIBCXX_USE_CXX11_ABI", abi.as_str()).define("AT_PER_OPERATOR_HEADERS", None);
    for headers in ["include", "include/torch/csrc/api/include"] {
        // As a system's: their warnings are not ours.
        build.flag("-isystem").flag(libtorch.join(headers));
    }
    build.files(["nms.cpp", "register.cpp", "roi_align.cpp"].map(|file| operators.join(file)));
    build.file(text);
    build.compile("forgesyted_cpp");
}
