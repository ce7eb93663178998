//! The series of pipelines and their sessions: they come with the first pipeline of an id, and go with the last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, Result,
};

use super::families::{Active, counters, gauges, registered};
use super::stage::Stage;

/// Seconds: from a small frame's decoding on a fast machine to the longest wait that is still of interest; 40 ms is the time of a
/// frame at 25 frames/s.
const STAGE_BUCKETS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.04, 0.05, 0.1, 0.25, 0.5, 2.0, 10.0];

/// Bytes: 4 KiB to 16 MiB.
const FRAME_BUCKETS: [f64; 7] = [4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];

/// Frames of one batch: up to the most that a pipeline file may ask for.
const BATCH_BUCKETS: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// The stage that every pipeline has, and that its other series go with.
const TOTAL: &str = "total";

/// Where a session's frames come from; the label `source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A client at the streaming endpoint.
    Websocket,
    /// A camera of this machine.
    Camera,
}

/// What one session counts. A clone counts in the same series. At any time, over all sessions of a series:
/// received = processed + dropped + discarded + frames waiting or running.
#[derive(Clone, Debug)]
pub struct SessionMetrics {
    active: IntGauge,
    /// Frames received.
    pub received: IntCounter,
    /// Frames that ran to a result.
    pub processed: IntCounter,
    /// Frames that gave way to a newer one.
    pub dropped: IntCounter,
    /// Frames that got neither: the session ended first, or a camera's did not decode.
    pub discarded: IntCounter,
    /// `slow_down` notices sent.
    pub slow_downs: IntCounter,
    /// Size of received frames, in bytes.
    pub frame_bytes: Histogram,
}

/// What one pipeline times, in seconds. A clone observes into the same series, which exist as long as one of them does.
#[derive(Clone, Debug)]
pub struct PipelineMetrics {
    /// From the moment a frame could run to its start.
    pub wait: Stage,
    /// Decoding of the image.
    pub decode: Stage,
    /// From the moment a frame could run to its result.
    pub total: Stage,
    /// Frames that ran together, of as many sessions.
    batch_frames: Histogram,
    /// Each node, in the order in which the nodes were given.
    pub nodes: Vec<Stage>,
    /// How often so many frames ran as one; kept where exact times are.
    pub batches: Option<Arc<Mutex<BTreeMap<usize, u64>>>>,
    _held: Arc<Held>,
}

/// The families that pipelines have series in.
#[derive(Debug)]
pub(super) struct PipelineFamilies {
    active: IntGaugeVec,
    /// Received, processed, dropped, discarded, notices to slow down.
    frames: [IntCounterVec; 5],
    stages: HistogramVec,
    batch_frames: HistogramVec,
    frame_bytes: HistogramVec,
    /// How many pipelines have a stage, by pipeline and stage: after a reload sessions run on under the old one.
    holders: Mutex<BTreeMap<(String, String), usize>>,
}

/// The series of one loaded pipeline. Each is removed with the last pipeline that has it.
#[derive(Debug)]
struct Held {
    families: Arc<PipelineFamilies>,
    stages: Vec<(String, String)>,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 2] = [Self::Websocket, Self::Camera];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
            Self::Camera => "camera",
        }
    }
}

impl PipelineFamilies {
    pub(super) fn register(registry: &Registry) -> Result<Self> {
        let session = ["source", "pipeline"];
        let counter = |name, help| counters(registry, name, help, &session);
        let histogram = |name: &str, help: &str, buckets: &[f64], labels: &[&str]| {
            let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            registered(registry, HistogramVec::new(opts, labels))
        };
        let batch = "Frames that ran as one batch, of as many sessions; counted once a batch.";
        let bytes = "Size of received frames, in bytes: of JPEG, or of a camera's raw picture.";
        let stage = "Time of a frame in a stage.";
        let families = Self {
            active: gauges(registry, "stream_sessions_active", "Sessions that are open.", &session)?,
            frames: [
                counter("stream_frames_received_total", "Frames received.")?,
                counter("stream_frames_processed_total", "Frames that ran to a result.")?,
                counter("stream_frames_dropped_total", "Frames that gave way to a newer one.")?,
                counter(
                    "stream_frames_discarded_total",
                    "Frames neither processed nor dropped: their session ended first, or they are a camera's and do not decode.",
                )?,
                counter(
                    "stream_slowdown_signals_total",
                    "slow_down notices; for a camera, which nobody can tell, times that one was due.",
                )?,
            ],
            stages: histogram("stream_stage_seconds", stage, &STAGE_BUCKETS, &["pipeline", "stage"])?,
            batch_frames: histogram("stream_batch_frames", batch, &BATCH_BUCKETS, &["pipeline"])?,
            frame_bytes: histogram("stream_frame_bytes", bytes, &FRAME_BUCKETS, &["source"])?,
            holders: Mutex::default(),
        };
        for source in Source::ALL {
            families.frame_bytes.with_label_values(&[source.as_str()]);
        }
        Ok(families)
    }

