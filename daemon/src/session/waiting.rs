//! The few frames of a session that wait to run, oldest first.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

/// A frame and its number.
#[derive(Debug, PartialEq, Eq)]
pub struct WaitingFrame {
    /// 1 for the session's first frame.
    pub frame_index: u64,
    /// The JPEG as it was received.
    pub jpeg: Bytes,
    /// When it was received.
    pub received_at: Instant,
}

/// Frames that wait, in frame order.
#[derive(Debug, Default)]
pub struct WaitingFrames(VecDeque<WaitingFrame>);

impl WaitingFrames {
    /// Adds the newest frame.
    pub fn push(&mut self, frame: WaitingFrame) {
        self.0.push_back(frame);
    }

    /// Takes the oldest frame: the next to run, or the first to give way.
    pub fn pop_oldest(&mut self) -> Option<WaitingFrame> {
        self.0.pop_front()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
