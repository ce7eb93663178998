//! Reply slots: every frame of a session gets one, in frame order, and replies leave only from the front. So a frame
//! that was dropped while an older one still runs is answered after it, and never before.

use std::collections::VecDeque;

use base::protocol::{self, StreamError};

/// Replies that may be open or unsent before the client is read no further. A dropped frame's slot is 24 bytes.
const MAX_REPLIES: usize = 4096;
/// Bytes of unsent results before the client is read no further.
const MAX_UNSENT_BYTES: usize = 1 << 20;

/// The replies that a session owes and has not handed to its connection yet.
#[derive(Debug, Default)]
pub struct ReplySlots {
    /// Nobody waits for replies (a camera's session): none is kept, and only the end goes out.
    for_nobody: bool,
    answered: u64,
    slots: VecDeque<Slot>,
    unsent_bytes: usize,
    slow_down: bool,
    end: Option<End>,
}

/// What the connection sends next.
#[derive(Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A text message.
    Text(String),
    /// The last message: this error, then the close. Nothing follows it.
    End(StreamError),
}

#[derive(Debug, PartialEq, Eq)]
enum Slot {
    Open,
    Dropped,
    Result(String),
}

/// The error that ends the session, and the first frame that it leaves unanswered.
#[derive(Debug)]
struct End {
    before: u64,
    error: StreamError,
    handed_out: bool,
}

impl ReplySlots {
    /// For a session whose frames nobody sent, such as a camera's: no reply is owed.
    pub fn for_nobody() -> Self {
        ReplySlots { for_nobody: true, ..ReplySlots::default() }
    }

    /// Opens the slot of the next frame. Frames are numbered 1, 2, 3, … in the order of these calls.
    pub fn open(&mut self) {
        if !self.for_nobody {
            self.slots.push_back(Slot::Open);
        }
    }

    /// Answers a frame with its result (JSON text). Ignored for a frame that the session's end left unanswered.
    pub fn fill_result(&mut self, frame_index: u64, result: String) {
        let bytes = result.len();
        if self.fill(frame_index, Slot::Result(result)) {
            self.unsent_bytes += bytes;
        }
    }

    /// Answers a frame with `dropped`.
    pub fn fill_dropped(&mut self, frame_index: u64) {
        self.fill(frame_index, Slot::Dropped);
    }

    /// Asks for one `slow_down` notice; it goes out next, between two replies.
    pub fn notify_slow_down(&mut self) {
        self.slow_down = !self.for_nobody;
    }

    /// Ends the session in `error`: frames before `frame_index` are answered first, that frame and later ones never.
    /// Of several ends the one with the earliest frame counts, and of equal ones the first.
    pub fn end(&mut self, frame_index: u64, error: StreamError) {
        if self.end.as_ref().is_some_and(|end| end.before <= frame_index) {
            return;
        }
        self.slots.truncate(usize::try_from(frame_index.saturating_sub(self.answered + 1)).unwrap_or(usize::MAX));
        self.unsent_bytes = self.slots.iter().map(Slot::bytes).sum();
        self.end = Some(End { before: frame_index, error, handed_out: false });
    }

    /// Moves the end that is set to the first frame without an answer, so that it goes out at once.
    pub fn end_at_first_open(&mut self) {
        let answered = self.slots.iter().take_while(|slot| **slot != Slot::Open).count();
        self.slots.truncate(answered);
        if let Some(end) = &mut self.end {
            end.before = end.before.min(self.answered + answered as u64 + 1);
        }
    }

    /// The error that is set as the end.
    pub fn error(&self) -> Option<&StreamError> {
        self.end.as_ref().map(|end| &end.error)
    }

    /// Whether an end is set: no further frame of this session is taken.
    pub fn is_ending(&self) -> bool {
        self.end.is_some()
    }

    /// Whether [`Outgoing::End`] has been handed out.
    pub fn has_ended(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.handed_out)
    }

    /// Whether another frame may be read: the replies owed are within their bounds.
    pub fn has_room(&self) -> bool {
        self.slots.len() < MAX_REPLIES && self.unsent_bytes < MAX_UNSENT_BYTES
    }

    /// The next message, when there is one that may go out now.
    pub fn pop(&mut self) -> Option<Outgoing> {
        if self.has_ended() {
            return None;
        }
        if std::mem::take(&mut self.slow_down) {
            return Some(Outgoing::Text(protocol::SLOW_DOWN_MESSAGE.to_owned()));
        }
        match self.slots.front() {
            Some(Slot::Open) => None,
            Some(_) => self.slots.pop_front().map(|slot| self.answer(slot)),
            None => self.end.as_mut().map(|end| {
                end.handed_out = true;
                Outgoing::End(end.error.clone())
            }),
        }
    }

    fn answer(&mut self, slot: Slot) -> Outgoing {
        self.answered += 1;
        self.unsent_bytes -= slot.bytes();
        match slot {
            Slot::Result(result) => Outgoing::Text(protocol::result_message(self.answered, &result)),
            Slot::Open | Slot::Dropped => Outgoing::Text(protocol::dropped_message(self.answered)),
        }
    }

    fn fill(&mut self, frame_index: u64, with: Slot) -> bool {
        let Some(position) = frame_index.checked_sub(self.answered + 1).and_then(|at| usize::try_from(at).ok()) else {
            return false;
        };
        match self.slots.get_mut(position) {
            Some(slot @ Slot::Open) => {
                *slot = with;
                true
            }
            _ => false,
        }
    }
}

