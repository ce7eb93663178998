//! The packages on a Debian or Ubuntu with a real systemd, in the container that `cargo xtask test-appliance` boots.
//!
//! Lives here: what must be true of the installed daemon, from `apt install` to `apt purge`, and what it says when something
//! about the machine is wrong. Does not live here: the container (`packaging/xtask/src/appliance`) and reaching into it
//! (`support/appliance.rs`).
//!
//! Every test is `#[ignore]`d, so that other test runs show it and leave it. Each begins by taking the container back to how
//! the packages leave it.

mod bad_input;
mod bad_machine;
mod install;
mod libtorch;
mod life;
mod sandbox;
mod socket;
mod upgrade;
