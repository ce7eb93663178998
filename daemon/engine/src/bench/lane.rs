//! A session that always has a next frame, as the engine sees it: a closed loop.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::engine::{Job, Lane};
use crate::pipeline::{Pipeline, PipelineState};
use base::frame::Frame;
use base::protocol::StreamError;

/// One session.
#[derive(Debug)]
pub(super) struct BenchLane {
    pipeline: Arc<Pipeline>,
    frames: Vec<Frame>,
    id: Uuid,
    next: Mutex<Next>,
    tally: Arc<Tally>,
}

/// The frame that comes next.
#[derive(Debug)]
struct Next {
    index: u64,
    /// Its place among the frames: sessions begin at different ones.
    frame: usize,
    could_run_at: Instant,
    state: PipelineState,
}

/// What came of all sessions.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    counting: Option<Counting>,
    /// What was counted, once it is over.
    counted: Option<Counts>,
    /// Of those that were counted.
    first_failure: Option<String>,
}

#[derive(Debug)]
struct Counting {
    since: Instant,
    results: u64,
    failed: u64,
    most: u64,
    enough: Arc<Notify>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) took: Duration,
    pub(super) results: u64,
    pub(super) failed: u64,
}

impl BenchLane {
    /// The session of this number.
    pub(super) fn new(pipeline: Arc<Pipeline>, frames: Vec<Frame>, number: usize, tally: Arc<Tally>) -> BenchLane {
        let next = Next { index: 1, frame: number, could_run_at: Instant::now(), state: PipelineState::default() };
        BenchLane { pipeline, frames, id: Uuid::new_v4(), next: Mutex::new(next), tally }
    }
}

impl Lane for BenchLane {
    fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    fn take(&self) -> Option<Job> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let frame = self.frames.get(next.frame % self.frames.len().max(1))?.clone();
        let state = std::mem::take(&mut next.state);
        Some(Job {
            pipeline: Arc::clone(&self.pipeline),
            frame_index: next.index,
            frame,
            could_run_at: next.could_run_at,
            state,
        })
    }

    fn deliver(&self, frame_index: u64, state: PipelineState, outcome: Result<String, StreamError>) -> bool {
        let more = self.tally.count(outcome.err().map(|error| error.detail));
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = Next { index: frame_index + 1, frame: next.frame.wrapping_add(1), could_run_at: Instant::now(), state };
        more
    }

    fn announce(&self) {}

    fn describe(&self) -> (Uuid, &str) {
        (self.id, self.pipeline.id())
    }
}

impl Tally {
    /// Counts from now on, so many frames at most, and tells when they have come.
    pub(super) fn begin(&self, most: u64, enough: Arc<Notify>) {
        self.books().counting = Some(Counting { since: Instant::now(), results: 0, failed: 0, most, enough });
    }

    /// Ends counting and the sessions, where that has not happened.
    pub(super) fn end(&self) -> Counts {
        let mut books = self.books();
        books.close();
        books.counted.unwrap_or_default()
    }

    /// Why the first of the counted frames that failed did.
    pub(super) fn first_failure(&self) -> Option<String> {
        self.books().first_failure.clone()
    }

    /// Counts a frame, with its failure; whether there is to be another.
    fn count(&self, failure: Option<String>) -> bool {
        let mut books = self.books();
        if books.counted.is_some() {
            return false;
        }
        let failed = failure.is_some();
        let books = &mut *books;
        let Some(counting) = books.counting.as_mut() else { return true };
        *(if failed { &mut counting.failed } else { &mut counting.results }) += 1;
        if books.first_failure.is_none() {
            books.first_failure = failure;
        }
        if counting.results + counting.failed >= counting.most {
            books.close();
            return false;
        }
        true
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn close(&mut self) {
        if let Some(Counting { since, results, failed, enough, .. }) = self.counting.take() {
            self.counted = Some(Counts { took: since.elapsed(), results, failed });
            enough.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_before_counting_is_not_the_first_failure() {
        let tally = Tally::default();
        assert!(tally.count(Some("warm-up".to_owned())));
        assert_eq!(tally.first_failure(), None);
        tally.begin(3, Arc::new(Notify::new()));
        let more = [None, Some("first"), Some("second")].map(|failure| tally.count(failure.map(str::to_owned)));
        assert_eq!((more, tally.first_failure().as_deref()), ([true, true, false], Some("first")));
        let counts = tally.end();
        assert_eq!((counts.results, counts.failed), (1, 2));
    }
}
