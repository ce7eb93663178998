//! The front and the engine program as a package installs them, with libtorches that fit and others.
//!
//! `installation` lays them out in a folder. `libtorch` tries libtorches, `serve` a daemon that was started through the front,
//! `run` files, `doctor` the examination of such a machine, `bad_input` what stands last in the log when a start fails.

mod bad_input;
mod doctor;
mod installation;
mod libtorch;
mod run;
mod serve;
