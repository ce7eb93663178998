//! The shared session: its books and reply slots behind one lock, and the verbs of its three users. A source offers
//! frames, the engine takes and delivers them (it knows the session as a [`Lane`]), a sink pops what goes out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use uuid::Uuid;

use super::backpressure::{BackpressureState, Thresholds};
use super::client::Client;
use super::manager::SessionManager;
use super::view::{SessionTotals, SessionView};
use crate::engine::{Job, Lane};
use crate::pipeline::{Pipeline, PipelineState};
use crate::sink::slots::{Outgoing, ReplySlots};
use crate::sink::watch::Results;
use crate::telemetry::metrics::SessionMetrics;
use base::frame::Frame;
use base::frame::validator::ValidFrame;
use base::logging::rate_limited::RateLimited;
use base::protocol::StreamError;

/// Each client that sends too much can cause a line in every `slow_down_interval_ms`.
static SLOW_DOWNS: RateLimited = RateLimited::new(20, Duration::from_secs(10));

/// One live session.
#[derive(Debug)]
pub struct Session {
    id: Uuid,
    client: Client,
    pipeline: Arc<Pipeline>,
    metrics: SessionMetrics,
    started: Instant,
    results: Arc<Results>,
    state: Mutex<State>,
    outbox: Notify,
    room: Notify,
}

#[derive(Debug)]
struct State {
    manager: SessionManager,
    replies: ReplySlots,
    /// What the pipeline keeps between frames; it is with the frame that runs.
    pipeline: PipelineState,
    /// When the frame before was done, or the session began: no frame could run earlier.
    free_since: Instant,
    /// Since when the frame that runs could: it was received, and the frame before it was done.
    could_run_at: Instant,
    /// When the frame that runs was captured, and the frame itself where somebody looks.
    running: (Instant, Option<Frame>),
    /// Frames in a row that failed.
    failed: u32,
    closed: bool,
}

impl Session {
    /// A new session with an identity of its own.
    pub fn new(client: Client, pipeline: Arc<Pipeline>, metrics: SessionMetrics, thresholds: Thresholds) -> Arc<Self> {
        let id = Uuid::new_v4();
        let now = Instant::now();
        let state = State {
            manager: SessionManager::new(id, pipeline.id(), thresholds),
            replies: if client.takes_replies() { ReplySlots::default() } else { ReplySlots::for_nobody() },
            pipeline: PipelineState::default(),
            free_since: now,
            could_run_at: now,
            running: (now, None),
            failed: 0,
            closed: false,
        };
        let (results, state) = (client.results(id), Mutex::new(state));
        let (outbox, room) = (Notify::new(), Notify::new());
        Arc::new(Session { id, client, pipeline, metrics, started: now, results, state, outbox, room })
    }

    /// The session's identity.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The pipeline that its frames run through.
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// Whose frames it takes.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Its results, to be watched.
    pub fn results(&self) -> &Arc<Results> {
        &self.results
    }

    /// How far it is from keeping up, and its smoothed processing time in milliseconds, once a frame has run.
    pub fn load(&self) -> (BackpressureState, Option<f64>) {
        let state = self.lock();
        (state.manager.backpressure_state(), state.manager.processing_time_ms())
    }

    /// Takes in a frame that was captured at `captured_at` (a client's: received). Returns whether the session
    /// became ready: the caller then tells the engine. What gives way is answered `dropped`; a frame after the session's
    /// end is counted and not taken.
    #[must_use]
    pub fn offer(&self, frame: ValidFrame, captured_at: Instant) -> bool {
        let now = Instant::now();
        let metrics = &self.metrics;
        metrics.frame_bytes.observe(frame.len() as f64);
        metrics.received.inc();
        let (offered, state_change) = {
            let mut state = self.lock();
            if state.closed || state.replies.is_ending() {
                state.manager.increment_frame();
                metrics.discarded.inc();
                return false;
            }
            let before = state.manager.backpressure_state();
            state.replies.open();
            let offered = state.manager.offer(frame.into_frame(), captured_at, now);
            for &frame_index in &offered.dropped {
                state.replies.fill_dropped(frame_index);
            }
            if offered.slow_down {
                state.replies.notify_slow_down();
            }
            let after = state.manager.backpressure_state();
            (offered, (before != after).then_some(after))
        };
        if !offered.dropped.is_empty() || offered.slow_down {
            metrics.dropped.inc_by(offered.dropped.len() as u64);
            self.outbox.notify_one();
        }
        self.tell(offered.slow_down, state_change);
        offered.became_ready
    }

    /// Numbers a frame that the validator refused and ends the session with its error.
    pub fn refuse(&self, error: StreamError) {
        self.metrics.received.inc();
        self.metrics.discarded.inc();
        self.end_before(|manager| manager.increment_frame(), error);
    }

