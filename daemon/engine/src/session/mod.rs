//! A session: number the frame, decide what gives way. Lives here: the backpressure rules (pure), the few frames that wait, the
//! session's books, what is special to each kind of client, and the list of live sessions with admission. Does not live here: what a
//! frame must be (`base::frame`), reading from clients (`source`), whose session is next (`engine`), writing replies (`sink`).

pub mod backpressure;
mod client;
pub mod manager;
mod peer;
pub mod registry;
mod services;
mod shared;
mod view;

pub use client::{CameraTie, Client, Shown};
pub use peer::Peer;
pub use services::Services;
pub use shared::Session;
pub use view::{SessionTotals, SessionView};
