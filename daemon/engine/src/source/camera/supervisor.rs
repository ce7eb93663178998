//! The life of one camera, on a thread of its own: open, run, explain what went wrong, back off, and again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::backoff::Backoff;
use super::rate::Rate;
use super::session::CameraSession;
use super::shared::Camera;
use crate::session::Services;
use base::capture::v4l2::{self, Identity};
use base::capture::{Agreed, Capture, Drained, Encoding, Fault, Held, Opened, Reason, open};
use base::config::CameraDevice;
use base::frame::validator::{self, FrameError, FrameLimits, ValidFrame};
use base::frame::{Frame, FrameData, RawPicture, Rotation};

/// A look at the camera's queue takes no longer than this, so that a stop or a reload is noticed.
const LOOK: Duration = Duration::from_millis(250);
/// A camera that gave frames for this long was well: what fails then begins with a short rest again.
const STEADY: Duration = Duration::from_secs(2);
/// A camera of which every frame is refused for this long is given up for a while.
const ONLY_REFUSED: Duration = Duration::from_secs(2);
/// How often rates are told.
const TELL: Duration = Duration::from_secs(1);

/// Why a camera that was open is closed.
enum Closed {
    Stopping,
    Unwanted,
    Fault(Fault),
}

/// A whole frame, copied out of the driver's buffer where anybody wants it.
struct Taken {
    /// A copy, where somebody wants it.
    frame: Option<ValidFrame>,
    captured_at: Instant,
    offer: bool,
}

/// Runs a camera until it is to stop.
pub(super) fn supervise(camera: &Camera, services: &Services) {
    let mut backoff = Backoff::default();
    while camera.wait_wanted() {
        // Before it is opened: whatever changes from here on is worth another try.
        let before = identify(&camera.config().device);
        let closed =
            catch_unwind(AssertUnwindSafe(|| live_once(camera, services, &mut backoff))).unwrap_or_else(|_| {
                services.metrics.panics.inc();
                Closed::Fault(Fault::new(Reason::IoError, "A defect of the daemon; its log has the panic."))
            });
        camera.forget_pictures();
        match closed {
            Closed::Stopping => return,
            Closed::Unwanted => {
                log::info!(event = "camera_idle", camera = camera.config().name; "nobody watches: the camera is closed");
            }
            Closed::Fault(fault) => rest(camera, &fault, before, &mut backoff),
        }
    }
}

/// Tells of a fault, and waits: for as long as the backoff says, or until the device is there anew.
fn rest(camera: &Camera, fault: &Fault, before: Option<Identity>, backoff: &mut Backoff) {
    let wait = backoff.after_failure();
    let name = &camera.config().name;
    if camera.set_down(fault) {
        log::warn!(
            event = "camera_down", camera = name, reason = fault.reason.as_str(), err = fault.detail,
            device:% = camera.config().device; "camera {name} is down: {}", fault.detail
        );
    } else {
        log::debug!(event = "camera_retry", camera = name, reason = fault.reason.as_str(), err = fault.detail; "still down");
    }
    let came_anew = camera.wait_retry(wait, || {
        let now = identify(&camera.config().device);
        now.is_some() && now != before
    });
    if came_anew {
        // Its first moments may fail still: drivers ask the device, and udev sets its rights.
        backoff.reset();
    }
}

fn live_once(camera: &Camera, services: &Services, backoff: &mut Backoff) -> Closed {
    let Opened { capture, notes } = match open(camera.config()) {
        Ok(opened) => opened,
        Err(fault) => return Closed::Fault(fault),
    };
    let agreed = capture.agreed().clone();
    let name = &camera.config().name;
    if camera.set_opened(agreed.clone(), notes.clone()) {
        for note in &notes {
            log::info!(event = "camera_note", camera = name; "{note}");
        }
    }
    let rotation = match camera.config().rotate {
        90 => Rotation::Quarter,
        180 => Rotation::Half,
        270 => Rotation::ThreeQuarters,
        _ => Rotation::None,
    };
    let session = CameraSession::new(camera, services);
    let mut run = Run {
        camera,
        services,
        agreed,
        rotation,
        session,
        rate: Rate::default(),
        told_at: None,
        refused_since: None,
        up_since: None,
    };
    let closed = run.until_closed(capture, backoff);
    run.session.end(match closed {
        Closed::Stopping => "the camera was stopped",
        Closed::Unwanted => "nobody watches",
        Closed::Fault(_) => "the camera is down",
    });
    closed
}

/// An open camera.
struct Run<'a> {
    camera: &'a Camera,
    services: &'a Services,
    agreed: Agreed,
    rotation: Rotation,
    session: CameraSession<'a>,
    rate: Rate,
    told_at: Option<Instant>,
    /// Since when every frame was refused.
    refused_since: Option<Instant>,
    /// When its first frame came.
    up_since: Option<Instant>,
}

