//! Following objects from frame to frame: ByteTrack (Zhang et al., ECCV 2022, arXiv 2110.06864). Lives here: motion
//! (`motion`), who goes with whom (`assignment`), and the life of tracks (`tracker`). All of it is pure. Does not live here:
//! detections as JSON (`detection`), and settings in pipeline files (`nodes::track`).

mod assignment;
mod motion;
mod tracker;

pub use tracker::{Thresholds, Tracker};
