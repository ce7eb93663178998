//! The machine: its cores, what it is, and how much memory and CPU time a process takes.

use std::fmt;
use std::fs;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use engine::pipeline::torch::TORCH_VERSION;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

/// Numbers of cores.
pub type Cores = Vec<usize>;

/// The cores that this process may use.
///
/// # Errors
/// The system's.
pub fn cores() -> Result<Cores> {
    let set = sched_getaffinity(None).context("the system does not say which cores may be used")?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

/// Runs `work` on a thread of its own on these cores; on any when none are given.
///
/// # Errors
/// When the thread cannot be put there, or panicked.
pub fn on_cores<T: Send>(cores: Option<&Cores>, work: impl FnOnce() -> T + Send) -> Result<T> {
    let pinned = move || -> Result<T> {
        if let Some(cores) = cores {
            let mut set = CpuSet::new();
            cores.iter().for_each(|&core| set.set(core));
            sched_setaffinity(None, &set).with_context(|| format!("cannot run on cores {cores:?}"))?;
        }
        Ok(work())
    };
    thread::scope(|scope| scope.spawn(pinned).join()).map_err(|_| anyhow!("a thread of the benchmark panicked"))?
}

/// Starts a process on these cores: a child has the cores of the thread that starts it.
///
/// # Errors
/// When it does not start.
pub fn spawn_on(cores: Option<&Cores>, command: &mut Command) -> Result<Child> {
    on_cores(cores, || command.spawn())?.with_context(|| format!("cannot start {:?}", command.get_program()))
}

/// Resident memory of a process in bytes: `VmRSS` of its status in /proc.
///
/// # Errors
/// When the process is gone.
pub fn rss(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let kib: u64 = kib.context("its status has no VmRSS")?.trim().parse().context("VmRSS is no number")?;
    Ok(kib * 1024)
}

/// CPU time that a process has used so far, user and system, of all the threads that it has now; exact to the nanosecond.
///
/// # Errors
/// When the process is gone.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")?;
    let mut nanoseconds = 0;
    for thread in threads {
        // A thread that has just ended is gone with its time.
        let Ok(stat) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let first = stat.split_whitespace().next().context("a thread has no schedstat")?;
        nanoseconds += first.parse::<u64>().context("schedstat is no number")?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// What was measured on.
#[derive(Debug, Serialize)]
pub struct Facts {
    cores: usize,
    cpu: String,
    libtorch: &'static str,
    commit: String,
    /// Share of the cores' time that others used in the second before the run, 0 to 1.
    busy_before: f64,
}

/// A share above which figures are not to be trusted.
const BUSY: f64 = 0.05;

impl Facts {
    /// Reads them; what the machine does not say is `unknown`.
    pub fn read() -> Self {
        let unknown = || "unknown".to_owned();
        let about = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let git = Command::new("git").args(["describe", "--always", "--dirty"]).output();
        let commit = git.ok().filter(|done| done.status.success());
        Self {
            cores: cores().map_or(0, |cores| cores.len()),
            cpu: cpu.map_or_else(unknown, |(_, name)| name.trim().to_owned()),
            libtorch: TORCH_VERSION,
            commit: commit.map_or_else(unknown, |done| String::from_utf8_lossy(&done.stdout).trim().to_owned()),
            busy_before: busy_share(Duration::from_secs(1)).unwrap_or(0.0),
        }
    }
}

/// Share of the cores' time that is not idle while this process sleeps.
fn busy_share(time: Duration) -> Option<f64> {
    // user, nice, system, idle, iowait, irq, softirq, steal (proc(5)); guest time is part of user.
    let ticks = || -> Option<Vec<u64>> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        stat.lines().next()?.split_whitespace().skip(1).take(8).map(|field| field.parse().ok()).collect()
    };
    let before = ticks()?;
    thread::sleep(time);
    let spent: Vec<u64> = ticks()?.iter().zip(&before).map(|(now, then)| now.saturating_sub(*then)).collect();
    let all: u64 = spent.iter().sum();
    let idle = spent.get(3)? + spent.get(4)?;
    (all > 0).then(|| (all - idle) as f64 / all as f64)
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, cpu, libtorch, commit, busy_before } = self;
        write!(f, "{cores} cores, {cpu}, libtorch {libtorch}, commit {commit}")?;
        if *busy_before > BUSY {
            let percent = busy_before * 100.0;
            write!(
                f,
                "\n{percent:.0} % of the machine is busy with something else: no figure below is to be trusted."
            )?;
        }
        Ok(())
    }
}
