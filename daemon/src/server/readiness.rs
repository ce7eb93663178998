//! Whether a new session would be served, and if not, why.

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

    /// Why no new session would be served, as one sentence; none when one would.
    pub fn refusal(&self, pipelines: usize, device_lost: bool) -> Option<&'static str> {
        match self.phase() {
            Phase::Starting => Some("starting: pipelines are being loaded and warmed up"),
            Phase::Stopping => Some("stopping"),
            Phase::Serving if device_lost => Some("the device answers no more; the daemon restarts"),
            Phase::Serving if pipelines == 0 => {
                Some("no pipeline is loaded; `forgesyted check` says what is wrong with the pipeline files")
            }
            Phase::Serving => None,
        }
    }
}
