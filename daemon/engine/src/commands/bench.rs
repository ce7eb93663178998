//! `forgesyted bench`: how fast a pipeline is on this machine.

use std::io::Write;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;

use crate::bench::report::{Board, Input, Memory, Report};
use crate::bench::{self, BenchError, Plan, Until};
use crate::engine::{EnginePlan, Prepared, device, exit_now, tune_allocator};
use crate::files::{self, paths};
use crate::pipeline::{self, torch};

use base::command_line::bench::Args;
use base::command_line::fail;
use base::config::Config;
use base::frame::Frame;
use base::frame::synthetic::synthetic;
use base::frame::validator::FrameLimits;
use base::machine::clocks;
use base::{board, logging};

/// Frames of an input that are run, in turn: all are in memory.
const MOST_FRAMES: usize = 64;
/// Width and height of frames that are made, and how many.
const MADE_SIZE: (usize, usize) = (640, 480);
const MADE_FRAMES: usize = 16;

/// Runs the command. Exit status 0 when every frame has a result, 1 otherwise.
pub fn run(args: Args) -> ExitCode {
    let _ = tune_allocator();
    // Why a node fails stands in the log only.
    if let Err(error) = logging::init(log::LevelFilter::Warn) {
        return fail(&error);
    }
    match perform(args) {
        Ok(status) => status,
        Err(reason) => fail(&reason),
    }
}

fn perform(mut args: Args) -> Result<ExitCode, String> {
    let loaded = std::mem::take(&mut args.config).source().read().map_err(|error| error.to_string())?;
    let config = loaded.config;
    let frames = input(args.input.as_deref(), &config)?;
    let Prepared { engine, load, metrics } = Prepared::new(&config).map_err(|error| error.to_string())?;
    let mut report = blank(&args, &engine, &frames);
    let metrics = Arc::new(metrics.with_exact_times());
    let pipeline = pipeline::load_one(&args.pipeline, &load, &metrics)?;
    report.memory.after_load_bytes = clocks::own_memory(Path::new("/"), "VmRSS");

    let until = args.frames.map_or(Until::Time(args.seconds), |frames| Until::Frames(frames.get()));
    let plan = Plan { frames, sessions: report.sessions, until };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let measured = runtime.block_on(bench::run(&plan, engine, &pipeline, metrics));
    if let Err(error @ BenchError::Stuck) = &measured {
        eprintln!("forgesyted: {error}");
        exit_now(1);
    }
    report.fill(measured.map_err(|error| error.to_string())?);
    report.board.after = clocks::moment(Path::new("/"));
    report.memory.peak_bytes = clocks::own_memory(Path::new("/"), "VmHWM");
    print(&report, args.json)?;
    Ok(if report.failed == 0 && report.frames > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report, json: bool) -> Result<(), String> {
    let text = match json {
        true => serde_json::to_string_pretty(report).map_err(|error| error.to_string())? + "\n",
        false => report.to_table(),
    };
    let mut out = std::io::stdout().lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.map_err(|error| format!("standard output cannot be written: {error}"))
}

/// The report before anything is measured.
fn blank(args: &Args, engine: &EnginePlan, frames: &[Frame]) -> Report {
    let root = Path::new("/");
    let bytes: u64 = frames.iter().map(|frame| frame.len() as u64).sum();
    let moment = clocks::moment(root);
    Report {
        pipeline: args.pipeline.clone(),
        input: Input {
            path: args.input.as_ref().map(|path| path.display().to_string()),
            frames: frames.len(),
            mean_bytes: bytes / frames.len().max(1) as u64,
        },
        sessions: args.sessions.map_or(engine.workers, NonZero::get),
        seconds: 0.0,
        frames: 0,
        failed: 0,
        first_failure: None,
        fps: 0.0,
        stages: Vec::new(),
        batches: Vec::new(),
        memory: Memory {
            before_load_bytes: clocks::own_memory(root, "VmRSS"),
            after_load_bytes: None,
            peak_bytes: None,
        },
        board: Board {
            model: board::gather(root).model,
            cpu: clocks::cpu_name(root),
            cores: available_parallelism().map_or(1, NonZero::get),
            device: device::name(engine.device),
            libtorch: torch::TORCH_VERSION.to_owned(),
            workers: engine.workers,
            threads_per_worker: engine.threads_per_worker,
            power: clocks::power(root),
            before: moment.clone(),
            after: moment,
        },
    }
}

/// The frames to run: the first of the input's, or made ones.
fn input(path: Option<&Path>, config: &Config) -> Result<Vec<Frame>, String> {
    let Some(path) = path else {
        let made = synthetic(MADE_SIZE.0, MADE_SIZE.1, MADE_FRAMES).map_err(|error| error.to_string())?;
        return Ok(made.into_iter().map(Frame::jpeg).collect());
    };
    let (files, refused) = paths::find(&[path.to_owned()]);
    if let Some(refused) = refused.first() {
        return Err(format!("{} {}", refused.path.display(), refused.reason));
    }
    let limits = FrameLimits::from(&config.stream);
    let mut frames = Vec::new();
    for file in &files {
        let mut bad = None;
        let mut take = |found: files::Found<'_>| {
            match (found.make)() {
                Ok(frame) => frames.push(frame),
                Err(reason) => bad = Some(reason),
            }
            if bad.is_none() && frames.len() < MOST_FRAMES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let read = files::read(file, limits, &|| false, &mut take);
        if let Some(reason) = bad {
            let (path, reason) = (file.path.display(), reason.trim_end_matches('.'));
            return Err(format!("{path}: {reason}. Or give --input a file without damage"));
        }
        read.map_err(|reason| format!("{} {reason}", file.path.display()))?;
        if frames.len() >= MOST_FRAMES {
            break;
        }
    }
    if frames.is_empty() { Err(format!("{} holds no frame", path.display())) } else { Ok(frames) }
}
