//! What decides how fast a machine is just now: power mode, clocks and their governor, from `/sys`, `/proc` and a Jetson's files
//! below a given root. What a machine does not have is `None`, never 0.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::{self as machine, Temperature};

/// What does not change while a program runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Power {
    /// A Jetson's power mode (nvpmodel), by name where its table is there, else its number.
    pub mode: Option<String>,
    /// The governors of the cores' clocks, each once.
    pub cpu_governor: Option<String>,
    /// The fastest clock that the cores are allowed, in MHz.
    pub cpu_max_mhz: Option<f64>,
}

/// What changes from moment to moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moment {
    /// The mean of the cores' clocks, in MHz.
    pub cpu_mhz: Option<f64>,
    /// A Jetson's GPU clock, in MHz.
    pub gpu_mhz: Option<f64>,
    /// Tasks that run or wait to run, on average over one minute.
    pub load1: Option<f64>,
    /// Each thermal zone, by name.
    pub temperatures: Vec<Temperature>,
}

/// Reads power mode and governors below `root`, which is `/` but for tests.
pub fn power(root: &Path) -> Power {
    let mut governors: Vec<String> =
        of_cores(root, "scaling_governor").into_iter().map(|text| text.trim().to_owned()).collect();
    governors.sort();
    governors.dedup();
    let fastest = of_cores(root, "scaling_max_freq").iter().filter_map(|text| khz(text)).reduce(f64::max);
    Power {
        mode: power_mode(root),
        cpu_governor: (!governors.is_empty()).then(|| governors.join(", ")),
        cpu_max_mhz: fastest,
    }
}

/// Reads clocks, load and temperatures below `root`.
pub fn moment(root: &Path) -> Moment {
    let mut clocks: Vec<f64> = of_cores(root, "scaling_cur_freq").iter().filter_map(|text| khz(text)).collect();
    if clocks.is_empty() {
        clocks = cpuinfo_clocks(root);
    }
    let mean = (!clocks.is_empty()).then(|| clocks.iter().sum::<f64>() / clocks.len() as f64);
    let zones = machine::temperatures(root).into_iter();
    Moment {
        cpu_mhz: mean,
        gpu_mhz: gpu_clock(root),
        load1: machine::load1(root),
        temperatures: zones.map(|(zone, celsius)| Temperature { zone, celsius }).collect(),
    }
}

/// The processor's name, as `/proc/cpuinfo` has it; ARM's has none.
pub fn cpu_name(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join("proc/cpuinfo")).ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// A field of `/proc/self/status` in bytes, such as `VmRSS` and `VmHWM`; it counts in KiB.
pub fn own_memory(root: &Path, field: &str) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/self/status")).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The mode that nvpmodel noted (`pmode:0002`), by its name in nvpmodel's table (`< POWER_MODEL ID=2 NAME=MAXN_SUPER >`).
fn power_mode(root: &Path) -> Option<String> {
    let status = fs::read_to_string(root.join("var/lib/nvpmodel/status")).ok()?;
    let digits: String = status.split("pmode:").nth(1)?.chars().take_while(char::is_ascii_digit).collect();
    let id: u32 = digits.parse().ok()?;
    let table = fs::read_to_string(root.join("etc/nvpmodel.conf")).unwrap_or_default();
    let name = table.lines().find_map(|line| {
        let words: Vec<&str> = line.trim().strip_prefix('<')?.split_whitespace().collect();
        let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        let fits = words.first() == Some(&"POWER_MODEL") && value("ID")?.parse() == Ok(id);
        if fits { value("NAME").map(str::to_owned) } else { None }
    });
    Some(name.unwrap_or_else(|| format!("mode {id}")))
}

/// A file of cpufreq, of each core that has it.
fn of_cores(root: &Path, file: &str) -> Vec<String> {
    let is_core = |name: &str| name.strip_prefix("cpu").is_some_and(|number| number.parse::<u32>().is_ok());
    let cores = machine::entries(&root.join("sys/devices/system/cpu"), is_core);
    cores.iter().filter_map(|(_, core)| fs::read_to_string(core.join("cpufreq").join(file)).ok()).collect()
}

/// The clocks in `/proc/cpuinfo`: machines without cpufreq, such as virtual ones, have them there only.
fn cpuinfo_clocks(root: &Path) -> Vec<f64> {
    let text = fs::read_to_string(root.join("proc/cpuinfo")).unwrap_or_default();
    let clocks = text.lines().filter(|line| line.starts_with("cpu MHz")).filter_map(|line| line.split_once(':'));
    clocks.filter_map(|(_, mhz)| mhz.trim().parse().ok()).collect()
}

/// The clock of a Jetson's GPU, which devfreq counts in Hz.
fn gpu_clock(root: &Path) -> Option<f64> {
    let devices = machine::entries(&root.join("sys/class/devfreq"), machine::is_gpu);
    devices.iter().find_map(|(_, device)| machine::number(&device.join("cur_freq"))).map(|hz| hz / 1e6)
}

fn khz(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|khz| khz.is_finite()).map(|khz| khz / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jetson_and_a_machine_that_says_nothing() {
        let root = std::env::temp_dir().join(format!("forgesyted-clocks-{}", std::process::id()));
        let write = |file: &str, text: &str| {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        fs::create_dir_all(&root).unwrap();
        let nothing = Power { mode: None, cpu_governor: None, cpu_max_mhz: None };
        assert_eq!(power(&root), nothing);
        let empty = Moment { cpu_mhz: None, gpu_mhz: None, load1: None, temperatures: Vec::new() };
        assert_eq!((moment(&root), cpu_name(&root), own_memory(&root, "VmRSS")), (empty, None, None));

        write("proc/cpuinfo", "processor\t: 0\nmodel name\t: A CPU @ 2GHz\ncpu MHz\t\t: 2000.5\ncpu MHz\t\t: 1000.5\n");
        assert_eq!((moment(&root).cpu_mhz, cpu_name(&root).as_deref()), (Some(1500.5), Some("A CPU @ 2GHz")));
        for (core, clock) in [("cpu0", "729600\n"), ("cpu1", "1510400\n"), ("cpuidle", "1\n")] {
            write(&format!("sys/devices/system/cpu/{core}/cpufreq/scaling_cur_freq"), clock);
            write(&format!("sys/devices/system/cpu/{core}/cpufreq/scaling_max_freq"), "1510400\n");
            write(&format!("sys/devices/system/cpu/{core}/cpufreq/scaling_governor"), "schedutil\n");
        }
        write("sys/class/devfreq/17000000.gpu/cur_freq", "624750000\n");
        write("var/lib/nvpmodel/status", "pmode:0002 fmode:fanNull\n");
        assert_eq!(power(&root).mode.as_deref(), Some("mode 2"));
        write(
            "etc/nvpmodel.conf",
            "# < POWER_MODEL ID=2 NAME=OLD >\n< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n",
        );
        let found = power(&root);
        assert_eq!((found.mode.as_deref(), found.cpu_governor.as_deref()), (Some("MAXN_SUPER"), Some("schedutil")));
        assert_eq!((found.cpu_max_mhz, moment(&root).cpu_mhz), (Some(1510.4), Some(1120.0)));
        assert_eq!(moment(&root).gpu_mhz, Some(624.75));
        write("proc/self/status", "Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n");
        assert_eq!((own_memory(&root, "VmRSS"), own_memory(&root, "VmHWM")), (Some(1 << 20), Some(2 << 20)));
        fs::remove_dir_all(root).unwrap();
    }
}
