//! Where results go. Lives here: the reply slots of a session (one reply a frame, in frame order), the write half of
//! a client's connection, results for watchers, and whether an idle peer is still there. Does not live here: what a frame's
//! result is (`pipeline`) or which frame is dropped (`session`).

pub mod progress;
pub mod pulse;
pub mod reply;
pub mod slots;
pub mod watch;
