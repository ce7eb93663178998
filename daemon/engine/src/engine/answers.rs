//! Whether the engine still answers frames. Frames fail one by one for their own reasons; where many in a row fail, a worker tries
//! the sample frame that the pipeline answered when it was loaded, and only if that fails too is the engine to blame. So no client
//! can make the daemon restart by sending what cannot be decoded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::pipeline::Pipeline;
use crate::pipeline::service::{self, Scratch};

/// Failed frames without a result between them, of all sessions together, after which the sample frame is tried.
const FAILED_IN_A_ROW: u64 = 32;

/// What came of the frames so far; shared by the workers.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Frames that failed since the last result.
    failed: AtomicU64,
    /// Whether the sample frame failed too, and no frame has had a result since.
    silent: AtomicBool,
}

impl Answers {
    /// Notes a frame with a result.
    pub(super) fn answered(&self) {
        self.failed.store(0, Ordering::Relaxed);
        self.silent.store(false, Ordering::Relaxed);
    }

    /// Notes a frame that failed; whether the sample frame should be tried now.
    pub(super) fn failed(&self) -> bool {
        let before = self.failed.fetch_add(1, Ordering::Relaxed);
        (before + 1).is_multiple_of(FAILED_IN_A_ROW)
    }

    /// Notes that the sample frame failed too; whether that is news.
    pub(super) fn silent(&self) -> bool {
        !self.silent.swap(true, Ordering::Relaxed)
    }

    /// Whether the engine answers no frame any more.
    pub(super) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }
}

/// Whether the pipeline answers the sample frame, as it did when it was loaded.
pub(super) fn answers_sample(pipeline: &Pipeline, scratch: &mut Scratch) -> bool {
    matches!(catch_unwind(AssertUnwindSafe(|| service::run_on_sample(pipeline, scratch))), Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_tried_once_for_so_many_failures_in_a_row() {
        let answers = Answers::default();
        let tried = (0..FAILED_IN_A_ROW * 2).filter(|_| answers.failed()).count();
        assert_eq!(tried, 2);
        (0..FAILED_IN_A_ROW - 1).for_each(|_| assert!(!answers.failed()));
        answers.answered();
        assert!(!answers.failed(), "a result in between");
    }

    #[test]
    fn a_result_ends_the_silence() {
        let answers = Answers::default();
        assert!(!answers.is_silent());
        assert!(answers.silent() && !answers.silent(), "it is news once");
        assert!(answers.is_silent());
        answers.answered();
        assert!(!answers.is_silent());
    }
}