    /// Ends the session: frames so far are answered (what waits is dropped, what runs gives its result), then the error.
    pub fn end(&self, error: StreamError) {
        self.end_before(|manager| manager.frame_index() + 1, error);
    }

    /// Cuts the session's end short: a frame that still runs is not waited for.
    pub fn end_now(&self) {
        self.lock().replies.end_at_first_open();
        self.outbox.notify_one();
    }

    /// The error that the session ends with, once that is decided.
    pub fn error(&self) -> Option<StreamError> {
        self.lock().replies.error().cloned()
    }

    /// Notes that the client is gone: what waits is given up, replies are owed no more.
    pub fn close(&self) {
        let discarded = {
            let mut state = self.lock();
            state.closed = true;
            state.manager.discard_waiting()
        };
        self.metrics.discarded.inc_by(discarded as u64);
    }

    /// Takes new thresholds, from a reload.
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        self.lock().manager.set_thresholds(thresholds);
    }

    /// The next message to send, when one may go out now.
    pub fn pop_outgoing(&self) -> Option<Outgoing> {
        let (outgoing, has_room) = {
            let mut state = self.lock();
            (state.replies.pop(), state.replies.has_room())
        };
        if outgoing.is_some() && has_room {
            self.room.notify_one();
        }
        outgoing
    }

    /// Rung when [`Session::pop_outgoing`] may have something new.
    pub fn outbox_bell(&self) -> &Notify {
        &self.outbox
    }

    /// Waits until another frame may be read: at once, but for a client that does not read its replies. Cancel safe.
    pub async fn has_room(&self) {
        while !self.lock().replies.has_room() {
            self.room.notified().await;
        }
    }

    /// The session as the sessions list shows it.
    pub fn view(&self) -> SessionView {
        let state = self.lock();
        let manager = &state.manager;
        let (peer, camera) = self.client.names();
        SessionView {
            session_id: self.id.to_string(),
            pipeline_id: manager.pipeline_id().to_owned(),
            source: self.client.source().as_str(),
            peer,
            camera,
            frame_index: manager.frame_index(),
            dropped_frames: manager.dropped_frames(),
            drop_rate: manager.drop_rate(),
            recent_drop_rate: manager.recent_drop_rate(),
            last_processed_ts: manager.last_processed_ts(),
            processing_time_ms: manager.processing_time_ms(),
            backpressure_state: manager.backpressure_state().as_str(),
            drop_threshold: manager.drop_threshold(),
            slowdown_threshold: manager.slowdown_threshold(),
            waiting_frames: manager.waiting(),
            duration_s: self.started.elapsed().as_secs_f64(),
        }
    }

    /// The lifetime figures.
    pub fn totals(&self) -> SessionTotals {
        let state = self.lock();
        SessionTotals {
            frame_index: state.manager.frame_index(),
            dropped_frames: state.manager.dropped_frames(),
            drop_rate: state.manager.drop_rate(),
            duration: self.started.elapsed(),
        }
    }

    /// Ends the session before the frame that `first_unanswered` names.
    fn end_before(&self, first_unanswered: impl FnOnce(&mut SessionManager) -> u64, error: StreamError) {
        let dropped = {
            let mut state = self.lock();
            let frame_index = first_unanswered(&mut state.manager);
            state.replies.end(frame_index, error);
            let dropped: Vec<u64> = std::iter::from_fn(|| state.manager.mark_drop()).collect();
            for &frame_index in &dropped {
                state.replies.fill_dropped(frame_index);
            }
            dropped.len()
        };
        self.metrics.dropped.inc_by(dropped as u64);
        self.outbox.notify_one();
    }

    /// Hands a result to whoever watches, and the frame with it to whoever looks.
    fn show(&self, frame_index: u64, result: &str, now: Instant) {
        if !self.results.are_watched() && !self.client.is_looked_at() {
            return;
        }
        let (captured_at, frame) = {
            let mut state = self.lock();
            (state.running.0, state.running.1.take())
        };
        let age = u64::try_from(now.saturating_duration_since(captured_at).as_millis()).unwrap_or(u64::MAX);
        self.results.publish(frame_index, SessionManager::now_ms().saturating_sub(age), result);
        if let Some(frame) = frame {
            self.client.show(frame, frame_index, result);
        }
    }

    fn tell(&self, slow_down: bool, state_change: Option<BackpressureState>) {
        let (session_id, pipeline_id) = (self.id, self.pipeline.id());
        if let Some(state) = state_change {
            log::debug!(event = "backpressure_state", session_id:% = session_id, pipeline_id, state:% = state; "the session is in {state}");
        }
        if slow_down {
            self.metrics.slow_downs.inc();
            // A camera says itself when it is read less often.
            if self.client.takes_replies()
                && let Some(suppressed) = SLOW_DOWNS.allow(Instant::now())
            {
                log::info!(
                    event = "stream_slow_down", session_id:% = session_id, pipeline_id, suppressed; "told the client to slow down"
                );
            }
        }
    }

    /// The state; a panic elsewhere while it was held leaves consistent counters, so poisoning is no reason to stop.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane for Session {
    fn take(&self) -> Option<Job> {
        let mut state = self.lock();
        let frame = state.manager.take()?;
        let could_run_at = frame.received_at.max(state.free_since);
        state.could_run_at = could_run_at;
        state.running = (frame.captured_at, self.client.is_looked_at().then(|| frame.frame.clone()));
        let pipeline = Arc::clone(&self.pipeline);
        let kept = std::mem::take(&mut state.pipeline);
        Some(Job { pipeline, frame_index: frame.frame_index, frame: frame.frame, could_run_at, state: kept })
    }

    fn deliver(&self, frame_index: u64, kept: PipelineState, outcome: Result<String, StreamError>) -> bool {
        let now = Instant::now();
        let metrics = &self.metrics;
        if let Ok(result) = &outcome {
            self.show(frame_index, result, now);
        }
        let (more, discarded) = {
            let mut state = self.lock();
            state.pipeline = kept;
            match outcome {
                Ok(result) => {
                    state.failed = 0;
                    let took = now.saturating_duration_since(state.could_run_at);
                    state.replies.fill_result(frame_index, result);
                    state.free_since = now;
                    (state.manager.finish(took.as_secs_f64() * 1000.0, SessionManager::now_ms()), 0)
                }
                Err(error) => {
                    state.failed += 1;
                    state.manager.fail();
                    if self.client.forgives(&error, state.failed) {
                        state.free_since = now;
                        (state.manager.waiting() > 0, 1)
                    } else {
                        state.replies.end(frame_index, error);
                        (false, 1 + state.manager.discard_waiting())
                    }
                }
            }
        };
        match discarded {
            0 => metrics.processed.inc(),
            _ => metrics.discarded.inc_by(discarded as u64),
        }
        more
    }

    fn announce(&self) {
        self.outbox.notify_one();
    }

    fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    fn describe(&self) -> (Uuid, &str) {
        (self.id, self.pipeline.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::image::sample_jpeg;
    use crate::pipeline::image::{ImageNeed, Scaler};
    use crate::pipeline::nodes::{Node, NodeFrame, Payload};
    use crate::pipeline::of_one_node;
    use crate::session::Peer;
    use crate::session::registry::SessionRegistry;
    use crate::telemetry::metrics::{Metrics, Source};
    use base::config::Config;
    use base::frame::validator::FrameLimits;
    use base::protocol::ErrorCode;

    #[derive(Debug)]
    struct Idle;

    impl Node for Idle {
        fn needs(&self) -> ImageNeed {
            ImageNeed::None
        }

        fn run(&self, _: &mut NodeFrame<'_>, _: &mut Scaler) -> Result<Payload, String> {
            Ok(Payload::default())
        }
    }

    #[test]
    fn a_session_that_begins_after_a_reload_is_judged_by_its_thresholds() {
        let old: Thresholds = (&Config::default().stream).into();
        let registry = SessionRegistry::new(old);
        // Whatever configuration whoever admits it has read before.
        registry.set_thresholds(Thresholds { drop_threshold: 0.25, ..old });
        let metrics = Metrics::new("0", "0").unwrap().session(Source::Websocket, "idle");
        let peer = Peer { address: [127, 0, 0, 1].into(), port: None };
        let pipeline = Arc::new(of_one_node("idle", Box::new(Idle)));
        let _member = registry.admit(None, Client::Remote(peer), pipeline, metrics).unwrap();
        assert_eq!(registry.list().remove(0).drop_threshold, 0.25);
    }

    /// What a client sends between its error and its close is counted in the log as in the metrics, and nowhere answered.
    #[test]
    fn a_frame_after_the_error_is_counted_and_not_taken() {
        let metrics = Metrics::new("0", "0").unwrap().session(Source::Websocket, "idle");
        let peer = Peer { address: [127, 0, 0, 1].into(), port: None };
        let pipeline = Arc::new(of_one_node("idle", Box::new(Idle)));
        let thresholds = (&Config::default().stream).into();
        let session = Session::new(Client::Remote(peer), pipeline, metrics.clone(), thresholds);
        session.end(StreamError::new(ErrorCode::ShuttingDown, "why"));
        let limits = FrameLimits::from(&Config::default().stream);
        let late = ValidFrame::new(Frame::jpeg(sample_jpeg(8, 8).unwrap().into()), limits).unwrap();
        assert!(!session.offer(late, Instant::now()), "it does not become ready");
        assert!(session.take().is_none());
        assert_eq!((session.totals().frame_index, metrics.received.get(), metrics.discarded.get()), (1, 1, 1));
        assert!(matches!(session.pop_outgoing(), Some(Outgoing::End(_))) && session.pop_outgoing().is_none());
    }
}
