//! The few frames of a session that wait to run, oldest first.

use std::collections::VecDeque;
use std::time::Instant;

use base::frame::Frame;

/// A frame and its number.
#[derive(Debug)]
pub struct WaitingFrame {
    /// 1 for the session's first frame.
    pub frame_index: u64,
    /// The frame as it was received.
    pub frame: Frame,
    /// When it was received.
    pub received_at: Instant,
    /// When it was captured; for a client's frame, when it was received.
    pub captured_at: Instant,
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
