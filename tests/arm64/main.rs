//! Tests of the arm64 packages, installed by apt in a Debian for arm64 and run by qemu, program by program and as a whole
//! machine: `cargo xtask test-arm64`.
//!
//! Lives here: what must be true of the programs that boards get. Does not live here: that Debian, the installation and that
//! machine (`packaging/xtask/src/arm64`), what the daemon does on any machine (`streaming/`, `cameras/`).
//!
//! Every test is `#[ignore]`d, so that other test runs show it and leave it: without the installation there is nothing to test.

mod board;
mod daemon;
mod files;
mod machine;
