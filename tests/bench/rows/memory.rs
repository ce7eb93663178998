//! `memory`: resident memory (VmRSS) of idle sessions, of the daemon with `scene`, and under a long overload.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::overload;
use crate::bench::{Bench, run_load};
use crate::child;
use crate::daemon::Daemon;
use crate::limits::plain_loop::{self, Report};
use crate::model;
use crate::report::{Bound, Outcome};
use crate::rounds::median;

/// Idle sessions that are opened beside a first one.
const IDLE: usize = 200;
/// Most KiB of each.
const IDLE_GOAL_KIB: f64 = 64.0;
/// Most of the daemon with `scene`, as a multiple of the plain loop's memory.
const SCENE_GOAL: f64 = 1.4;
/// `scene`, its model and the size that it is fed (config/pipelines/scene.toml).
const SCENE_PIPELINE: &str = "share/forgesyted/pipelines/scene.toml";
const SCENE_MODEL: &str = "share/forgesyted/models/scene.pt";
const SCENE_SIZE: (usize, usize) = (320, 240);
/// What counts as growth under overload: more than this share and this much.
const GROWTH_SHARE: f64 = 0.02;
const GROWTH_MIB: f64 = 1.0;
const MIB: f64 = 1024.0 * 1024.0;

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let mut outcomes = idle_sessions(bench)?;
    outcomes.push(with_scene(bench)?);
    outcomes.push(under_overload(bench)?);
    Ok(outcomes)
}

fn idle_sessions(bench: &Bench) -> Result<Vec<Outcome>> {
    let daemon = Daemon::start(bench, None, None)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let frame = bench.frames.first().context("there is no frame")?;
    let per_session = |before: u64, now: u64| (now as f64 - before as f64) / IDLE as f64 / 1024.0;
    runtime.block_on(async {
        // The first session makes what all share; it has run a frame.
        let mut first = connect(&daemon).await?;
        send_one(&mut first, frame).await?;
        let before = settled(&daemon, 1)?;
        let mut sessions = Vec::with_capacity(IDLE);
        for _ in 0..IDLE {
            sessions.push(connect(&daemon).await?);
        }
        let idle = settled(&daemon, IDLE + 1)?;
        for session in &mut sessions {
            send_one(session, frame).await?;
        }
        let used = settled(&daemon, IDLE + 1)?;
        let idle = per_session(before, idle);
        Ok(vec![
            Outcome::new("memory", format!("idle session (of {IDLE})"), idle, "KiB").goal(
                idle,
                Bound::AtMost(IDLE_GOAL_KIB),
                "KiB",
            ),
            Outcome::new("memory", "the same after a frame each", per_session(before, used), "KiB"),
        ])
    })
}

type Client = WebSocketStream<TcpStream>;

async fn connect(daemon: &Daemon) -> Result<Client> {
    let stream = TcpStream::connect(daemon.address()).await?;
    Ok(client_async(daemon.url("noop"), stream).await.context("no upgrade")?.0)
}

async fn send_one(client: &mut Client, frame: &bytes::Bytes) -> Result<()> {
    client.send(Message::Binary(frame.clone())).await?;
    let reply = client.next().await.context("the daemon closed a session")??;
    ensure!(reply.is_text(), "the daemon answered {reply:?}");
    Ok(())
}

/// The daemon's memory once it counts this many sessions.
fn settled(daemon: &Daemon, sessions: usize) -> Result<u64> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while daemon.get("/v1/sessions")?.matches("\"session_id\"").count() != sessions {
        ensure!(Instant::now() < deadline, "the daemon does not count {sessions} sessions");
        thread::sleep(Duration::from_millis(20));
    }
    daemon.rss()
}

fn with_scene(bench: &Bench) -> Result<Outcome> {
    let prefix = bench.program.parent().and_then(|bin| bin.parent()).context("the daemon lies in no tree")?;
    let workers = bench.other_cores.len() + 1;
    let duration = bench.seconds(5, 2);
    let (width, height) = SCENE_SIZE;
    let (model, frames) = (prefix.join(SCENE_MODEL), bench.frame_folder());
    let seconds = duration.as_secs_f64();
    let args = plain_loop::Args { model, frames, width, height, workers, seconds, fps: None };
    let limit: Report = child::run_limit(&args.to_command(), None)?;
    // Alone: the other shipped pipelines have models of their own.
    let alone = bench.folder().join("scene-alone");
    fs::create_dir_all(&alone).with_context(|| format!("cannot make {}", alone.display()))?;
    fs::copy(prefix.join(SCENE_PIPELINE), alone.join("scene.toml")).context("cannot copy the pipeline scene")?;
    let daemon = Daemon::start(bench, Some(&alone), None)?;
    run_load(bench.plan(&daemon.url("scene"), workers, duration), None)?;
    let measured = daemon.rss()?;
    Ok(Outcome::new("memory", "with scene, after frames", measured as f64 / MIB, "MiB")
        .beside("plain loop", limit.rss as f64 / MIB)
        .goal(measured as f64 / limit.rss as f64, Bound::AtMost(SCENE_GOAL), "× the plain loop"))
}

fn under_overload(bench: &Bench) -> Result<Outcome> {
    let cnn = model::write(bench.folder())?;
    let daemon = Daemon::start(bench, Some(&cnn.folder), None)?;
    let url = daemon.url(model::PIPELINE);
    let rate = run_load(bench.plan(&url, overload::SESSIONS, bench.seconds(5, 3)), None)?.results_per_s;
    let half = bench.seconds(60, 15);
    let plan = overload::plan(bench, &url, rate, 2 * half + Duration::from_secs(1));
    let (early, late) = thread::scope(|scope| {
        let load = scope.spawn(|| run_load(plan, None));
        let begin = Instant::now();
        let early = around(&daemon, begin + half)?;
        let late = around(&daemon, begin + 2 * half)?;
        load.join().map_err(|_| anyhow::anyhow!("the load generator panicked"))??;
        Ok::<_, anyhow::Error>((early, late))
    })?;
    let most = early * GROWTH_SHARE + GROWTH_MIB;
    let what = format!("after {} s of overload", 2 * half.as_secs());
    Ok(Outcome::new("memory", what, late, "MiB").beside("at half of it", early).goal(
        late - early,
        Bound::AtMost(most),
        "MiB more",
    ))
}

/// The median of the daemon's memory in the second before `end`, in MiB.
fn around(daemon: &Daemon, end: Instant) -> Result<f64> {
    thread::sleep(end.saturating_duration_since(Instant::now()).saturating_sub(Duration::from_secs(1)));
    let mut samples = Vec::new();
    while Instant::now() < end {
        samples.push(daemon.rss()? as f64 / MIB);
        thread::sleep(Duration::from_millis(50));
    }
    Ok(median(&samples))
}
