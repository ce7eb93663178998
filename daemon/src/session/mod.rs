//! A session: number the frame, validate it, decide what gives way. Lives here: the frame validator and the backpressure
//! rules (pure), the few frames that wait, the session's books, and the list of live sessions with admission. Does not
//! live here: reading from clients (`source`), whose session is next (`engine`), writing replies (`sink`).

#[cfg(feature = "engine")]
pub mod backpressure;
pub mod frame_validator;
#[cfg(feature = "engine")]
pub mod manager;
#[cfg(feature = "engine")]
mod peer;
#[cfg(feature = "engine")]
pub mod registry;
#[cfg(feature = "engine")]
mod shared;
#[cfg(feature = "engine")]
mod start;
#[cfg(feature = "engine")]
mod view;
#[cfg(feature = "engine")]
mod waiting;

#[cfg(feature = "engine")]
pub use peer::Peer;
#[cfg(feature = "engine")]
pub use shared::Session;
#[cfg(feature = "engine")]
pub use start::{CameraTie, SessionStart, Shown};
#[cfg(feature = "engine")]
pub use view::{SessionTotals, SessionView};
