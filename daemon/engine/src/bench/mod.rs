//! Measuring a pipeline on this machine, with the engine's own workers. Lives here: sessions that always have a next frame
//! (`lane`), the measurement (this file), and how it is told (`report`). Does not live here: reading the machine's state
//! (`telemetry`), the frames that are run (`files`, `load`), or sockets: what clients see of a daemon, `load` measures.

mod lane;
pub mod report;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::engine::{Engine, EnginePlan};
use crate::pipeline::Pipeline;
use crate::telemetry::metrics::{Metrics, PipelineMetrics};
use crate::telemetry::stage::StageTimes;
use base::frame::Frame;
use lane::{BenchLane, Counts, Tally};

/// How long frames run before they are counted: caches fill, clocks rise. The pipeline itself is warm once it is loaded.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long the workers may take for the frames in hand when it is over.
const LAST_FRAMES: Duration = Duration::from_secs(30);

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The frames, which every session sends in turn.
    pub frames: Vec<Frame>,
    /// Sessions, each with one frame running at a time.
    pub sessions: usize,
    /// When it is over.
    pub until: Until,
}

/// When a measurement is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After this time.
    Time(Duration),
    /// After so many frames.
    Frames(u64),
}

/// What was measured, without the warm-up.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// How long it took.
    pub took: Duration,
    /// Frames that have a result.
    pub results: u64,
    /// Frames that failed, and why the first of them did.
    pub failed: (u64, Option<String>),
    /// Each stage by name, in the order of a frame's way.
    pub stages: Vec<(String, StageTimes)>,
    /// How often so many frames ran as one.
    pub batches: Vec<(usize, u64)>,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The system gives no threads.
    #[error("cannot start the workers: {0}; end other programs, or lower engine.workers")]
    System(#[from] io::Error),
    /// A worker did not come back.
    #[error("a frame ran for more than {} s after the end; the model may be stuck", LAST_FRAMES.as_secs())]
    Stuck,
    /// The pipeline was loaded without exact times: a defect of the caller.
    #[error("the pipeline keeps no times")]
    NoTimes,
}

/// Runs the plan on the engine's workers. The pipeline must have been loaded with [`Metrics::with_exact_times`]. Needs a
/// tokio runtime with time.
///
/// # Errors
/// [`BenchError`].
pub async fn run(
    plan: &Plan,
    engine: EnginePlan,
    pipeline: &Arc<Pipeline>,
    metrics: Arc<Metrics>,
) -> Result<Measured, BenchError> {
    let times = pipeline.metrics().ok_or(BenchError::NoTimes)?;
    let engine = Engine::start(engine, metrics)?;
    let tally = Arc::new(Tally::default());
    for number in 0..plan.sessions {
        let lane = BenchLane::new(Arc::clone(pipeline), plan.frames.clone(), number, Arc::clone(&tally));
        engine.ready(Arc::new(lane));
    }
    let measure = async {
        tokio::time::sleep(WARM_UP).await;
        times.reset();
        measured(&tally, plan.until).await
    };
    let counts = tokio::select! {
        counts = measure => counts,
        // It carries wakes for ever.
        () = engine.carry_wakes() => Counts::default(),
    };
    let stages = stages(pipeline, times);
    let batches = times.batches.as_ref();
    let batches = batches.map(|batches| batches.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone());
    if !engine.stop(LAST_FRAMES) {
        return Err(BenchError::Stuck);
    }
    Ok(Measured {
        took: counts.took,
        results: counts.results,
        failed: (counts.failed, tally.first_failure()),
        stages,
        batches: batches.unwrap_or_default().into_iter().collect(),
    })
}

/// Counts until it is over, and ends the sessions.
async fn measured(tally: &Tally, until: Until) -> Counts {
    let enough = Arc::new(Notify::new());
    let (frames, time) = match until {
        Until::Time(time) => (u64::MAX, Some(time)),
        Until::Frames(frames) => (frames, None),
    };
    tally.begin(frames, Arc::clone(&enough));
    match time {
        Some(time) => _ = timeout(time, enough.notified()).await,
        None => enough.notified().await,
    }
    tally.end()
}

fn stages(pipeline: &Pipeline, times: &PipelineMetrics) -> Vec<(String, StageTimes)> {
    let nodes = pipeline.node_ids().into_iter().zip(&times.nodes);
    let before = [("wait", &times.wait), ("decode", &times.decode)].map(|(name, stage)| (name.to_owned(), stage));
    let all = before.into_iter().chain(nodes).chain([("total".to_owned(), &times.total)]);
    all.filter_map(|(name, stage)| Some((name, stage.times()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::image::{ImageNeed, Scaler, sample_jpeg};
    use crate::pipeline::nodes::{Node, NodeFrame, Payload};
    use crate::pipeline::of_one_node;
    use crate::pipeline::torch::Device;

    /// Fails on every third frame of a session.
    #[derive(Debug)]
    struct Picky;

    impl Node for Picky {
        fn needs(&self) -> ImageNeed {
            ImageNeed::Whole
        }

        fn run(&self, frame: &mut NodeFrame<'_>, _: &mut Scaler) -> Result<Payload, String> {
            if frame.frame_index.is_multiple_of(3) { Err("picky".to_owned()) } else { Ok(Payload::default()) }
        }
    }

    #[tokio::test]
    async fn every_frame_that_is_counted_ran_through_every_stage() {
        let metrics = Arc::new(Metrics::new("0", "0").unwrap().with_exact_times());
        let pipeline = Arc::new(of_one_node("picky", Box::new(Picky)).counted(&metrics));
        let frames = vec![Frame::jpeg(sample_jpeg(64, 48).unwrap().into())];
        let plan = Plan { frames, sessions: 3, until: Until::Frames(50) };
        let engine = EnginePlan { device: Device::Cpu, workers: 2, threads_per_worker: 1 };
        let measured = run(&plan, engine, &pipeline, metrics).await.unwrap();
        let (failed, reason) = measured.failed;
        assert_eq!(measured.results + failed, 50);
        assert!((10..=25).contains(&failed) && reason.unwrap().contains("node"), "{failed}");
        let names: Vec<&str> = measured.stages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["wait", "decode", "node", "total"]);
        // A frame in hand when it began or ended may be in some stages only.
        assert!(measured.stages.iter().all(|(_, times)| (30..=60).contains(&times.count)), "{:?}", measured.stages);
        assert!(measured.batches.len() == 1 && measured.batches[0].0 == 1, "{:?}", measured.batches);
        assert!(measured.took > Duration::ZERO);
    }
}
