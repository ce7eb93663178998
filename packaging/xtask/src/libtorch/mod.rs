//! The libtorch that everything is built against.
//!
//! Lives here: which libtorch (`choose`, pure), what there is to choose from (`find`), the CPU-only one made from the
//! published wheels (`wheels`, pure; `make`), and the link that `.cargo/config.toml` names (`link`). Does not live here:
//! how the daemon loads it (the daemon's build script), what a shipped tree carries of it (`dist`).

mod choose;
mod find;
mod link;
mod make;
mod wheels;

pub use choose::{Candidate, Choice, Found, Kind, choose};
pub use find::{find, version_of};
pub use link::{child_environment, has_cuda, point_to};
pub use make::{cpu_folder, ensure_cpu};

/// The one version of torch that this project builds against; `tch` in `Cargo.toml` is the binding made for it.
pub const TORCH_VERSION: &str = "2.11.0";
/// The libraries of it that the daemon is linked with.
pub const LIBRARIES: &[&str] = &["libtorch_cpu.so", "libc10.so"];
