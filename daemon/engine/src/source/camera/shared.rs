//! One camera as the rest of the daemon knows it: its state, what it captured last for whoever looks, and whether anybody
//! wants it at all.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OnceCell, broadcast, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use uuid::Uuid;

use super::view::{AgreedView, AskedView, CameraView, FaultView};
use crate::session::manager::SessionManager;
use crate::session::{CameraTie, Shown};
use crate::sink::watch::Results;
use crate::telemetry::metrics::{CameraMetrics, Metrics};
use base::capture::{Agreed, Drained, Fault, Reason};
use base::config::CameraConfig;
use base::frame::Frame;

/// A camera that nobody wants any more stays open this long: pages are reloaded.
const LINGER: Duration = Duration::from_secs(10);
/// How often a camera that is down is asked whether it is back.
const LOOK: Duration = Duration::from_millis(500);

/// A configured camera.
#[derive(Debug)]
pub struct Camera {
    config: CameraConfig,
    metrics: CameraMetrics,
    tie: CameraTie,
    shots: watch::Sender<Option<Arc<Shot>>>,
    status: Mutex<Status>,
    changed: Condvar,
}

/// A frame for whoever looks.
#[derive(Debug)]
pub struct Shot {
    /// The frame.
    pub frame: Frame,
    /// The frame as a JPEG, made once for all who look.
    pub jpeg: OnceCell<Result<Bytes, String>>,
}

/// The stages of a camera's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CameraState {
    /// It is opened, and no frame has come yet.
    #[default]
    Starting,
    /// Frames come.
    Up,
    /// It does not deliver and is tried again.
    Down,
    /// It is closed, because nobody watches and it is not `always_on`.
    Idle,
}

#[derive(Debug, Default)]
struct Status {
    stopping: bool,
    state: CameraState,
    agreed: Option<Agreed>,
    notes: Vec<String>,
    fault: Option<Fault>,
    session_id: Option<Uuid>,
    pipeline_error: Option<String>,
    reading_fps: Option<f64>,
    fps: f64,
    last_frame_ts: Option<u64>,
    reconnects: u64,
    wanted_at: Option<Instant>,
}

impl CameraState {
    /// The state's name.
    pub fn as_str(self) -> &'static str {
        match self {
            CameraState::Starting => "starting",
            CameraState::Up => "up",
            CameraState::Down => "down",
            CameraState::Idle => "idle",
        }
    }
}

impl Status {
    /// Whether somebody wanted it just now. Who comes to watch notes that; who stays is looked for by [`Camera::is_wanted`].
    fn is_wanted(&self, now: Instant) -> bool {
        self.wanted_at.is_some_and(|at| now.saturating_duration_since(at) < LINGER)
    }
}

impl Camera {
    pub(super) fn new(config: CameraConfig, metrics: &Metrics) -> Self {
        let metrics = metrics.camera(&config.name, &Reason::ALL.map(Reason::as_str));
        let tie = CameraTie {
            name: config.name.clone(),
            results: Results::of_camera(&config.name),
            shown: watch::Sender::default(),
            bad_frames: metrics.bad.clone(),
        };
        let (shots, status) = (watch::Sender::default(), Mutex::default());
        Camera { config, metrics, tie, shots, status, changed: Condvar::new() }
    }

    /// Its configuration.
    pub fn config(&self) -> &CameraConfig {
        &self.config
    }

    /// Its results from now on; the camera is opened where it was idle.
    pub fn watch(&self) -> broadcast::Receiver<Utf8Bytes> {
        let results = self.tie.results.watch();
        self.want();
        results
    }

    /// Its pictures from now on; the camera is opened where it was idle.
    pub fn look(&self) -> watch::Receiver<Option<Arc<Shot>>> {
        let shots = self.shots.subscribe();
        self.want();
        shots
    }

    /// Its pictures from now on, each with the pipeline's result; the camera is opened where it was idle.
    pub fn look_at_results(&self) -> watch::Receiver<Option<Arc<Shown>>> {
        let shown = self.tie.shown.subscribe();
        self.want();
        shown
    }

