//! A shared library that registers operators with libtorch, built by the C++ compiler that builds the daemon.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sources;

/// The shared library of this C++ source, built against the libtorch of the tests. It is made once and kept under `target/`.
///
/// # Panics
/// When it does not compile.
pub fn shared(name: &str, source: &str) -> PathBuf {
    let libtorch = Path::new(env!("FORGESYTED_TEST_LIBTORCH"));
    let mut key = DefaultHasher::new();
    (source, libtorch.canonicalize().unwrap()).hash(&mut key);
    let folder = sources::root().join(format!("target/test-libraries/{name}-{:016x}", key.finish()));
    let library = folder.join(format!("lib{name}.so"));
    if library.is_file() {
        return library;
    }
    fs::create_dir_all(&folder).unwrap();
    // Tests run beside each other: each process writes its own, and puts it in place whole.
    let (code, made) =
        (folder.join(format!("{}.cpp", std::process::id())), folder.join(format!("{}.so", std::process::id())));
    fs::write(&code, source).unwrap();
    let mut compiler = Command::new("g++");
    compiler.args(["-std=c++17", "-shared", "-fPIC", "-D_GLIBCXX_USE_CXX11_ABI=1"]);
    for headers in ["include", "include/torch/csrc/api/include"] {
        compiler.arg("-isystem").arg(libtorch.join(headers));
    }
    let output = compiler.arg(&code).arg("-o").arg(&made).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&made, &library).unwrap();
    library
}
