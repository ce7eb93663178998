//! `start`: from exec to `/readyz` 200 with the shipped pipelines, beside a process that only loads libtorch.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::bench::Bench;
use crate::child;
use crate::daemon::Daemon;
use crate::report::{Bound, Outcome};
use crate::rounds::alternate;

/// Longest start, in seconds.
const GOAL_S: f64 = 3.0;

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let load_libtorch = || {
        let started = Instant::now();
        let status = child::run_to_end(&["load-libtorch".to_owned()])?;
        ensure!(status.success(), "the process that loads libtorch failed ({status})");
        Ok(started.elapsed().as_secs_f64())
    };
    let start = || Ok(Daemon::start(bench, None, None)?.started_in.as_secs_f64());
    let rounds = alternate(bench.rounds(), load_libtorch, start)?;
    Ok(vec![
        Outcome::new("start", "exec to ready, shipped pipelines", rounds.measured(), "s")
            .beside("loading libtorch", rounds.limit())
            .goal(rounds.measured(), Bound::AtMost(GOAL_S), "s"),
    ])
}
