//! Temperature, and whether the machine slows itself down for it.

use std::fs;
use std::path::Path;

use super::finding::Finding;
use base::machine;

/// Boards and processors begin to slow down not far above this, in degrees Celsius.
const HOT: f64 = 85.0;
/// Near to where they switch themselves off.
const TOO_HOT: f64 = 100.0;

/// What the machine's sensors say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heat {
    /// Each zone and its temperature, in degrees Celsius.
    pub zones: Vec<(String, f64)>,
    /// Processors and GPUs that are slowed down now, by the names of their cooling devices.
    pub slowed: Vec<String>,
}

/// Reads the zones and cooling devices below `root`.
pub fn gather(root: &Path) -> Heat {
    let entries = fs::read_dir(root.join("sys/class/thermal")).into_iter().flatten().flatten();
    let mut slowed: Vec<String> = entries.filter_map(|entry| slowed(&entry.path())).collect();
    slowed.sort();
    Heat { zones: machine::temperatures(root), slowed }
}

/// The kind of a cooling device that slows something down now; fans and idle ones are none.
fn slowed(device: &Path) -> Option<String> {
    let read = |name: &str| fs::read_to_string(device.join(name)).ok();
    let kind = read("type")?.trim().to_owned();
    let lowered = kind.to_lowercase();
    let slows = ["cpufreq", "cpu", "processor", "gpu", "devfreq"].iter().any(|word| lowered.contains(word));
    let state: i64 = read("cur_state")?.trim().parse().ok()?;
    (slows && state > 0).then_some(kind)
}

/// The heat as a finding.
pub fn judge(heat: &Heat) -> Finding {
    let Some((zone, hottest)) = heat.zones.iter().max_by(|one, other| one.1.total_cmp(&other.1)) else {
        return Finding::skipped("temperature", "this machine has no sensor that Linux knows");
    };
    let found = format!("{hottest:.0} °C at most ({zone})");
    let advice =
        "clean the fan and vents, give it air or a larger heat sink, or ask less of it: fewer frames, a lighter model";
    match hottest {
        celsius if *celsius >= TOO_HOT => {
            Finding::error("temperature", format!("{found}: it may switch itself off"), advice)
        }
        _ if !heat.slowed.is_empty() => {
            Finding::warning("temperature", format!("{found}, and slowed down: {}", heat.slowed.join(", ")), advice)
        }
        celsius if *celsius >= HOT => Finding::warning("temperature", found, advice),
        _ => Finding::ok("temperature", found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Status;
    use crate::doctor::tests::{JETSON, Root};

    #[test]
    fn verdicts() {
        let heat = |celsius: &[f64], slowed: &[&str]| Heat {
            zones: celsius.iter().map(|celsius| ("cpu".to_owned(), *celsius)).collect(),
            slowed: slowed.iter().map(|name| (*name).to_owned()).collect(),
        };
        for (heat, expected) in [
            (heat(&[], &[]), Status::Skipped),
            (heat(&[40.0, 84.9], &[]), Status::Ok),
            (heat(&[85.0, 40.0], &[]), Status::Warning),
            (heat(&[60.0], &["cpufreq-cpu0"]), Status::Warning),
            (heat(&[100.0], &["cpufreq-cpu0"]), Status::Error),
        ] {
            assert_eq!(judge(&heat).status, expected, "{heat:?}");
        }
    }

    #[test]
    fn zones_and_slowed_processors_are_read() {
        let heat = gather(&Root::new("heat", JETSON).0);
        assert_eq!(heat.zones, [("cpu-thermal".to_owned(), 48.25), ("gpu-thermal".to_owned(), 51.0)]);
        assert_eq!(heat.slowed, ["cpufreq-cpu0"], "neither the fan nor the GPU, which runs at full speed");
    }
}
