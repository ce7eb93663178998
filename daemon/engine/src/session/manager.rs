//! `SessionManager`: the books of one session. It numbers frames, keeps the few that wait, and asks [`Backpressure`] for
//! every decision. It holds no lock, reads no clock but in [`SessionManager::now_ms`], and does no I/O.

use std::collections::VecDeque;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::backpressure::{Backpressure, BackpressureState, Queue, Thresholds};
use base::frame::Frame;

/// Weight of the newest processing time in the smoothed one (an exponentially weighted moving average).
const SMOOTHING: f64 = 0.2;

/// One session's identity, counters and waiting frames.
#[derive(Debug)]
pub struct SessionManager {
    session_id: Uuid,
    pipeline_id: String,
    frame_index: u64,
    dropped_frames: u64,
    last_processed_ts: Option<u64>,
    backpressure_state: BackpressureState,
    thresholds: Thresholds,
    recent: DropWindow,
    /// Oldest first.
    waiting: VecDeque<WaitingFrame>,
    running: Option<u64>,
    processing_time_ms: Option<f64>,
    newest_at: Option<Instant>,
    last_slow_down: Option<Instant>,
}

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

/// What came of offering a frame.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use = "frames that gave way must be answered"]
pub struct Offered {
    /// Frames that gave way, oldest first; each is to be answered `dropped`.
    pub dropped: Vec<u64>,
    /// The client is to be told to slow down.
    pub slow_down: bool,
    /// The session had nothing to run before this frame and has now.
    pub became_ready: bool,
}

impl SessionManager {
    /// A session without frames.
    pub fn new(session_id: Uuid, pipeline_id: impl Into<String>, thresholds: Thresholds) -> Self {
        SessionManager {
            session_id,
            pipeline_id: pipeline_id.into(),
            frame_index: 0,
            dropped_frames: 0,
            last_processed_ts: None,
            backpressure_state: BackpressureState::Normal,
            thresholds,
            recent: DropWindow::default(),
            waiting: VecDeque::new(),
            running: None,
            processing_time_ms: None,
            newest_at: None,
            last_slow_down: None,
        }
    }

    /// The session's identity.
    pub fn session_id(&self) -> Uuid {
        self.session_id
    }

    /// The pipeline that the client asked for.
    pub fn pipeline_id(&self) -> &str {
        &self.pipeline_id
    }

    /// Frames received so far; the number of the newest.
    pub fn frame_index(&self) -> u64 {
        self.frame_index
    }

    /// Frames dropped so far.
    pub fn dropped_frames(&self) -> u64 {
        self.dropped_frames
    }

    /// When the last result was ready, in milliseconds since the epoch; none before the first.
    pub fn last_processed_ts(&self) -> Option<u64> {
        self.last_processed_ts
    }

    /// How far the session is from keeping up, as of its newest frame.
    pub fn backpressure_state(&self) -> BackpressureState {
        self.backpressure_state
    }

    /// The configured drop threshold.
    pub fn drop_threshold(&self) -> f64 {
        self.thresholds.drop_threshold
    }

    /// The configured slow-down threshold.
    pub fn slowdown_threshold(&self) -> f64 {
        self.thresholds.slowdown_threshold
    }

    /// Smoothed time from "could run" to "has a result", in milliseconds; none before the first result.
    pub fn processing_time_ms(&self) -> Option<f64> {
        self.processing_time_ms
    }

    /// Takes new thresholds, from a reload; the next frame is judged by them.
    pub fn set_thresholds(&mut self, thresholds: Thresholds) {
        self.thresholds = thresholds;
    }

    /// Numbers a received frame and returns its number.
    pub fn increment_frame(&mut self) -> u64 {
        self.frame_index += 1;
        self.recent.push(self.thresholds.drop_window_frames);
        self.frame_index
    }

    /// Gives up the oldest waiting frame, counts it, and returns its number; none when no frame waits.
    pub fn mark_drop(&mut self) -> Option<u64> {
        let dropped = self.waiting.pop_front()?.frame_index;
        self.dropped_frames += 1;
        self.recent.mark(self.frame_index - dropped);
        Some(dropped)
    }

    /// Gives up every waiting frame of a session that is over, and returns how many: they gave way to nothing, so they do
    /// not count as dropped.
    pub fn discard_waiting(&mut self) -> usize {
        std::mem::take(&mut self.waiting).len()
    }

