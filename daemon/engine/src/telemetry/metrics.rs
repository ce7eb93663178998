//! Every metric series, built once and handed out as small structs.

use std::path::PathBuf;
use std::sync::Arc;

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry, TextEncoder};

use base::protocol::ErrorCode;

pub use super::camera_metrics::CameraMetrics;
pub use super::families::Active;
pub use super::pipeline_metrics::{PipelineMetrics, SessionMetrics, Source};

use super::camera_metrics::CameraFamilies;
use super::families::{counters, gauges, registered};
use super::{log_metrics::LogLines, machine_metrics::Machine, pipeline_metrics::PipelineFamilies};

/// Every series of the process. Made once; rooms get the small structs.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    ready: IntGauge,
    /// Panics caught.
    pub panics: IntCounter,
    /// Connections closed at once because too many were open.
    pub refused: IntCounter,
    errors: IntCounterVec,
    pipelines: Arc<PipelineFamilies>,
    cameras: CameraFamilies,
    /// What watchers count.
    pub watchers: WatchMetrics,
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
        let build = "Always 1; its labels name the daemon's version and libtorch's.";
        gauges(&registry, "forgesyted_build_info", build, &["version", "torch"])?
            .with_label_values(&[version, torch_version])
            .set(1);
        let gauge = |name, help| registered(&registry, IntGauge::new(name, help));
        let counter = |name, help| registered(&registry, IntCounter::new(name, help));
        let metrics = Self {
            errors: counters(&registry, "stream_errors_total", "Errors that ended a session.", &["code"])?,
            pipelines: Arc::new(PipelineFamilies::register(&registry)?),
            cameras: CameraFamilies::register(&registry)?,
            watchers: WatchMetrics {
                active: gauge("stream_watchers_active", "Connections that watch results.")?,
                missed: counter("stream_watch_missed_total", "Results that slow watchers were not sent.")?,
            },
            ready: gauge("forgesyted_ready", "1 when a new session would be served, else 0; what /readyz says.")?,
            panics: counter(
                "stream_panics_total",
                "Panics caught, each once: it cost one frame or one session, or none where it came of running frames as a batch.",
            )?,
            refused: counter(
                "stream_connections_refused_total",
                "Connections closed at once because server.max_connections were open.",
            )?,
            registry,
            exact: false,
        };
        for code in ErrorCode::ALL.map(ErrorCode::as_str) {
            metrics.errors.with_label_values(&[code]);
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
        self.pipelines.session(source, pipeline)
    }

    /// What `pipeline` times, for its nodes in order. From here on every series of the pipeline exists, at 0.
    pub fn pipeline(&self, pipeline: &str, nodes: &[String]) -> PipelineMetrics {
        self.pipelines.pipeline(pipeline, nodes, self.exact)
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

    /// Says whether a new session would be served.
    pub fn set_ready(&self, ready: bool) {
        self.ready.set(i64::from(ready));
    }
}

impl WatchMetrics {
    /// Counts a watcher as active until the returned value is dropped.
    pub fn open(&self) -> Active {
        Active::new(&self.active)
    }
}
