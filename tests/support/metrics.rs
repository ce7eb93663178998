//! The Prometheus text format, as far as tests look at it.

use std::collections::BTreeMap;

/// Every sample of one scrape.
#[derive(Debug)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// The samples of a scrape's text.
    pub fn parse(text: &str) -> Metrics {
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        };
        Metrics(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// The value of a series, written as in the text: `name{label="value"}`, labels in alphabetical order.
    ///
    /// # Panics
    /// When there is no such series.
    pub fn value(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("no series {series} in {:#?}", self.0))
    }

    /// Frames of a pipeline's WebSocket sessions: `what` is `received`, `processed`, `dropped` or `discarded`.
    pub fn frames(&self, what: &str, pipeline: &str) -> u64 {
        self.value(&format!("stream_frames_{what}_total{{pipeline=\"{pipeline}\",source=\"websocket\"}}")) as u64
    }

    /// Sessions that ended in this error, or were refused with it.
    pub fn errors(&self, code: &str) -> u64 {
        self.value(&format!("stream_errors_total{{code=\"{code}\"}}")) as u64
    }

    /// How often a stage of a pipeline ran.
    pub fn stage_count(&self, pipeline: &str, stage: &str) -> u64 {
        self.value(&format!("stream_stage_seconds_count{{pipeline=\"{pipeline}\",stage=\"{stage}\"}}")) as u64
    }

    /// Names of all series, with labels.
    pub fn series(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(series, value)| (series.as_str(), *value))
    }
}
