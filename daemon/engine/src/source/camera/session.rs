//! A camera as the client of a session: opens one on its pipeline, offers frames at the pace at which they are served, and
//! takes a new one when the session ended in an error or the pipeline was replaced.

use std::sync::Arc;
use std::time::Instant;

use super::backoff::Backoff;
use super::pace::{Load, Pace};
use super::shared::Camera;
use crate::pipeline::Pipeline;
use crate::session::registry::Membership;
use crate::session::{Client, Services};
use base::frame::validator::ValidFrame;
use base::protocol::ErrorCode;

/// The camera's side of its sessions; one at a time, none while no pipeline is to be had.
#[derive(Debug)]
pub(super) struct CameraSession<'a> {
    camera: &'a Camera,
    services: &'a Services,
    live: Option<Live>,
    backoff: Backoff,
    retry_at: Option<Instant>,
}

#[derive(Debug)]
struct Live {
    membership: Membership,
    pace: Pace,
}

impl<'a> CameraSession<'a> {
    pub(super) fn new(camera: &'a Camera, services: &'a Services) -> Self {
        camera.set_pipeline_error(None);
        CameraSession { camera, services, live: None, backoff: Backoff::default(), retry_at: None }
    }

    /// Whether a frame that came now would be offered.
    pub(super) fn wants(&mut self, now: Instant) -> bool {
        self.renew(now);
        self.live.as_mut().is_some_and(|live| live.pace.is_due(now))
    }

    /// Offers a frame of a camera that delivers `camera_fps`.
    pub(super) fn offer(&mut self, frame: ValidFrame, captured_at: Instant, now: Instant, camera_fps: f64) {
        let Some(live) = &mut self.live else { return };
        let session = live.membership.session();
        if session.offer(frame, captured_at) {
            self.services.engine.ready(Arc::clone(session) as _);
        }
        let (state, processing_time_ms) = session.load();
        let dropped = session.totals().dropped_frames;
        let was_slowed = live.pace.limit().is_some();
        live.pace.adapt(Load { state, processing_time_ms, dropped, camera_fps }, now);
        if let Some(reading_fps) = live.pace.limit().filter(|_| !was_slowed) {
            log::info!(
                event = "stream_slow_down", session_id:% = session.id(), pipeline_id = session.pipeline().id(),
                camera = self.camera.config().name, reading_fps; "the camera is read less often"
            );
        }
        if processing_time_ms.is_some() && self.retry_at.take().is_some() {
            // A frame had its result: what failed before is over.
            self.backoff.reset();
            self.camera.set_pipeline_error(None);
        }
    }

    /// The rate that the camera is slowed to; none while it is not.
    pub(super) fn reading_fps(&self) -> Option<f64> {
        self.live.as_ref().and_then(|live| live.pace.limit())
    }

    /// Ends the session, if there is one.
    pub(super) fn end(&mut self, reason: &str) {
        let Some(live) = self.live.take() else { return };
        let session = live.membership.session();
        let totals = session.totals();
        self.camera.set_session(None);
        log::info!(
            event = "stream_disconnect", session_id:% = session.id(), pipeline_id = session.pipeline().id(),
            camera = self.camera.config().name, frame_index = totals.frame_index,
            dropped_frames = totals.dropped_frames, drop_rate = totals.drop_rate,
            duration_s = totals.duration.as_secs_f64(), reason; "a camera's session ended"
        );
    }

    /// Sees to it that there is a session on the pipeline as it is now, where one can be had.
    fn renew(&mut self, now: Instant) {
        let Some(id) = self.camera.config().pipeline.as_deref() else { return };
        let current = self.services.pipelines.get(id);
        if let Some(live) = &self.live {
            let session = live.membership.session();
            if let Some(error) = session.error() {
                if error.code == ErrorCode::ShuttingDown {
                    return self.end(error.code.as_str());
                }
                self.fail(&error.detail, error.code.as_str(), now);
            } else if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, session.pipeline())) {
                return;
            } else {
                self.end("its pipeline was loaded anew, or is no more");
            }
        }
        if self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        match current {
            Some(pipeline) => self.open(pipeline, now),
            None => {
                let error = format!("there is no pipeline \"{id}\"; `forgesyted check` says why");
                if self.camera.set_pipeline_error(Some(error.clone())) {
                    log::warn!(event = "camera_pipeline_missing", camera = self.camera.config().name, pipeline_id = id; "{error}");
                }
                self.retry_at = Some(now + self.backoff.after_failure());
            }
        }
    }

    fn open(&mut self, pipeline: Arc<Pipeline>, now: Instant) {
        let pipeline_id = pipeline.id().to_owned();
        match self.services.open(Client::Camera(self.camera.tie().clone()), pipeline) {
            Ok(membership) => {
                let id = membership.session().id();
                self.camera.set_session(Some(id));
                log::info!(
                    event = "stream_connect", session_id:% = id, pipeline_id, camera = self.camera.config().name;
                    "a camera streams"
                );
                self.live = Some(Live { membership, pace: Pace::default() });
            }
            // Only a daemon that stops refuses a camera.
            Err(_) => self.retry_at = Some(now + self.backoff.after_failure()),
        }
    }

    fn fail(&mut self, detail: &str, code: &'static str, now: Instant) {
        self.services.metrics.error(code);
        self.camera.set_pipeline_error(Some(detail.to_owned()));
        log::warn!(event = "stream_error", camera = self.camera.config().name, code; "a camera's session ended in an error: {detail}");
        self.end(code);
        self.retry_at = Some(now + self.backoff.after_failure());
    }
}

impl Drop for CameraSession<'_> {
    /// A panic unwinds through here too.
    fn drop(&mut self) {
        self.end("the camera is closed");
    }
}
