//! The series of cameras, by the label `camera`: names from the configuration, never from a client.

use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::families::{counters, gauges, registered};

/// What one camera counts.
#[derive(Clone, Debug)]
pub struct CameraMetrics {
    /// 1 while frames come (or nobody wants any), 0 while it is down.
    pub up: IntGauge,
    /// Frames a second that came lately.
    pub fps: Gauge,
    /// Frames captured, bad and skipped ones included.
    pub frames: IntCounter,
    /// Frames that the driver lost.
    pub lost: IntCounter,
    /// Frames thrown away because they were damaged or incomplete.
    pub bad: IntCounter,
    /// Whole frames that gave way to a newer one before they were offered, or came while the camera was read less often.
    pub skipped: IntCounter,
    reconnects: Vec<(&'static str, IntCounter)>,
}

/// The families that every camera has a series in.
#[derive(Debug)]
pub(super) struct CameraFamilies {
    up: IntGaugeVec,
    fps: GaugeVec,
    frames: IntCounterVec,
    lost: IntCounterVec,
    bad: IntCounterVec,
    skipped: IntCounterVec,
    reconnects: IntCounterVec,
}

impl CameraMetrics {
    /// Counts an outage with this reason.
    pub fn reconnect(&self, reason: &str) {
        self.reconnects.iter().filter(|(known, _)| *known == reason).for_each(|(_, counter)| counter.inc());
    }
}

impl CameraFamilies {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let camera = ["camera"];
        let counter = |name, help| counters(registry, name, help, &camera);
        let fps = Opts::new("camera_fps", "Frames a second that came in the last three seconds.");
        Ok(Self {
            up: gauges(
                registry,
                "camera_up",
                "1 while the camera is well (up, slowed, or idle because nobody watches), 0 while it is down or has not started.",
                &camera,
            )?,
            fps: registered(registry, GaugeVec::new(fps, &camera))?,
            frames: counter("camera_frames_total", "Frames captured, bad and skipped ones included.")?,
            lost: counter("camera_lost_frames_total", "Frames that the driver lost, by its sequence numbers.")?,
            bad: counter("camera_bad_frames_total", "Frames thrown away: damaged or incomplete.")?,
            skipped: counter(
                "camera_skipped_frames_total",
                "Whole frames that were not offered to the camera's pipeline: a newer one was there, the camera is read less often, or the \
                 pipeline is resting after a failure.",
            )?,
            reconnects: counters(
                registry,
                "camera_reconnects_total",
                "Outages after which the camera is opened anew, by the reason of the outage.",
                &["camera", "reason"],
            )?,
        })
    }

    pub(super) fn of(&self, camera: &str, reasons: &[&'static str]) -> CameraMetrics {
        let name = [camera];
        CameraMetrics {
            up: self.up.with_label_values(&name),
            fps: self.fps.with_label_values(&name),
            frames: self.frames.with_label_values(&name),
            lost: self.lost.with_label_values(&name),
            bad: self.bad.with_label_values(&name),
            skipped: self.skipped.with_label_values(&name),
            reconnects: reasons
                .iter()
                .map(|&reason| (reason, self.reconnects.with_label_values(&[camera, reason])))
                .collect(),
        }
    }

    pub(super) fn forget(&self, camera: &str, reasons: &[&'static str]) {
        let name = [camera];
        // An error says that there was no such series.
        let _ = self.up.remove_label_values(&name);
        let _ = self.fps.remove_label_values(&name);
        for family in [&self.frames, &self.lost, &self.bad, &self.skipped] {
            let _ = family.remove_label_values(&name);
        }
        for reason in reasons {
            let _ = self.reconnects.remove_label_values(&[camera, reason]);
        }
    }
}