impl Slot {
    fn bytes(&self) -> usize {
        match self {
            Slot::Result(result) => result.len(),
            Slot::Open | Slot::Dropped => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::protocol::ErrorCode;

    fn drain(slots: &mut ReplySlots) -> Vec<String> {
        std::iter::from_fn(|| slots.pop())
            .map(|message| match message {
                Outgoing::Text(text) => text,
                Outgoing::End(error) => error.code.as_str().to_owned(),
            })
            .collect()
    }

    fn error(code: ErrorCode) -> StreamError {
        StreamError::new(code, "why")
    }

    #[test]
    fn replies_leave_in_frame_order() {
        let mut slots = ReplySlots::default();
        (0..3).for_each(|_| slots.open());
        slots.fill_dropped(2);
        assert!(drain(&mut slots).is_empty());
        slots.fill_result(1, "{}".into());
        assert_eq!(drain(&mut slots), [r#"{"frame_index":1,"result":{}}"#, r#"{"frame_index":2,"dropped":true}"#]);
        slots.fill_result(3, "{}".into());
        assert_eq!(drain(&mut slots), [r#"{"frame_index":3,"result":{}}"#]);
    }

    #[test]
    fn a_slot_is_filled_once() {
        let mut slots = ReplySlots::default();
        slots.open();
        slots.fill_result(1, "{}".into());
        slots.fill_dropped(1);
        slots.fill_dropped(2);
        assert_eq!(drain(&mut slots).len(), 1);
        slots.fill_result(1, "{}".into());
        assert!(drain(&mut slots).is_empty());
    }

    #[test]
    fn frames_before_an_error_are_answered_and_later_ones_are_not() {
        let mut slots = ReplySlots::default();
        (0..4).for_each(|_| slots.open());
        slots.end(3, error(ErrorCode::PipelineFailure));
        slots.fill_dropped(4);
        slots.fill_dropped(2);
        slots.fill_result(1, "{}".into());
        assert_eq!(drain(&mut slots)[2..], ["pipeline_failure"]);
        assert!(slots.has_ended() && slots.pop().is_none());
    }

    #[test]
    fn the_earliest_error_wins() {
        let mut slots = ReplySlots::default();
        (0..2).for_each(|_| slots.open());
        slots.end(3, error(ErrorCode::InvalidMessage));
        slots.end(1, error(ErrorCode::PipelineFailure));
        slots.end(1, error(ErrorCode::ShuttingDown));
        assert_eq!(drain(&mut slots), ["pipeline_failure"]);
    }

    #[test]
    fn nobody_is_owed_a_reply_and_the_end_is_told_all_the_same() {
        let mut slots = ReplySlots::for_nobody();
        (0..3).for_each(|_| slots.open());
        slots.fill_result(1, "{}".into());
        slots.notify_slow_down();
        assert!(drain(&mut slots).is_empty() && slots.has_room());
        slots.end(4, error(ErrorCode::ShuttingDown));
        assert_eq!(drain(&mut slots), ["shutting_down"]);
    }

    #[test]
    fn a_notice_stands_between_replies() {
        let mut slots = ReplySlots::default();
        slots.open();
        slots.notify_slow_down();
        slots.notify_slow_down();
        assert_eq!(drain(&mut slots), [protocol::SLOW_DOWN_MESSAGE]);
    }

    #[test]
    fn room_ends_with_many_slots_or_many_bytes() {
        let mut slots = ReplySlots::default();
        (0..MAX_REPLIES).for_each(|_| slots.open());
        assert!(!slots.has_room());
        let mut slots = ReplySlots::default();
        slots.open();
        slots.fill_result(1, "x".repeat(MAX_UNSENT_BYTES));
        assert!(!slots.has_room());
        assert!(slots.pop().is_some() && slots.has_room());
    }
}
