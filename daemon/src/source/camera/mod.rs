//! Local cameras, as sessions whose client is this machine. Lives here: opening and reading devices and replays, the
//! thread of each camera (open, run, back off, explain), and what is known of each. Does not live here: what is done with
//! a frame (`session` and further), pictures and results for whoever looks (`server`).

#[cfg(feature = "engine")]
mod backoff;
pub mod capture;
mod mjpeg;
mod open;
#[cfg(feature = "engine")]
mod pace;
#[cfg(feature = "engine")]
mod rate;
pub mod replay;
#[cfg(feature = "engine")]
mod session;
#[cfg(feature = "engine")]
mod set;
#[cfg(feature = "engine")]
mod shared;
#[cfg(feature = "engine")]
mod supervisor;
pub mod v4l2;
#[cfg(feature = "engine")]
mod view;

pub use open::{Opened, open};
#[cfg(feature = "engine")]
pub use set::{CameraSet, Needs};
#[cfg(feature = "engine")]
pub use shared::{Camera, Shot};
#[cfg(feature = "engine")]
pub use view::CameraView;
