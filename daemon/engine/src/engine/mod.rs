//! Whose frame is next, and the threads that run it. Lives here: the round-robin schedule (pure), the workers (take, run,
//! deliver; a panic costs one frame), and the choice of device. Does not live here: which frame of a session runs
//! (`session`) or what running means (`pipeline`).

mod answers;
pub mod device;
mod native;
mod prepared;
pub mod schedule;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use crate::pipeline::service::FrameRun;
use crate::pipeline::torch::Device;
use crate::pipeline::{Pipeline, PipelineState};
use base::frame::Frame;
use base::protocol::StreamError;
pub use native::{exit_now, tune_allocator};
pub use prepared::Prepared;
pub use worker::Engine;

/// One frame to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// What it runs through.
    pub pipeline: Arc<Pipeline>,
    /// Its number in its session.
    pub frame_index: u64,
    /// The frame as it was received.
    pub frame: Frame,
    /// Since when it could have run.
    pub could_run_at: Instant,
    /// What the pipeline keeps of the session; it comes back with the outcome.
    pub state: PipelineState,
}

impl Job {
    /// The frame with the session's state, as the pipeline takes it.
    fn frame_run(&mut self) -> FrameRun<'_> {
        FrameRun {
            frame_index: self.frame_index,
            frame: &self.frame,
            could_run_at: self.could_run_at,
            state: &mut self.state,
        }
    }
}

/// What the engine sees of a session: a queue that it takes from and delivers to. It keeps the engine from knowing the
/// rooms before it; sessions implement it, and so do the engine's tests.
pub trait Lane: Send + Sync + fmt::Debug {
    /// The next frame to run; none when nothing waits any more.
    fn take(&self) -> Option<Job>;
    /// Takes the outcome of the frame taken last: its result as JSON text, or the error that ends the session; and the
    /// state that went with it. Returns whether another frame waits.
    fn deliver(&self, frame_index: u64, state: PipelineState, outcome: Result<String, StreamError>) -> bool;
    /// Tells whoever sends replies that outcomes were delivered; called on the reactor, once for all that came together.
    fn announce(&self);
    /// What its frames run through: lanes of one pipeline can run as one batch.
    fn pipeline(&self) -> &Arc<Pipeline>;
    /// The session's identity and pipeline, for logs.
    fn describe(&self) -> (Uuid, &str);
}

/// How the engine runs; fixed at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnginePlan {
    /// Where models run.
    pub device: Device,
    /// Frames that run at once.
    pub workers: usize,
    /// libtorch's intra-op threads for each of them.
    pub threads_per_worker: usize,
}
