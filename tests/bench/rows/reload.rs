//! `reload`: resident memory (VmRSS) after many reloads of one pipeline, of which each finds a changed file: the same model
//! written again, and another model each time.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use load::LoadPlan;
use rustix::process::{Pid, Signal, kill_process};

use crate::bench::{Bench, run_load};
use crate::daemon::Daemon;
use crate::model;
use crate::report::{Bound, Outcome};

/// Reloads after which the memory is read; growth is judged from one of the first two of these to the last.
const READ_AFTER: [usize; 3] = [5, 20, 50];
/// What counts as growth: more than this share and this much.
const GROWTH_SHARE: f64 = 0.02;
const GROWTH_MIB: f64 = 1.0;
const MIB: f64 = 1024.0 * 1024.0;
/// Frames run this long after each reload: on all workers, by two sessions.
const FRAMES_FOR: Duration = Duration::from_millis(150);
/// Longest that a reload may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let write_again = |model: &Path, _: usize| {
        let bytes = fs::read(model)?;
        let partial = model.with_extension("partial");
        fs::write(&partial, bytes)?;
        Ok(fs::rename(&partial, model)?)
    };
    let write_other = |model: &Path, number: usize| model::write_model(model, 1 + i64::try_from(number)?);
    let mut outcomes = measure(bench, "of the same model", 0, &write_again)?;
    outcomes.extend(measure(bench, "of a new model each", 1, &write_other)?);
    Ok(outcomes)
}

/// `settled`: which of the readings the last one is compared with. A module that is loaded has the allocator take new room, until
/// it finds the room of dropped ones again.
fn measure(
    bench: &Bench,
    what: &str,
    settled: usize,
    write: &dyn Fn(&Path, usize) -> Result<()>,
) -> Result<Vec<Outcome>> {
    let folder = bench.folder().join("reload");
    fs::create_dir_all(&folder).context("no folder for the row")?;
    let cnn = model::write(&folder)?;
    let daemon = Daemon::start(bench, Some(&cnn.folder), None)?;
    let url = daemon.url(model::PIPELINE);
    let frames = || {
        let plan = LoadPlan { warm_up: Duration::ZERO, ..bench.plan(&url, 2, FRAMES_FOR) };
        run_load(plan, None).map(drop)
    };
    frames()?;
    let mut read = Vec::new();
    for number in 1..=READ_AFTER.into_iter().max().unwrap_or(0) {
        write(&cnn.model, number)?;
        reload(bench, &daemon, number)?;
        frames()?;
        if READ_AFTER.contains(&number) {
            read.push(daemon.rss()? as f64 / MIB);
        }
    }
    let (Some(&base), Some(&last)) = (read.get(settled), read.last()) else { return Ok(Vec::new()) };
    let row = |reloads: usize, mib: f64| Outcome::new("reload", format!("after {reloads} {what}"), mib, "MiB");
    let earlier = read.iter().zip(READ_AFTER).take(read.len().saturating_sub(1));
    let mut outcomes: Vec<Outcome> = earlier.map(|(&mib, reloads)| row(reloads, mib)).collect();
    let whole = row(READ_AFTER.into_iter().max().unwrap_or(0), last);
    let most = base * GROWTH_SHARE + GROWTH_MIB;
    outcomes.push(whole.goal(last - base, Bound::AtMost(most), "MiB more"));
    Ok(outcomes)
}

/// Has the daemon read its pipelines again, and waits until its log says for the `number`th time that it has.
fn reload(bench: &Bench, daemon: &Daemon, number: usize) -> Result<()> {
    kill_process(Pid::from_child(daemon.process()), Signal::HUP).context("the daemon takes no signal")?;
    let (log, begin) = (bench.folder().join("daemon.log"), Instant::now());
    while fs::read_to_string(&log).unwrap_or_default().matches("\"config_reloaded\"").count() < number {
        ensure!(begin.elapsed() < PATIENCE, "the daemon does not reload");
        sleep(Duration::from_millis(5));
    }
    Ok(())
}
