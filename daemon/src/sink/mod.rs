//! Where results go. Lives here: the reply slots of a session (one reply a frame, in frame order) and the write half of
//! a client's connection. Does not live here: what a frame's result is (`pipeline`) or which frame gives way (`session`).

pub mod progress;
pub mod reply;
pub mod slots;
