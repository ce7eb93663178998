//! What the log counts, read when metrics are asked for: the log starts before there are metrics.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, Opts};

use base::logging;

/// Collects the log's counter at each scrape.
pub struct LogLines {
    opts: Opts,
    descs: Vec<Desc>,
}

impl LogLines {
    /// # Errors
    /// A metric's name is not valid; it is fixed, so a test would have shown it.
    pub fn new() -> Result<Self, prometheus::Error> {
        let help = "Lines of the log that were lost because whoever takes them did not, or had no room.";
        let opts = Opts::new("forgesyted_log_lines_lost_total", help);
        let descs = IntCounter::with_opts(opts.clone())?.desc().into_iter().cloned().collect();
        Ok(Self { opts, descs })
    }
}

impl Collector for LogLines {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Made anew each time: the log keeps the number, and two scrapes at once must not both add to it.
        let Ok(counter) = IntCounter::with_opts(self.opts.clone()) else { return Vec::new() };
        counter.inc_by(logging::lines_lost());
        counter.collect()
    }
}
