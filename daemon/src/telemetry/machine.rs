//! The machine's gauges, read from `/sys` and `/proc` when metrics are asked for. What a machine does not have is
//! absent, never 0.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, GaugeVec, Opts};

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

/// Thermal zones by type, in degrees Celsius. A type that comes twice gets its zone's name behind it.
fn temperatures(root: &Path) -> Vec<(String, f64)> {
    let mut seen = HashSet::new();
    let zones = entries(&root.join("sys/class/thermal"), |name| name.starts_with("thermal_zone"));
    zones
        .into_iter()
        .filter_map(|(name, zone)| {
            let celsius = number(&zone.join("temp"))? / 1000.0;
            // Jetson boards give -256 °C for a zone that is switched off.
            if !(-100.0..=300.0).contains(&celsius) {
                return None;
            }
            let kind = std::fs::read_to_string(zone.join("type")).unwrap_or_default();
            let label = match kind.trim() {
                "" => name,
                kind if seen.insert(kind.to_owned()) => kind.to_owned(),
                kind => format!("{kind}-{name}"),
            };
            Some((label, celsius))
        })
        .collect()
}

fn memory_total(root: &Path) -> Option<f64> {
    memory(root, "MemTotal:")
}

fn memory_available(root: &Path) -> Option<f64> {
    memory(root, "MemAvailable:")
}

/// A line of `/proc/meminfo`, which counts in KiB.
fn memory(root: &Path, name: &str) -> Option<f64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

/// A Jetson's GPU gives its load per mille; the place depends on the JetPack version.
fn gpu_load(root: &Path) -> Option<f64> {
    let fixed = ["sys/devices/platform/gpu.0/load", "sys/devices/gpu.0/load"];
    let devices = entries(&root.join("sys/class/devfreq"), |name| {
        ["gpu", "ga10b", "gv11b", "gp10b"].iter().any(|part| name.contains(part))
    });
    fixed
        .iter()
        .map(|path| root.join(path))
        .chain(devices.into_iter().map(|(_, path)| path.join("device/load")))
        .find_map(|path| number(&path))
        .map(|per_mille| (per_mille / 1000.0).clamp(0.0, 1.0))
}

fn load1(root: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(root.join("proc/loadavg")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// A file that holds one finite number.
fn number(path: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(path).ok()?;
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// The entries of a folder whose name fits, sorted by name; none where the folder is absent.
fn entries(folder: &Path, fits: fn(&str) -> bool) -> Vec<(String, PathBuf)> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .filter(|(name, _)| fits(name))
        .collect();
    found.sort();
    found
}
