//! `turns`: what `every = 5` saves of decoding. The CNN on each fifth frame, beside the same on each, both by one client in a
//! closed loop, the daemon on one core: the time that the daemon says it spends on decoding, spread over all frames.

use std::fs;

use anyhow::{Context, Result};

use crate::bench::{Bench, run_load};
use crate::daemon::Daemon;
use crate::model;
use crate::report::{Bound, Outcome};
use crate::rounds::alternate;

/// The pipeline whose node runs on each fifth frame.
const FIFTH: &str = "cnn5";
/// A fifth, and what the frames may differ by.
const GOAL: f64 = 0.25;

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let folder = bench.folder().join("turns");
    fs::create_dir_all(&folder).context("no folder for the row")?;
    let cnn = model::write(&folder)?;
    model::write_pipeline(&cnn.folder, FIFTH, "every = 5\n")?;
    let duration = bench.seconds(5, 3);
    let daemon = Daemon::start(bench, Some(&cnn.folder), Some(&bench.server_core))?;
    let decoding = |pipeline: &str| {
        let before = Stages::read(&daemon, pipeline)?;
        run_load(bench.plan(&daemon.url(pipeline), 1, duration), Some(&bench.other_cores))?;
        let after = Stages::read(&daemon, pipeline)?;
        Ok((after.decode_s - before.decode_s) / (after.frames - before.frames) * 1e6)
    };
    let rounds = alternate(bench.rounds(), || decoding(model::PIPELINE), || decoding(FIFTH))?;
    let outcome = Outcome::new("turns", "decoding of a frame, every = 5", rounds.measured(), "µs");
    let goal = Bound::AtMost(GOAL);
    Ok(vec![outcome.beside("every frame", rounds.limit()).goal(rounds.ratio(), goal, "of it")])
}

/// What a pipeline's frames took so far.
struct Stages {
    decode_s: f64,
    frames: f64,
}

impl Stages {
    fn read(daemon: &Daemon, pipeline: &str) -> Result<Stages> {
        let metrics = daemon.get("/metrics")?;
        let value = |series: &str, stage: &str| {
            let name = format!("stream_stage_seconds_{series}{{pipeline=\"{pipeline}\",stage=\"{stage}\"}} ");
            let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
            line.and_then(|value| value.trim().parse().ok()).with_context(|| format!("no {name}"))
        };
        Ok(Stages { decode_s: value("sum", "decode")?, frames: value("count", "total")? })
    }
}
