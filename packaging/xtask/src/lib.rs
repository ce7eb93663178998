//! The developer's tool behind `cargo xtask`.
//!
//! Lives here: what has to happen before, after and around `cargo build`: system packages, libtorch, the tree that runs
//! from anywhere, the tools that tests need. Does not live here: anything the daemon does at run time (that is `daemon/`)
//! and the tests themselves (`tests/`).
//!
//! A command is one file or folder (`setup`, `run`, `dist`, `deb`, `cross`, `test`, `vm`, `appliance`, `arm64`, `bench`, `lint`, `fuzz`,
//! `release`); `main.rs` only picks one. What several commands share stands in `arch`, `packages`, `libtorch`, `cargo`, `cache`, `files`, `machine`, `shell`,
//! `skip`, `tools` and `paths`.

pub mod appliance;
pub mod arch;
pub mod arm64;
pub mod bench;
pub mod cache;
pub mod cargo;
pub mod cross;
pub mod deb;
pub mod dist;
mod files;
pub mod fuzz;
pub mod libtorch;
pub mod lint;
mod machine;
pub mod models;
pub mod packages;
pub mod paths;
pub mod release;
pub mod run;
pub mod setup;
pub mod shell;
mod skip;
pub mod test;
pub mod tools;
pub mod torchscript;
pub mod vm;
