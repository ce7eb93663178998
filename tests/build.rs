//! Tests and benchmarks run where they are built: they find libtorch in the folder of the build, and its headers.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = PathBuf::from(env::var_os("LIBTORCH").unwrap_or_default());
    println!("cargo::rustc-env=FORGESYTED_TEST_LIBTORCH={}", libtorch.display());
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libtorch.join("lib").display());
}
