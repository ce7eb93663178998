//! `overload`: ten cameras that send three times more than the machine can run. Results stay fresh, everybody gets the
//! same, every frame is answered, and nothing is lost of what the machine can do.

use std::time::Duration;

use anyhow::{Context, Result};
use load::{LoadPlan, LoadReport, Pace};

use super::plain_loop;
use crate::bench::{Bench, run_load};
use crate::daemon::Daemon;
use crate::model;
use crate::report::{Bound, Outcome};

/// Clients.
pub(super) const SESSIONS: usize = 10;
/// Frames that are sent for each that can be run.
const TIMES: f64 = 3.0;
/// Windows in which the age of results is watched.
const WINDOW: Duration = Duration::from_secs(10);
/// The last window's p99 may be this much of the first's: what is more counts as growth.
const GROWTH: f64 = 1.2;
/// Jain's index of the results per session.
const FAIRNESS: f64 = 0.99;
/// Share of the closed loop's rate.
const RATE: f64 = 0.95;

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let cnn = model::write(bench.folder())?;
    let workers = bench.other_cores.len() + 1;
    let short = bench.seconds(10, 4);
    let limit = plain_loop(bench, &cnn, workers, short.as_secs_f64(), None, None)?;
    let daemon = Daemon::start(bench, Some(&cnn.folder), None)?;
    let url = daemon.url(model::PIPELINE);
    // Before and after: the machine may change its pace in between.
    let before = run_load(bench.plan(&url, SESSIONS, short), None)?.results_per_s;
    let report = run_load(plan(bench, &url, before, bench.seconds(60, 15)), None)?;
    let after = run_load(bench.plan(&url, SESSIONS, short), None)?.results_per_s;
    outcomes(&report, limit.p99_ms, workers, f64::midpoint(before, after))
}

/// Three times `rate` in an open loop.
pub(super) fn plan(bench: &Bench, url: &str, rate: f64, duration: Duration) -> LoadPlan {
    let pace = Pace::Fps(TIMES * rate / SESSIONS as f64);
    let window = WINDOW.min(duration / 3);
    LoadPlan { pace, report_every: Some(window), ..bench.plan(url, SESSIONS, duration) }
}

fn outcomes(report: &LoadReport, plain_p99_ms: f64, workers: usize, closed_loop: f64) -> Result<Vec<Outcome>> {
    let p99_ms = report.reply.p99_us as f64 / 1e3;
    let turns = SESSIONS as f64 / workers as f64 + 2.0;
    let [first, .., last] = report.windows.as_slice() else { return None.context("the load has no windows") };
    let [first, last] = [first, last].map(|window| window.age.p99_us as f64 / 1e3);
    let lost = report.unanswered + report.frames_unsent;
    Ok(vec![
        Outcome::new("overload", "age of a result, p99", p99_ms, "ms").beside("plain loop's p99", plain_p99_ms).goal(
            p99_ms / plain_p99_ms,
            Bound::AtMost(turns),
            "× its p99",
        ),
        Outcome::new("overload", "its last window", last, "ms").beside("first window", first).goal(
            last / first,
            Bound::AtMost(GROWTH),
            "× the first",
        ),
        Outcome::new("overload", "frames without a reply", lost as f64, "frames").goal(
            lost as f64,
            Bound::AtMost(0.0),
            "frames",
        ),
        Outcome::new("overload", "fairness (Jain)", report.fairness, "").goal(
            report.fairness,
            Bound::AtLeast(FAIRNESS),
            "",
        ),
        Outcome::new("overload", "results", report.results_per_s, "frames/s").beside("closed loop", closed_loop).goal(
            report.results_per_s / closed_loop,
            Bound::AtLeast(RATE),
            "of the closed loop",
        ),
    ])
}
