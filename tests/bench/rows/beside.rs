//! `beside`: two busy programs that share the cores. `forgesyted run` beside a daemon at full load, and a daemon whose workers have
//! several threads beside a program that computes. Each has as many busy threads as its neighbour, so half of the cores
//! are its share, and it may take twice the time that it takes alone. What it takes longer is the price of threads that wait for each other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use load::LoadPlan;

use crate::bench::{Bench, run_load};
use crate::child::Running;
use crate::daemon::Daemon;
use crate::machine::spawn_on;
use crate::model;
use crate::report::{Bound, Outcome};
use crate::rounds::{Rounds, alternate};

const PIPELINE: &str = "yolo_ocr";
/// The picture of the tests: five lines of text.
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/text.jpg");
/// Clients that saturate the neighbour.
const SESSIONS: usize = 10;
/// Times the time alone that half of the cores take.
const HALF_OF_THE_CORES: f64 = 2.0;
/// Most that it takes beside that.
const GOAL: f64 = 1.3;
/// Until the neighbour is at full load.
const SETTLING: Duration = Duration::from_secs(1);
/// Longer than any round; the neighbour is ended before.
const LONG: &str = "3600";

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    Ok(vec![run_beside_a_daemon(bench)?, daemon_beside_a_program(bench)?])
}

fn run_beside_a_daemon(bench: &Bench) -> Result<Outcome> {
    let cnn = model::write(bench.folder())?;
    let film = film(bench)?;
    let neighbour = Daemon::start(bench, Some(&cnn.folder), None)?;
    let url = neighbour.url(model::PIPELINE);
    let rounds = alternate(
        bench.rounds(),
        || run_on(bench, &film),
        || {
            let mut load = Command::new(&bench.program);
            load.args(["load", "--sessions", &SESSIONS.to_string(), "--seconds", LONG, "--url", &url]).env_clear();
            load.stdin(Stdio::null()).stdout(Stdio::null());
            let _load = Running(spawn_on(None, &mut load)?);
            thread::sleep(SETTLING);
            run_on(bench, &film)
        },
    )?;
    Ok(judged("run, beside a daemon at full load", &rounds, "s"))
}

/// A film of the picture.
fn film(bench: &Bench) -> Result<PathBuf> {
    let frames = if bench.is_quick() { 30 } else { 100 };
    let film = bench.folder().join("text.mjpeg");
    fs::write(&film, picture()?.repeat(frames)).context("the film cannot be written")?;
    Ok(film)
}

fn picture() -> Result<Vec<u8>> {
    fs::read(PICTURE).with_context(|| format!("cannot read {PICTURE}"))
}

/// Seconds that `forgesyted run` takes for the film.
fn run_on(bench: &Bench, film: &Path) -> Result<f64> {
    let mut command = Command::new(&bench.program);
    command.args(["run", "--pipeline", PIPELINE]).arg(film).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let started = Instant::now();
    let status = spawn_on(None, &mut command)?.wait().context("cannot wait for the run")?;
    ensure!(status.success(), "the run failed ({status})");
    Ok(started.elapsed().as_secs_f64())
}

fn daemon_beside_a_program(bench: &Bench) -> Result<Outcome> {
    let cores = bench.other_cores.len() + 1;
    let config = bench.folder().join("threads.toml");
    let settings = format!("[engine]\ndevice = \"cpu\"\nworkers = 1\nthreads_per_worker = {cores}\n");
    fs::write(&config, settings).context("the row's configuration cannot be written")?;
    let daemon = Daemon::start_configured(bench, &config)?;
    let plan = bench.plan(&daemon.url(PIPELINE), 1, bench.seconds(5, 3));
    let plan = LoadPlan { frames: Arc::new(vec![Bytes::from(picture()?)]), ..plan };
    let frame_ms = || Ok(1e3 / run_load(plan.clone(), None)?.results_per_s);
    let rounds = alternate(bench.rounds(), frame_ms, || beside_a_program(cores, frame_ms))?;
    Ok(judged(&format!("daemon, {cores} threads, beside a program"), &rounds, "ms a frame"))
}

/// Works while this many threads compute.
fn beside_a_program<T>(threads: usize, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    let compute = || {
        while !done.load(Ordering::Relaxed) {
            std::hint::black_box((0..10_000_u64).fold(0, u64::wrapping_add));
        }
    };
    thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(compute)));
        let worked = work();
        done.store(true, Ordering::Relaxed);
        worked
    })
}

fn judged(what: &str, rounds: &Rounds, unit: &'static str) -> Outcome {
    Outcome::new("beside", what, rounds.measured(), unit).beside("alone", rounds.limit()).goal(
        rounds.ratio(),
        Bound::AtMost(GOAL * HALF_OF_THE_CORES),
        "× the time alone",
    )
}