    /// Notes that somebody wants it now, even if only for a moment, and wakes its thread.
    fn want(&self) {
        self.lock().wanted_at = Some(Instant::now());
        self.changed.notify_all();
    }

    /// Why it gives no picture at the moment; none while it does, or may in a moment.
    pub fn fault(&self) -> Option<Fault> {
        self.lock().fault.clone()
    }

    /// The camera as the list of cameras shows it.
    pub fn view(&self) -> CameraView {
        let status = self.lock();
        let slowed = status.state == CameraState::Up && status.reading_fps.is_some();
        CameraView {
            name: self.config.name.clone(),
            state: if slowed { "slowed" } else { status.state.as_str() },
            pipeline_id: self.config.pipeline.clone(),
            session_id: status.session_id.map(|id| id.to_string()),
            asked: AskedView::from(&self.config),
            agreed: status.agreed.as_ref().map(AgreedView::from),
            notes: status.notes.clone(),
            fps: (status.fps * 100.0).round() / 100.0,
            reading_fps: status.reading_fps,
            frames: self.metrics.frames.get(),
            lost_frames: self.metrics.lost.get(),
            bad_frames: self.metrics.bad.get(),
            skipped_frames: self.metrics.skipped.get(),
            reconnects: status.reconnects,
            last_frame_ts: status.last_frame_ts,
            last_error: status.fault.as_ref().map(FaultView::from),
            pipeline_error: status.pipeline_error.clone(),
        }
    }

    pub(super) fn tie(&self) -> &CameraTie {
        &self.tie
    }

    /// Hands a frame to whoever looks.
    pub(super) fn show(&self, frame: &Frame) {
        let shot = Shot { frame: frame.clone(), jpeg: OnceCell::new() };
        self.shots.send_replace(Some(Arc::new(shot)));
    }

    /// Whether somebody looks at its pictures.
    pub(super) fn is_looked_at(&self) -> bool {
        self.shots.receiver_count() > 0
    }

    /// Lets go of pictures that nobody looks at any more.
    pub(super) fn forget_pictures(&self) {
        // `is_closed`: no receiver is left.
        if self.shots.is_closed() && self.shots.borrow().is_some() {
            self.shots.send_replace(None);
        }
        if self.tie.shown.is_closed() && self.tie.shown.borrow().is_some() {
            self.tie.shown.send_replace(None);
        }
    }

    /// Whether the camera is to be open: always, or while somebody watches and shortly after.
    pub(super) fn is_wanted(&self, now: Instant) -> bool {
        let watched = self.tie.results.are_watched() || self.is_looked_at() || self.tie.shown.receiver_count() > 0;
        let mut status = self.lock();
        if self.config.always_on || watched {
            status.wanted_at = Some(now);
        }
        status.is_wanted(now)
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Waits until the camera is wanted; until then it is idle. Returns false when it is to stop.
    pub(super) fn wait_wanted(&self) -> bool {
        if !self.is_wanted(Instant::now()) {
            self.set_idle();
        }
        // Asked under the lock that the wait lets go of, so that whoever comes in between is not missed.
        let idle = |status: &mut Status| !status.stopping && !status.is_wanted(Instant::now());
        let status = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        !status.stopping
    }

    /// Waits `patience`, or until `is_back` says so (asked twice a second), or the camera is to stop. Returns whether it is
    /// back.
    pub(super) fn wait_retry(&self, patience: Duration, is_back: impl Fn() -> bool) -> bool {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let status = self.lock();
            if left.is_zero() || status.stopping {
                return false;
            }
            drop(self.changed.wait_timeout(status, left.min(LOOK)).unwrap_or_else(PoisonError::into_inner));
            if is_back() {
                return true;
            }
        }
    }

    pub(super) fn set_opened(&self, agreed: Agreed, notes: Vec<String>) -> bool {
        let mut status = self.lock();
        let is_news = status.agreed.as_ref() != Some(&agreed) || status.notes != notes;
        if status.state == CameraState::Idle {
            status.state = CameraState::Starting;
        }
        status.agreed = Some(agreed);
        status.notes = notes;
        is_news
    }