    pub(super) fn session(&self, source: Source, pipeline: &str) -> SessionMetrics {
        let labels = [source.as_str(), pipeline];
        let [received, processed, dropped, discarded, slow_downs] =
            self.frames.each_ref().map(|family| family.with_label_values(&labels));
        let active = self.active.with_label_values(&labels);
        let frame_bytes = self.frame_bytes.with_label_values(&[source.as_str()]);
        SessionMetrics { active, received, processed, dropped, discarded, slow_downs, frame_bytes }
    }

    pub(super) fn pipeline(self: &Arc<Self>, pipeline: &str, nodes: &[String], exact: bool) -> PipelineMetrics {
        let stages = ["wait", "decode", TOTAL].into_iter().chain(nodes.iter().map(String::as_str));
        let stages: Vec<_> = stages.map(|stage| (pipeline.to_owned(), stage.to_owned())).collect();
        // First, so that nobody takes away what is here already.
        let mut holders = self.holders();
        stages.iter().for_each(|stage| *holders.entry(stage.clone()).or_default() += 1);
        drop(holders);
        let held = Arc::new(Held { families: Arc::clone(self), stages });
        for source in Source::ALL {
            self.session(source, pipeline);
        }
        let stage = |stage: &str| Stage::new(self.stages.with_label_values(&[pipeline, stage]), exact);
        PipelineMetrics {
            wait: stage("wait"),
            decode: stage("decode"),
            total: stage(TOTAL),
            batch_frames: self.batch_frames.with_label_values(&[pipeline]),
            nodes: nodes.iter().map(|node| stage(node)).collect(),
            batches: exact.then(Arc::default),
            _held: held,
        }
    }

    /// Removes the series of a stage, and with its last one the pipeline's.
    fn forget(&self, pipeline: &str, stage: &str) {
        // An error says that there was no such series.
        let _ = self.stages.remove_label_values(&[pipeline, stage]);
        if stage != TOTAL {
            return;
        }
        let _ = self.batch_frames.remove_label_values(&[pipeline]);
        for labels in Source::ALL.map(|source| [source.as_str(), pipeline]) {
            let _ = self.active.remove_label_values(&labels);
            self.frames.iter().for_each(|family| _ = family.remove_label_values(&labels));
        }
    }

    fn holders(&self) -> MutexGuard<'_, BTreeMap<(String, String), usize>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Held until the series are gone, or a pipeline that is loaded at this moment would lose its own.
        let mut holders = self.families.holders();
        for stage in &self.stages {
            match holders.get_mut(stage) {
                Some(others) if *others > 1 => *others -= 1,
                _ => {
                    holders.remove(stage);
                    self.families.forget(&stage.0, &stage.1);
                }
            }
        }
    }
}

impl SessionMetrics {
    /// Counts a session as active until the returned value is dropped.
    pub fn open(&self) -> Active {
        Active::new(&self.active)
    }
}

impl PipelineMetrics {
    /// Counts frames that ran as one.
    pub fn batch(&self, frames: usize) {
        self.batch_frames.observe(frames as f64);
        if let Some(batches) = &self.batches {
            *batches.lock().unwrap_or_else(PoisonError::into_inner).entry(frames).or_default() += 1;
        }
    }

    /// Forgets exact times and batches so far.
    pub fn reset(&self) {
        [&self.wait, &self.decode, &self.total].into_iter().chain(&self.nodes).for_each(Stage::reset);
        if let Some(batches) = &self.batches {
            batches.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}
