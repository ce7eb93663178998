//! `precision`: the same CNN in bfloat16 and in float32, in turn, on one core. Which is faster is the machine's affair, so
//! there is no goal: the row shows what this machine gains.

use std::fs;

use anyhow::{Context, Result};
use xtask::torchscript;

use crate::bench::{Bench, run_load};
use crate::daemon::Daemon;
use crate::model;
use crate::report::Outcome;
use crate::rounds::alternate;

/// Clients that saturate the daemon.
const SESSIONS: usize = 10;
const PRECISIONS: [&str; 2] = ["bf16", "fp32"];

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let folder = bench.folder().join("precision");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let module = torchscript::archive("precision", &model::source()).context("the CNN cannot be made")?;
    fs::write(folder.join("cnn.pt"), module).context("the CNN cannot be written")?;
    for precision in PRECISIONS {
        let definition = model::definition(precision, &format!("precision = \"{precision}\"\n"));
        fs::write(folder.join(format!("{precision}.toml")), definition).context("a pipeline cannot be written")?;
    }
    let duration = bench.seconds(5, 3);
    let daemon = Daemon::start(bench, Some(&folder), Some(&bench.server_core))?;
    let rate = |precision: &str| {
        let plan = bench.plan(&daemon.url(precision), SESSIONS, duration);
        Ok(run_load(plan, Some(&bench.other_cores))?.results_per_s)
    };
    let [half, whole] = PRECISIONS;
    let rounds = alternate(bench.rounds(), || rate(whole), || rate(half))?;
    let what = format!("10 sessions, one core, {:.2} times fp32", rounds.ratio());
    Ok(vec![Outcome::new("precision", what, rounds.measured(), "frames/s").beside("fp32", rounds.limit())])
}
