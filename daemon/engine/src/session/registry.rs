//! Who is live, and whether one more may be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

use super::backpressure::Thresholds;
use super::client::Client;
use super::shared::Session;
use super::view::SessionView;
use crate::pipeline::Pipeline;
use crate::telemetry::metrics::{Active, SessionMetrics};
use base::protocol::{ErrorCode, StreamError};

/// The live sessions.
#[derive(Debug)]
pub struct SessionRegistry {
    live: Mutex<Live>,
    left: Notify,
}

/// A session's place in the registry; dropping it leaves.
#[derive(Debug)]
pub struct Membership {
    registry: Arc<SessionRegistry>,
    session: Arc<Session>,
    _active: Active,
}

#[derive(Debug)]
struct Live {
    sessions: HashMap<Uuid, Arc<Session>>,
    /// What a session is judged by, from its first frame on.
    thresholds: Thresholds,
    closed: bool,
}

impl Live {
    fn clients(&self) -> usize {
        self.sessions.values().filter(|session| matches!(session.client(), Client::Remote(_))).count()
    }
}

impl SessionRegistry {
    /// No session yet; those that come are judged by `thresholds`.
    pub fn new(thresholds: Thresholds) -> Arc<Self> {
        let live = Live { sessions: HashMap::new(), thresholds, closed: false };
        Arc::new(SessionRegistry { live: Mutex::new(live), left: Notify::new() })
    }

    /// Admits a new session, unless `max_sessions` of clients are live or the daemon stops. A camera's session is the
    /// operator's own choice: it takes no client's place and is refused for none.
    ///
    /// # Errors
    /// `too_many_sessions` or `shutting_down`.
    pub fn admit(
        self: &Arc<Self>,
        max_sessions: Option<usize>,
        client: Client,
        pipeline: Arc<Pipeline>,
        metrics: SessionMetrics,
    ) -> Result<Membership, StreamError> {
        let mut live = self.lock();
        if live.closed {
            return Err(stopping());
        }
        let is_client = matches!(client, Client::Remote(_));
        if let Some(limit) = max_sessions.filter(|&limit| is_client && live.clients() >= limit) {
            let detail = format!("All {limit} sessions of this device are taken; try again later.");
            return Err(StreamError::new(ErrorCode::TooManySessions, detail));
        }
        let active = metrics.open();
        let session = Session::new(client, pipeline, metrics, live.thresholds);
        live.sessions.insert(session.id(), Arc::clone(&session));
        Ok(Membership { registry: Arc::clone(self), session, _active: active })
    }

    /// The live sessions, oldest first.
    pub fn list(&self) -> Vec<SessionView> {
        let mut views: Vec<SessionView> = self.sessions().iter().map(|session| session.view()).collect();
        views.sort_by(|a, b| b.duration_s.total_cmp(&a.duration_s));
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

    /// Hands new thresholds to every live session, and to every later one.
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        self.lock().thresholds = thresholds;
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

/// The error of whatever ends because the daemon stops.
pub fn stopping() -> StreamError {
    StreamError::new(ErrorCode::ShuttingDown, "The device stops or restarts; connect again in a moment.")
}
