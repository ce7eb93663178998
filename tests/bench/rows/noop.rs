//! `noop`: what the path itself costs. Closed loop, the daemon on one core, the load on the others; beside it a bare
//! WebSocket server on the same core.

use anyhow::Result;

use crate::bench::{Bench, run_load};
use crate::child;
use crate::daemon::Daemon;
use crate::report::{Bound, Outcome};
use crate::rounds::alternate;

/// Sessions, and the share of the limit that is to be reached.
const GOALS: [(usize, f64); 2] = [(1, 0.60), (10, 0.70)];

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let (_limit, port) = child::start_limit(&["bare-server".to_owned()], Some(&bench.server_core))?;
    let limit_url = format!("ws://127.0.0.1:{port}/");
    let daemon = Daemon::start(bench, None, Some(&bench.server_core))?;
    let duration = bench.seconds(3, 1);
    let rate = |url: &str, sessions| {
        Ok(run_load(bench.plan(url, sessions, duration), Some(&bench.other_cores))?.results_per_s)
    };
    let measure = |(sessions, goal)| {
        let rounds = alternate(bench.rounds(), || rate(&limit_url, sessions), || rate(&daemon.url("noop"), sessions))?;
        Ok(Outcome::new("noop", format!("{sessions} session(s), one core"), rounds.measured(), "frames/s")
            .beside("bare server", rounds.limit())
            .goal(rounds.ratio(), Bound::AtLeast(goal), "of the bare server"))
    };
    GOALS.into_iter().map(measure).collect()
}
