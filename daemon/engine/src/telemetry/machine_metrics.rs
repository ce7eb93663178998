//! The machine's gauges, read when metrics are asked for. What a machine does not have is absent.

use std::path::{Path, PathBuf};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, GaugeVec, Opts};

use base::machine::{gpu_load, load1, memory_available, memory_total, temperatures};

/// Collects the machine's gauges at each scrape.
pub struct Machine {
    /// The folder that stands for `/`.
    root: PathBuf,
    temperature: Opts,
    scalars: Vec<Scalar>,
    descs: Vec<Desc>,
}

/// A gauge without labels and how to read it.
struct Scalar {
    gauge: Gauge,
    read: fn(&Path) -> Option<f64>,
}

impl Machine {
    /// Reads below `root`, which is `/` but for tests.
    ///
    /// # Errors
    /// A metric's name is not valid; the names are fixed, so a test would have shown it.
    pub fn new(root: PathBuf) -> Result<Self, prometheus::Error> {
        let temperature =
            Opts::new("machine_temperature_celsius", "Temperature of a thermal zone, in degrees Celsius.");
        let scalars = [
            (
                "machine_memory_total_bytes",
                "Memory of the machine, in bytes.",
                memory_total as fn(&Path) -> Option<f64>,
            ),
            (
                "machine_memory_available_bytes",
                "Memory that programs can still have without swapping, in bytes.",
                memory_available,
            ),
            ("machine_gpu_load_ratio", "Load of a Jetson's GPU, from 0 to 1.", gpu_load),
            ("machine_load1", "Load average over one minute: tasks that run or wait to run.", load1),
        ];
        let scalars = scalars
            .into_iter()
            .map(|(name, help, read)| Gauge::new(name, help).map(|gauge| Scalar { gauge, read }))
            .collect::<Result<Vec<_>, _>>()?;
        let zones = GaugeVec::new(temperature.clone(), &["zone"])?;
        let descs = zones.desc().into_iter().chain(scalars.iter().flat_map(|s| s.gauge.desc())).cloned().collect();
        Ok(Self { root, temperature, scalars, descs })
    }
}

impl Collector for Machine {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = Vec::new();
        // Made anew each time: zones come and go with power states, and a stale one would stay at its last value.
        if let Ok(zones) = GaugeVec::new(self.temperature.clone(), &["zone"]) {
            for (zone, celsius) in temperatures(&self.root) {
                zones.with_label_values(&[zone]).set(celsius);
            }
            families.extend(zones.collect());
        }
        for scalar in &self.scalars {
            if let Some(value) = (scalar.read)(&self.root) {
                scalar.gauge.set(value);
                families.extend(scalar.gauge.collect());
            }
        }
        families
    }
}
