//! Every metric series, built once and handed out as small structs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use base::protocol::ErrorCode;

use crate::telemetry::camera_metrics::CameraFamilies;
pub use crate::telemetry::camera_metrics::CameraMetrics;
use crate::telemetry::log_metrics::LogLines;
use crate::telemetry::machine_metrics::Machine;
use crate::telemetry::stage::Stage;

/// Seconds: from a small frame's decoding on a fast machine to the longest wait that is still of interest.
const STAGE_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 2.0, 10.0];

/// Bytes: 4 KiB to 16 MiB.
const FRAME_BUCKETS: [f64; 7] = [4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];

/// Frames of one batch: up to the most that a pipeline file may ask for.
const BATCH_BUCKETS: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// Where a session's frames come from; the label `source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A client at the streaming endpoint.
    Websocket,
    /// A camera of this machine.
    Camera,
}

/// Every series of the process. Made once; rooms get the small structs.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    ready: IntGauge,
    panics: IntCounter,
    refused: IntCounter,
    errors: IntCounterVec,
    active: IntGaugeVec,
    received: IntCounterVec,
    processed: IntCounterVec,
    dropped: IntCounterVec,
    discarded: IntCounterVec,
    slow_downs: IntCounterVec,
    stages: HistogramVec,
    batch_frames: HistogramVec,
    frame_bytes: HistogramVec,
    cameras: CameraFamilies,
    watchers: WatchMetrics,
    /// Whether pipelines keep exact times too.
    exact: bool,
}

/// What watchers count.
#[derive(Clone, Debug)]
pub struct WatchMetrics {
    active: IntGauge,
    /// Results that slow watchers were not sent.
    pub missed: IntCounter,
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
    /// Frames that got neither, because the session ended first.
    pub discarded: IntCounter,
    /// `slow_down` notices sent.
    pub slow_downs: IntCounter,
    /// Size of received frames, in bytes.
    pub frame_bytes: Histogram,
}

/// Keeps a session or a watcher counted as active until dropped.
#[must_use = "it counts as active only while this lives"]
#[derive(Debug)]
pub struct Active(IntGauge);

/// What one pipeline times, in seconds. A clone observes into the same series.
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
    /// Each node, in the order given to [`Metrics::pipeline`].
    pub nodes: Vec<Stage>,
    /// How often so many frames ran as one; kept where exact times are.
    pub batches: Option<Arc<Mutex<BTreeMap<usize, u64>>>>,
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

impl Metrics {
    /// All series of this process, with the daemon's `version` and libtorch's.
    ///
    /// # Errors
    /// A metric's name is not valid or comes twice; the names are fixed, so a test would have shown it.
    pub fn new(version: &str, torch_version: &str) -> Result<Self, prometheus::Error> {
        Self::with_root(version, torch_version, PathBuf::from("/"))
    }

