//! Local cameras, as sessions whose client is this machine. Lives here: the thread of each camera (open, run, back off, explain), and
//! what is known of each. Does not live here: opening and reading devices and replays (`base::capture`), what is done with
//! a frame that is whole and wanted (`session` and further), pictures and results for whoever looks (`server`).

mod backoff;
mod pace;
mod rate;
mod session;
mod set;
mod shared;
mod supervisor;
mod view;

pub use set::CameraSet;
pub use shared::{Camera, Shot};
pub use view::CameraView;
