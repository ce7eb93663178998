//! The machine's state, from `/sys` and `/proc` below a given root: single readings, and all of it as facts for the page.
//! What a machine does not have is `None`, never 0.

pub mod clocks;

use std::collections::HashSet;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use serde::Serialize;

/// The machine's state as one value; what it does not have is none.
#[derive(Debug, PartialEq, Serialize)]
pub struct Facts {
    /// The processor.
    pub cpu: Cpu,
    /// The memory.
    pub memory: Memory,
    /// Each thermal zone, by name.
    pub temperatures: Vec<Temperature>,
    /// The GPU; none where its load is not known.
    pub gpu: Option<Gpu>,
}

/// The processor's load.
#[derive(Debug, PartialEq, Serialize)]
pub struct Cpu {
    /// Cores that the daemon may use.
    pub cores: usize,
    /// Tasks that run or wait to run, on average over one minute.
    pub load1: Option<f64>,
}

/// The machine's memory, in bytes.
#[derive(Debug, PartialEq, Serialize)]
pub struct Memory {
    /// All of it.
    pub total_bytes: Option<u64>,
    /// What programs can still have without swapping.
    pub available_bytes: Option<u64>,
}

/// What a thermal zone says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Temperature {
    /// The zone's name.
    pub zone: String,
    /// Degrees.
    pub celsius: f64,
}

/// A GPU's load.
#[derive(Debug, PartialEq, Serialize)]
pub struct Gpu {
    /// From 0 to 1.
    pub load_ratio: f64,
}

/// Reads the machine's state below `root`, which is `/` but for tests.
pub fn facts(root: &Path) -> Facts {
    let zones = temperatures(root).into_iter();
    let bytes = |number: Option<f64>| number.map(|number| number as u64);
    Facts {
        cpu: Cpu { cores: available_parallelism().map_or(1, NonZero::get), load1: load1(root) },
        memory: Memory { total_bytes: bytes(memory_total(root)), available_bytes: bytes(memory_available(root)) },
        temperatures: zones.map(|(zone, celsius)| Temperature { zone, celsius }).collect(),
        gpu: gpu_load(root).map(|load_ratio| Gpu { load_ratio }),
    }
}

/// Thermal zones by type, in degrees Celsius. A type that comes twice gets its zone's name behind it.
pub fn temperatures(root: &Path) -> Vec<(String, f64)> {
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

/// Memory of the machine, in bytes.
pub fn memory_total(root: &Path) -> Option<f64> {
    memory(root, "MemTotal:")
}

/// Memory that programs can still have without swapping, in bytes.
pub fn memory_available(root: &Path) -> Option<f64> {
    memory(root, "MemAvailable:")
}

/// A line of `/proc/meminfo`, which counts in KiB.
fn memory(root: &Path, name: &str) -> Option<f64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

/// A Jetson's GPU gives its load per mille, at a place that depends on the JetPack version; here it is from 0 to 1.
pub fn gpu_load(root: &Path) -> Option<f64> {
    let fixed = ["sys/devices/platform/gpu.0/load", "sys/devices/gpu.0/load"];
    let devices = entries(&root.join("sys/class/devfreq"), is_gpu);
    fixed
        .iter()
        .map(|path| root.join(path))
        .chain(devices.into_iter().map(|(_, path)| path.join("device/load")))
        .find_map(|path| number(&path))
        .map(|per_mille| (per_mille / 1000.0).clamp(0.0, 1.0))
}

/// Whether a device of devfreq is a Jetson's GPU: later ones say so, earlier ones have the chip's name.
pub(super) fn is_gpu(name: &str) -> bool {
    ["gpu", "ga10b", "gv11b", "gp10b"].iter().any(|part| name.contains(part))
}

/// Load average over one minute.
pub fn load1(root: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(root.join("proc/loadavg")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// A file that holds one finite number.
pub(super) fn number(path: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(path).ok()?;
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// The entries of a folder whose name fits, sorted by name; none where the folder is absent.
pub(super) fn entries(folder: &Path, fits: fn(&str) -> bool) -> Vec<(String, PathBuf)> {
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