    /// Notes that frames come. Returns whether that is news.
    pub(super) fn set_up(&self) -> bool {
        let mut status = self.lock();
        let is_news = status.state != CameraState::Up;
        status.state = CameraState::Up;
        status.fault = None;
        self.metrics.up.set(1);
        is_news
    }

    /// Notes a fault. Returns whether it is news: the camera was not down, or for another reason.
    pub(super) fn set_down(&self, fault: &Fault) -> bool {
        let mut status = self.lock();
        let begins = status.state != CameraState::Down;
        let is_news = begins || status.fault.as_ref().is_none_or(|before| before.reason != fault.reason);
        status.state = CameraState::Down;
        status.fault = Some(fault.clone());
        status.fps = 0.0;
        status.reading_fps = None;
        self.metrics.up.set(0);
        self.metrics.fps.set(0.0);
        if begins {
            status.reconnects += 1;
            self.metrics.reconnect(fault.reason.as_str());
        }
        is_news
    }

    fn set_idle(&self) {
        let mut status = self.lock();
        status.state = CameraState::Idle;
        status.fault = None;
        status.fps = 0.0;
        status.reading_fps = None;
        self.metrics.up.set(1);
        self.metrics.fps.set(0.0);
    }

    pub(super) fn set_session(&self, session_id: Option<Uuid>) {
        self.lock().session_id = session_id;
    }

    /// Notes why no frame runs through the pipeline. Returns whether that is news.
    pub(super) fn set_pipeline_error(&self, error: Option<String>) -> bool {
        let mut status = self.lock();
        let is_news = status.pipeline_error != error;
        status.pipeline_error = error;
        is_news
    }

    pub(super) fn count(&self, frames: u64, drained: Drained) {
        self.metrics.frames.inc_by(frames);
        self.metrics.lost.inc_by(drained.lost);
        self.metrics.bad.inc_by(drained.bad);
        self.metrics.skipped.inc_by(drained.skipped);
    }

    pub(super) fn set_rates(&self, fps: f64, reading_fps: Option<f64>) {
        let mut status = self.lock();
        status.fps = fps;
        status.reading_fps = reading_fps;
        self.metrics.fps.set(fps);
    }

    /// Notes that a frame that was captured `age` ago is the newest.
    pub(super) fn note_frame(&self, age: Duration) {
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        self.lock().last_frame_ts = Some(SessionManager::now_ms().saturating_sub(age));
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn whoever_wants_a_camera_is_not_missed_between_a_look_and_the_wait() {
        const ROUNDS: u32 = 1000;
        let config = CameraConfig { always_on: false, ..CameraConfig::blank() };
        let camera = Arc::new(Camera::new(config, &Metrics::new("", "").unwrap()));
        let (asked, answered) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let ((done, is_done), over) = (channel(), Arc::new(AtomicBool::new(false)));
        // Others who take the lock in between hold both threads up at every step, so that each order of them comes about.
        for _ in 0..3 {
            let (camera, over) = (Arc::clone(&camera), Arc::clone(&over));
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let _status = camera.lock();
                    (0..15).for_each(|_| std::hint::spin_loop());
                }
            });
        }
        let (waiting, ask, answer) = (Arc::clone(&camera), Arc::clone(&asked), Arc::clone(&answered));
        // Not joined: where a wake is missed it waits for ever.
        thread::spawn(move || {
            for round in 1..=ROUNDS {
                waiting.lock().wanted_at = None;
                ask.store(round, Ordering::Release);
                assert!(waiting.wait_wanted());
                while answer.load(Ordering::Acquire) < round {
                    thread::yield_now();
                }
            }
            done.send(()).unwrap();
        });
        thread::spawn(move || {
            for round in 1..=ROUNDS {
                while asked.load(Ordering::Acquire) < round {
                    thread::yield_now();
                }
                (0..round % 6).for_each(|_| drop(camera.lock()));
                camera.want();
                answered.store(round, Ordering::Release);
            }
        });
        let woken = is_done.recv_timeout(Duration::from_secs(60));
        over.store(true, Ordering::Relaxed);
        assert!(woken.is_ok(), "a wake was missed, or the camera's thread failed");
    }
}