    /// Dropped share of all frames of the session (0 to 1); 0 before the first frame.
    pub fn drop_rate(&self) -> f64 {
        ratio(self.dropped_frames, self.frame_index)
    }

    /// Dropped share of the last `drop_window_frames` frames (0 to 1); of all frames where that setting is 0.
    pub fn recent_drop_rate(&self) -> f64 {
        match self.thresholds.drop_window_frames {
            0 => self.drop_rate(),
            _ => ratio(self.recent.dropped, self.recent.frames.len() as u64),
        }
    }

    /// Whether the oldest waiting frame gives way; see [`Backpressure::should_drop`].
    pub fn should_drop_frame(&self, processing_time_ms: f64) -> bool {
        let queue = Queue { waiting: self.waiting.len(), running: self.running.is_some() };
        Backpressure::should_drop(self.backpressure_state, queue, processing_time_ms, &self.thresholds)
    }

    /// Whether the client is told to slow down, as of the newest frame; see [`Backpressure::should_slow_down`].
    pub fn should_slow_down(&self) -> bool {
        let since_last = self.newest_at.zip(self.last_slow_down).map(|(now, last)| now.saturating_duration_since(last));
        let since_last_ms = since_last.map(|elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        Backpressure::should_slow_down(self.backpressure_state, since_last_ms, &self.thresholds)
    }

    /// Milliseconds since the epoch.
    pub fn now_ms() -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes in a frame that passed the validator, was captured at `captured_at` and received at `now`: it waits, and what
    /// must give way for it is returned.
    pub fn offer(&mut self, frame: Frame, captured_at: Instant, now: Instant) -> Offered {
        let was_empty = self.waiting.is_empty();
        let frame_index = self.increment_frame();
        self.newest_at = Some(now);
        self.waiting.push_back(WaitingFrame { frame_index, frame, received_at: now, captured_at });
        let mut dropped = Vec::new();
        while self.should_drop_frame(self.processing_time_ms.unwrap_or(0.0)) {
            dropped.extend(self.mark_drop());
        }
        self.backpressure_state = Backpressure::state(self.frame_index, self.recent_drop_rate(), &self.thresholds);
        let slow_down = self.should_slow_down();
        if slow_down {
            self.last_slow_down = Some(now);
        }
        Offered { dropped, slow_down, became_ready: was_empty && self.running.is_none() }
    }

    /// Takes the next frame to run; none when none waits or one runs already (a session runs one frame at a time).
    pub fn take(&mut self) -> Option<WaitingFrame> {
        if self.running.is_some() {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.running = Some(next.frame_index);
        Some(next)
    }

    /// Notes that the running frame has its result, `processing_time_ms` after it could run. Returns whether more wait.
    pub fn finish(&mut self, processing_time_ms: f64, now_ms: u64) -> bool {
        self.running = None;
        self.last_processed_ts = Some(now_ms);
        self.processing_time_ms = Some(match self.processing_time_ms {
            Some(smoothed) => smoothed + SMOOTHING * (processing_time_ms - smoothed),
            None => processing_time_ms,
        });
        !self.waiting.is_empty()
    }

    /// Notes that the running frame failed: it has no result and the session will end.
    pub fn fail(&mut self) {
        self.running = None;
    }

    /// The frame that runs, if one does.
    pub fn running(&self) -> Option<u64> {
        self.running
    }

    /// Frames that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

/// Which of the last frames were dropped.
#[derive(Debug, Default)]
struct DropWindow {
    frames: VecDeque<bool>,
    dropped: u64,
}

impl DropWindow {
    fn push(&mut self, size: usize) {
        if size == 0 {
            return;
        }
        self.frames.push_back(false);
        while self.frames.len() > size {
            self.dropped -= u64::from(self.frames.pop_front().unwrap_or(false));
        }
    }

    /// Marks the frame that came `age` frames before the newest. One that waited until it was no longer in the window counts where
    /// it gave way: at the newest frame, or the newest one that is not marked yet.
    fn mark(&mut self, age: u64) {
        let own = usize::try_from(age).ok().and_then(|age| self.frames.len().checked_sub(age + 1));
        let position = own.or_else(|| self.frames.iter().rposition(|dropped| !dropped));
        if let Some(frame) = position.and_then(|at| self.frames.get_mut(at)) {
            self.dropped += u64::from(!*frame);
            *frame = true;
        }
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