impl Run<'_> {
    fn until_closed(&mut self, mut capture: Box<dyn Capture>, backoff: &mut Backoff) -> Closed {
        loop {
            if self.camera.is_stopping() {
                return Closed::Stopping;
            }
            if !self.camera.is_wanted(Instant::now()) {
                return Closed::Unwanted;
            }
            if let Err(fault) = self.look(&mut *capture, backoff) {
                return Closed::Fault(fault);
            }
        }
    }

    /// One look at the camera's queue, and what is done with the frame that it gives.
    fn look(&mut self, capture: &mut dyn Capture, backoff: &mut Backoff) -> Result<(), Fault> {
        let limits = FrameLimits::from(&self.services.config.load().stream);
        self.check_size(limits.max_pixels)?;
        let looked_at = self.camera.is_looked_at();
        let (held, mut drained) = capture.next(LOOK)?;
        let taken = held.map(|held| self.take(&held, looked_at, limits)).transpose();
        let now = Instant::now();
        drained.bad += u64::from(taken.is_err());
        self.count(drained, taken.as_ref().ok().and_then(Option::as_ref), now);
        match taken {
            Ok(None) => {}
            Ok(Some(taken)) => {
                self.note_whole(taken.captured_at, now, backoff);
                self.hand_on(taken, looked_at, now);
            }
            Err(error) => self.note_refused(&error, now)?,
        }
        Ok(())
    }

    /// Takes a frame out of the driver's buffer; refuses what passes for a JPEG and would end a client's session.
    fn take(&mut self, held: &Held<'_>, looked_at: bool, limits: FrameLimits) -> Result<Taken, FrameError> {
        let offer = self.session.wants(Instant::now());
        // No consumer, no work: a frame that nobody wants is not even copied. What is used is judged as it was copied:
        // a program that feeds a loopback device may write to it meanwhile.
        let frame = if offer || looked_at {
            let copy = Bytes::copy_from_slice(held.bytes());
            Some(ValidFrame::new(self.frame(copy), limits)?)
        } else if self.agreed.encoding == Encoding::Jpeg {
            validator::validate(held.bytes(), limits).map(|_| None)?
        } else {
            None
        };
        Ok(Taken { frame, captured_at: held.captured_at, offer })
    }

    fn frame(&self, bytes: Bytes) -> Frame {
        let data = match self.agreed.encoding {
            Encoding::Jpeg => FrameData::Jpeg(bytes),
            Encoding::Raw(layout) => FrameData::Raw(RawPicture {
                layout,
                width: self.agreed.width as usize,
                height: self.agreed.height as usize,
                stride: self.agreed.stride as usize,
                bytes,
            }),
        };
        Frame { data, rotation: self.rotation }
    }

    /// A frame that the validator refuses is a bad one; a camera that gives no other is no camera to go on with.
    fn note_refused(&mut self, error: &FrameError, now: Instant) -> Result<(), Fault> {
        let since = *self.refused_since.get_or_insert(now);
        if now.saturating_duration_since(since) < ONLY_REFUSED {
            return Ok(());
        }
        let detail = format!("Every frame of the camera is refused: {error}");
        Err(Fault::new(Reason::BadFormat, detail))
    }

    /// A raw picture's size is the device's word; a reload may allow less.
    fn check_size(&self, limit: u64) -> Result<(), Fault> {
        let pixels = u64::from(self.agreed.width) * u64::from(self.agreed.height);
        if pixels <= limit {
            return Ok(());
        }
        let detail = format!(
            "The camera gives {pixels} pixels and stream.max_frame_pixels is {limit}; ask for a smaller picture."
        );
        Err(Fault::new(Reason::BadFormat, detail))
    }

    fn note_whole(&mut self, captured_at: Instant, now: Instant, backoff: &mut Backoff) {
        self.refused_since = None;
        let up_since = *self.up_since.get_or_insert(now);
        if now.saturating_duration_since(up_since) >= STEADY {
            backoff.reset();
        }
        self.camera.note_frame(now.saturating_duration_since(captured_at));
        if self.camera.set_up() {
            let (name, agreed) = (&self.camera.config().name, &self.agreed);
            log::info!(
                event = "camera_up", camera = name, format = agreed.encoding.fourcc(), width = agreed.width,
                height = agreed.height, fps = agreed.fps, card = agreed.card, driver = agreed.driver;
                "camera {name} gives {agreed}"
            );
        }
    }

    fn count(&mut self, mut drained: Drained, whole: Option<&Taken>, now: Instant) {
        let frames = u64::from(whole.is_some()) + drained.skipped + drained.bad;
        // Without a pipeline nothing is offered, and nothing is missed by that.
        if whole.is_some_and(|taken| !taken.offer) && self.camera.config().pipeline.is_some() {
            drained.skipped += 1;
        }
        self.camera.count(frames, drained);
        self.rate.note(frames, now);
        if self.told_at.is_none_or(|at| now.saturating_duration_since(at) >= TELL) {
            self.told_at = Some(now);
            self.camera.set_rates(self.rate.per_second(now), self.session.reading_fps());
            self.camera.forget_pictures();
        }
    }

    fn hand_on(&mut self, taken: Taken, looked_at: bool, now: Instant) {
        let Some(frame) = taken.frame else { return };
        if looked_at {
            self.camera.show(&frame);
        }
        if taken.offer {
            let fps = self.rate.per_second(now);
            self.session.offer(frame, taken.captured_at, now, fps);
        }
    }
}

/// What tells a device from another one at the same place; none while there is none.
fn identify(device: &CameraDevice) -> Option<Identity> {
    match device {
        // A file that is being written changes all the time, and is the same one.
        CameraDevice::Replay(path) => v4l2::identity(path).map(Identity::of_node),
        device => v4l2::identity(&v4l2::resolve(device).ok()?),
    }
}
