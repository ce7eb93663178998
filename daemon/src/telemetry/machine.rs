//! Readings of the machine, from `/sys` and `/proc` below a given root. What a machine does not have is `None`, never 0.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

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

/// Load average over one minute.
pub fn load1(root: &Path) -> Option<f64> {
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
