//! `cnn`: what the daemon leaves to the model. Ten sessions in a closed loop keep the workers busy; beside it the plain
//! loop with the same workers.

use anyhow::Result;

use super::plain_loop;
use crate::bench::{Bench, run_load};
use crate::daemon::Daemon;
use crate::machine::Cores;
use crate::model::{self, Cnn};
use crate::report::{Bound, Outcome};
use crate::rounds::alternate;

/// Clients that saturate the daemon.
const SESSIONS: usize = 10;
/// Share of the plain loop's rate on one core, with the load on the others.
const ONE_CORE_GOAL: f64 = 0.95;
/// The same on the whole machine, which also runs the load.
const WHOLE_MACHINE_GOAL: f64 = 0.92;

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let cnn = model::write(bench.folder())?;
    let all = bench.other_cores.len() + 1;
    let one_core = (Some(&bench.server_core), Some(&bench.other_cores), 1);
    Ok(vec![
        measure(bench, &cnn, one_core, "10 sessions, one core", ONE_CORE_GOAL)?,
        measure(bench, &cnn, (None, None, all), "10 sessions, whole machine", WHOLE_MACHINE_GOAL)?,
    ])
}

/// The daemon's cores, the load's, and the workers, of which the daemon starts one a core.
type Places<'a> = (Option<&'a Cores>, Option<&'a Cores>, usize);

fn measure(bench: &Bench, cnn: &Cnn, places: Places<'_>, what: &str, goal: f64) -> Result<Outcome> {
    let (daemon_cores, load_cores, workers) = places;
    let duration = bench.seconds(5, 3);
    let daemon = Daemon::start(bench, Some(&cnn.folder), daemon_cores)?;
    let url = daemon.url(model::PIPELINE);
    let rounds = alternate(
        bench.rounds(),
        || Ok(plain_loop(bench, cnn, workers, duration.as_secs_f64(), None, daemon_cores)?.frames_per_s),
        || Ok(run_load(bench.plan(&url, SESSIONS, duration), load_cores)?.results_per_s),
    )?;
    Ok(Outcome::new("cnn", what, rounds.measured(), "frames/s").beside("plain loop", rounds.limit()).goal(
        rounds.ratio(),
        Bound::AtLeast(goal),
        "of the plain loop",
    ))
}
