//! `text`: the shipped `yolo_ocr` on a frame of 640x480 with five lines, one client in a closed loop, the daemon on one core.
//! Beside it the plain loop through the CNN, on the same core: how fast this core is.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use load::LoadPlan;

use super::plain_loop;
use crate::bench::{Bench, run_load};
use crate::daemon::Daemon;
use crate::model;
use crate::report::{Bound, Outcome};
use crate::rounds::alternate;

const PIPELINE: &str = "yolo_ocr";
/// The picture of the tests.
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/text.jpg");
/// Most milliseconds of a frame on one core.
const GOAL_MS: f64 = 60.0;

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let cnn = model::write(bench.folder())?;
    let picture = Bytes::from(fs::read(PICTURE).with_context(|| format!("cannot read {PICTURE}"))?);
    let duration = bench.seconds(5, 3);
    let daemon = Daemon::start(bench, None, Some(&bench.server_core))?;
    let listed = daemon.get("/v1/pipelines")?;
    ensure!(listed.contains(PIPELINE), "the daemon has no {PIPELINE}: {listed}");
    let url = daemon.url(PIPELINE);
    let rounds = alternate(
        bench.rounds(),
        || Ok(plain_loop(bench, &cnn, 1, duration.as_secs_f64(), None, Some(&bench.server_core))?.p50_ms),
        || {
            let plan = LoadPlan { frames: Arc::new(vec![picture.clone()]), ..bench.plan(&url, 1, duration) };
            Ok(1e3 / run_load(plan, Some(&bench.other_cores))?.results_per_s)
        },
    )?;
    let measured = rounds.measured();
    let outcome = Outcome::new("text", "yolo_ocr, five lines, one core", measured, "ms");
    Ok(vec![outcome.beside("CNN, plain loop", rounds.limit()).goal(measured, Bound::AtMost(GOAL_MS), "ms")])
}
