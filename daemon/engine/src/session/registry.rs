//! Who is live, and whether one more may be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

use super::backpressure::Thresholds;
use super::{Session, SessionStart, SessionView};
use crate::telemetry::metrics::Source;
use base::protocol::{ErrorCode, StreamError};

/// The live sessions.
#[derive(Debug, Default)]
pub struct SessionRegistry {
    live: Mutex<Live>,
    left: Notify,
}

/// A session's place in the registry; dropping it leaves.
#[derive(Debug)]
pub struct Membership {
    registry: Arc<SessionRegistry>,
    session: Arc<Session>,
}

#[derive(Debug, Default)]
struct Live {
    sessions: HashMap<Uuid, Arc<Session>>,
    closed: bool,
}

impl Live {
    fn clients(&self) -> usize {
        self.sessions.values().filter(|session| session.source() == Source::Websocket).count()
    }
}

impl SessionRegistry {
    /// Admits a new session, unless `max_sessions` of clients are live or the daemon stops. A camera's session is the
    /// operator's own choice: it takes no client's place and is refused for none.
    ///
    /// # Errors
    /// `too_many_sessions` or `shutting_down`.
    pub fn admit(
        self: &Arc<Self>,
        max_sessions: Option<usize>,
        start: SessionStart,
    ) -> Result<Membership, StreamError> {
        let mut live = self.lock();
        if live.closed {
            return Err(stopping());
        }
        let is_client = start.source == Source::Websocket;
        if let Some(limit) = max_sessions.filter(|&limit| is_client && live.clients() >= limit) {
            let detail = format!("All {limit} sessions of this device are taken; try again later.");
            return Err(StreamError::new(ErrorCode::TooManySessions, detail));
        }
        let session = Session::new(start);
        live.sessions.insert(session.id(), Arc::clone(&session));
        Ok(Membership { registry: Arc::clone(self), session })
    }

    /// The live sessions, oldest first.
    pub fn list(&self) -> Vec<SessionView> {
        let mut views: Vec<SessionView> = self.sessions().iter().map(|session| session.view()).collect();
        views.sort_by(|a, b| b.duration_s().total_cmp(&a.duration_s()));
        views
    }

    /// The live session of this id.
    pub fn get(&self, id: Uuid) -> Option<Arc<Session>> {
        self.lock().sessions.get(&id).cloned()
    }

    /// How many sessions of clients are live.
    pub fn clients(&self) -> usize {
        self.lock().clients()
    }

    /// How many sessions are live.
    pub fn len(&self) -> usize {
        self.lock().sessions.len()
    }

    /// Whether none is live.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands new thresholds to every live session.
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        self.sessions().iter().for_each(|session| session.set_thresholds(thresholds));
    }

    /// Admits nobody from now on and ends every session with `shutting_down`.
    pub fn shut_down(&self) {
        self.lock().closed = true;
        self.sessions().iter().for_each(|session| session.end(stopping()));
    }

    /// Ends every session at once, without the frames that still run.
    pub fn end_now(&self) {
        self.sessions().iter().for_each(|session| session.end_now());
    }

    /// Waits until no session is live. Cancel safe.
    pub async fn drained(&self) {
        while !self.is_empty() {
            self.left.notified().await;
        }
    }

    /// The sessions, out of the lock: no session's own lock is taken under this one.
    fn sessions(&self) -> Vec<Arc<Session>> {
        self.lock().sessions.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Membership {
    /// The session.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.session.close();
        self.registry.lock().sessions.remove(&self.session.id());
        self.registry.left.notify_one();
    }
}

fn stopping() -> StreamError {
    StreamError::new(ErrorCode::ShuttingDown, "The device stops or restarts; connect again in a moment.")
}
