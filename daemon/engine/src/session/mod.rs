//! A session: number the frame, decide what gives way. Lives here: the backpressure rules (pure), the few frames that wait, the session's books, and the list of live sessions with admission. Does not
//! live here: reading from clients (`source`), whose session is next (`engine`), writing replies (`sink`).

pub mod backpressure;
pub mod manager;
mod peer;
pub mod registry;
mod shared;
mod start;
mod view;
mod waiting;

pub use peer::Peer;
pub use shared::Session;
pub use start::{CameraTie, SessionStart, Shown};
pub use view::{SessionTotals, SessionView};
