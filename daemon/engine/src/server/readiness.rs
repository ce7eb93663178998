//! The phase that the daemon is in.

use std::sync::Mutex;
use std::sync::PoisonError;

/// The stages of the daemon's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Sockets are bound; models load and warm up.
    #[default]
    Starting,
    /// Sessions are served.
    Serving,
    /// No new session; live ones are ended.
    Stopping,
}

/// The current phase.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<Phase>);

impl Readiness {
    /// Starts serving, unless a stop came first. Returns whether it did.
    pub fn serve(&self) -> bool {
        let mut phase = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *phase == Phase::Starting {
            *phase = Phase::Serving;
        }
        *phase == Phase::Serving
    }

    /// Stops serving for good.
    pub fn stop(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Phase::Stopping;
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
