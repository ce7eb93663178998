//! Local cameras, as sessions whose client is this machine. Lives here: opening and reading devices and replays, the
//! thread of each camera (open, run, back off, explain), and what is known of each. Does not live here: what is done with
//! a frame (`session` and further), pictures and results for whoever looks (`server`).

pub mod capture;
mod mjpeg;
mod open;
pub mod replay;
pub mod v4l2;

pub use open::{Opened, open};
