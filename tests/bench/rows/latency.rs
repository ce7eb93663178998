//! `latency`: one client at 10 frames a second, on a machine with nothing else to do. Reply time from the moment a frame
//! was due, beside the plain loop at the same pace.

use anyhow::Result;
use load::{LoadPlan, Pace};

use super::plain_loop;
use crate::bench::{Bench, run_load};
use crate::daemon::Daemon;
use crate::model;
use crate::report::{Bound, Outcome};
use crate::rounds::alternate;

/// Frames a second.
const FPS: f64 = 10.0;
/// Most that the reply may take, as a multiple of the plain loop's time.
const RATIO: f64 = 1.05;
/// Most that it may take longer, in milliseconds.
const LONGER_MS: f64 = 1.0;

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let cnn = model::write(bench.folder())?;
    let daemon = Daemon::start(bench, Some(&cnn.folder), None)?;
    let url = daemon.url(model::PIPELINE);
    let duration = bench.seconds(8, 4);
    let rounds = alternate(
        bench.rounds(),
        || Ok(plain_loop(bench, &cnn, 1, duration.as_secs_f64(), Some(FPS), None)?.p50_ms),
        || {
            let plan = LoadPlan { pace: Pace::Fps(FPS), ..bench.plan(&url, 1, duration) };
            Ok(run_load(plan, None)?.reply.p50_us as f64 / 1e3)
        },
    )?;
    let reply = Outcome::new("latency", "1 session, 10 frames/s, p50", rounds.measured(), "ms");
    let reply = reply.beside("plain loop", rounds.limit());
    Ok(vec![
        reply.clone().goal(rounds.ratio(), Bound::AtMost(RATIO), "× the plain loop"),
        reply.goal(rounds.difference(), Bound::AtMost(LONGER_MS), "ms more"),
    ])
}
