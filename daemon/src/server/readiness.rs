//! The phase that the daemon is in.

use std::sync::Mutex;
use std::sync::PoisonError;

/// The stages of the daemon's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Sockets are bound; models load and warm up.
    Starting,
    /// Sessions are served.
    Serving,
    /// No new session; live ones are ended.
    Stopping,
}

/// The current phase.
#[derive(Debug)]
pub struct Readiness(Mutex<Phase>);

impl Default for Readiness {
    fn default() -> Self {
        Readiness(Mutex::new(Phase::Starting))
    }
}

impl Readiness {
    /// Enters a phase.
    pub fn set(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
