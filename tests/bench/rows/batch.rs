//! `batch`: frames a second of sessions that all wait for one model, in batches beside frame by frame.

use std::fs;

use anyhow::{Context, Result};

use crate::bench::{Bench, run_load};
use crate::daemon::Daemon;
use crate::model;
use crate::report::Outcome;
use crate::rounds::alternate;

/// Sessions, and the most frames of a batch.
const SESSIONS: usize = 8;
/// The pipeline whose frames run together.
const TOGETHER: &str = "cnn8";

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let folder = bench.folder().join("batch");
    fs::create_dir_all(&folder).context("no folder for the row")?;
    let cnn = model::write(&folder)?;
    model::write_pipeline(&cnn.folder, TOGETHER, &format!("max_batch = {SESSIONS}\n"))?;
    let duration = bench.seconds(5, 3);
    let daemon = Daemon::start(bench, Some(&cnn.folder), None)?;
    let rate =
        |pipeline: &str| Ok(run_load(bench.plan(&daemon.url(pipeline), SESSIONS, duration), None)?.results_per_s);
    let rounds = alternate(bench.rounds(), || rate(model::PIPELINE), || rate(TOGETHER))?;
    let what = format!("{SESSIONS} sessions, max_batch = {SESSIONS}");
    Ok(vec![
        Outcome::new("batch", what, rounds.measured(), "frames/s").beside("frame by frame", rounds.limit()),
        Outcome::new("batch", "gain of the batches", rounds.ratio(), "times"),
    ])
}