    /// [`Self::new`] with the machine's `/sys` and `/proc` below `root`.
    pub(super) fn with_root(version: &str, torch_version: &str, root: PathBuf) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        registry.register(Box::new(Machine::new(root)?))?;
        registry.register(Box::new(LogLines::new()?))?;
        let build = "What runs: the daemon's version and libtorch's. Always 1.";
        gauges(&registry, "forgesyted_build_info", build, &["version", "torch"])?
            .with_label_values(&[version, torch_version])
            .set(1);
        let ready = IntGauge::new("forgesyted_ready", "1 when a new session would be served, else 0.")?;
        let panics = IntCounter::new("stream_panics_total", "Panics caught: each cost a frame or a session.")?;
        let refused = IntCounter::new(
            "stream_connections_refused_total",
            "Connections closed at once because server.max_connections were open.",
        )?;
        let watchers = WatchMetrics {
            active: IntGauge::new("stream_watchers_active", "Connections that watch results.")?,
            missed: IntCounter::new("stream_watch_missed_total", "Results that slow watchers were not sent.")?,
        };
        registry.register(Box::new(watchers.active.clone()))?;
        registry.register(Box::new(watchers.missed.clone()))?;
        registry.register(Box::new(ready.clone()))?;
        registry.register(Box::new(panics.clone()))?;
        registry.register(Box::new(refused.clone()))?;
        let session = ["source", "pipeline"];
        let counter = |name, help| counters(&registry, name, help, &session);
        let metrics = Self {
            active: gauges(&registry, "stream_sessions_active", "Sessions that are open.", &session)?,
            received: counter("stream_frames_received_total", "Frames received.")?,
            processed: counter("stream_frames_processed_total", "Frames that ran to a result.")?,
            dropped: counter("stream_frames_dropped_total", "Frames that gave way to a newer one.")?,
            discarded: counter(
                "stream_frames_discarded_total",
                "Frames neither processed nor dropped, because their session ended first.",
            )?,
            slow_downs: counter("stream_slowdown_signals_total", "Notices to a client to slow down.")?,
            errors: counters(&registry, "stream_errors_total", "Errors that ended a session, by code.", &["code"])?,
            stages: histograms(
                &registry,
                "stream_stage_seconds",
                "Time of a frame in a stage: wait, decode, each node of the pipeline, total.",
                &STAGE_BUCKETS,
                &["pipeline", "stage"],
            )?,
            batch_frames: histograms(
                &registry,
                "stream_batch_frames",
                "Frames that ran as one batch, of as many sessions.",
                &BATCH_BUCKETS,
                &["pipeline"],
            )?,
            frame_bytes: histograms(
                &registry,
                "stream_frame_bytes",
                "Size of received frames, in bytes of JPEG.",
                &FRAME_BUCKETS,
                &["source"],
            )?,
            cameras: CameraFamilies::register(&registry)?,
            watchers,
            ready,
            panics,
            refused,
            registry,
            exact: false,
        };
        for code in ErrorCode::ALL.map(ErrorCode::as_str) {
            metrics.errors.with_label_values(&[code]);
        }
        for source in Source::ALL {
            metrics.frame_bytes.with_label_values(&[source.as_str()]);
        }
        Ok(metrics)
    }

    /// Has pipelines that are loaded from here on keep every time exactly, for whoever measures. It costs a lock a stage.
    #[must_use]
    pub fn with_exact_times(self) -> Self {
        Metrics { exact: true, ..self }
    }

    /// Everything in the Prometheus text format; the process's and the machine's gauges are read now.
    ///
    /// # Errors
    /// A series cannot be written as text.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// What a session of `pipeline` counts. `pipeline` must be the id of a known pipeline, never a client's text.
    pub fn session(&self, source: Source, pipeline: &str) -> SessionMetrics {
        let labels = [source.as_str(), pipeline];
        SessionMetrics {
            active: self.active.with_label_values(&labels),
            received: self.received.with_label_values(&labels),
            processed: self.processed.with_label_values(&labels),
            dropped: self.dropped.with_label_values(&labels),
            discarded: self.discarded.with_label_values(&labels),
            slow_downs: self.slow_downs.with_label_values(&labels),
            frame_bytes: self.frame_bytes.with_label_values(&[source.as_str()]),
        }
    }

    /// What `pipeline` times, for its nodes in order. From here on every series of the pipeline exists, at 0.
    pub fn pipeline(&self, pipeline: &str, nodes: &[String]) -> PipelineMetrics {
        for source in Source::ALL {
            self.session(source, pipeline);
        }
        let stage = |stage: &str| Stage::new(self.stages.with_label_values(&[pipeline, stage]), self.exact);
        PipelineMetrics {
            wait: stage("wait"),
            decode: stage("decode"),
            total: stage("total"),
            batch_frames: self.batch_frames.with_label_values(&[pipeline]),
            nodes: nodes.iter().map(|node| stage(node)).collect(),
            batches: self.exact.then(Arc::default),
        }
    }

    /// What a camera counts. From here on its series exist, at 0. `reasons` are all values of the label `reason`.
    pub fn camera(&self, camera: &str, reasons: &[&'static str]) -> CameraMetrics {
        self.cameras.of(camera, reasons)
    }

    /// Removes the series of a camera that is configured no more.
    pub fn forget_camera(&self, camera: &str, reasons: &[&'static str]) {
        self.cameras.forget(camera, reasons);
    }

    /// Counts an error that ended a session; `code` is an error code's name.
    pub fn error(&self, code: &'static str) {
        self.errors.with_label_values(&[code]).inc();
    }

    /// What watchers count.
    pub fn watchers(&self) -> &WatchMetrics {
        &self.watchers
    }

    /// Panics caught.
    pub fn panics(&self) -> &IntCounter {
        &self.panics
    }

    /// Connections closed at once because too many were open.
    pub fn connections_refused(&self) -> &IntCounter {
        &self.refused
    }

    /// Says whether a new session would be served.
    pub fn set_ready(&self, ready: bool) {
        self.ready.set(i64::from(ready));
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

impl WatchMetrics {
    /// Counts a watcher as active until the returned value is dropped.
    pub fn open(&self) -> Active {
        Active::new(&self.active)
    }
}

impl Active {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Active(gauge.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.dec();
    }
}

pub(super) fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    let family = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

pub(super) fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
    labels: &[&str],
) -> Result<HistogramVec, prometheus::Error> {
    let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    let family = HistogramVec::new(opts, labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}
