//! `forgesyted run`: a pipeline on files. `screen` is what is seen of it meanwhile.

mod screen;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use self::screen::{Screen, say};
use crate::engine::{Prepared, tune_allocator};
use crate::files::paths::{self, InputFile, Refused};
use crate::files::run::{self, Plan, Summary};
use crate::pipeline::{self, Pipeline};
use base::command_line::run::Args;
use base::config::Config;
use base::frame::validator::FrameLimits;

/// Exit status of a program that an interrupt ended, as shells count it: 128 and SIGINT.
const INTERRUPTED: u8 = 130;

/// Runs the command. Exit status 0 when every frame has a result, 1 otherwise, 130 when it was interrupted.
pub fn run(args: Args) -> ExitCode {
    let _ = tune_allocator();
    match perform(args) {
        Ok(status) => status,
        Err(reason) => {
            say(&reason);
            ExitCode::FAILURE
        }
    }
}

fn perform(mut args: Args) -> Result<ExitCode, String> {
    let loaded = std::mem::take(&mut args.config).source().read().map_err(|error| error.to_string())?;
    // What cannot be read is said before the models are loaded, which may take a while.
    let (files, refused) = paths::find(&args.files);
    for Refused { path, reason } in &refused {
        say(&format!("{} {reason}", path.display()));
    }
    if files.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let (pipeline, threads) = load(&args.pipeline, &loaded.config)?;
    let stop = stop_on_interrupt()?;
    let bytes = files.iter().map(|file| file.bytes).sum();
    let plan = plan(&args, &loaded.config, files, threads);
    let mut screen = Screen::new(bytes);
    let ran = run::run(&plan, &pipeline, &stop, &mut |event| screen.show(event));
    let output_error = screen.end();
    let Summary { results, problems } = ran?;
    if let Some(error) = output_error {
        return Err(format!("standard output cannot be written: {error}"));
    }
    if stop.load(Ordering::Relaxed) {
        say(&format!("interrupted after {results} frames"));
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let problems = problems + refused.len() as u64;
    if problems > 0 {
        say(&format!("{results} frames have a result; {problems} files or frames have none, as said above"));
    }
    Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(args: &Args, config: &Config, files: Vec<InputFile>, threads: usize) -> Plan {
    Plan {
        files,
        limits: FrameLimits::from(&config.stream),
        stride: args.stride,
        max_frames: args.max_frames.map(Into::into),
        annotate: args.annotate.clone(),
        with_paths: args.paths,
        threads,
    }
}

/// The pipeline, and the threads that one frame may use: those of all workers, since one frame runs at a time.
fn load(id: &str, config: &Config) -> Result<(Arc<Pipeline>, usize), String> {
    let Prepared { engine, load, metrics } = Prepared::new(config).map_err(|error| error.to_string())?;
    let pipeline = pipeline::load_one(id, &load, &metrics)?;
    Ok((pipeline, engine.workers * engine.threads_per_worker))
}

/// A flag that the first interrupt sets, so that no line and no picture is left half written; a second one ends the
/// program at once. Interrupts are caught from the moment this returns.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, String> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let cannot = |error: std::io::Error| format!("cannot wait for interrupts: {error}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    let mut interrupts = {
        let _inside = runtime.enter();
        signal(SignalKind::interrupt()).map_err(cannot)?
    };
    let wait = move || {
        runtime.block_on(async {
            if interrupts.recv().await.is_some() {
                flag.store(true, Ordering::Relaxed);
            }
            if interrupts.recv().await.is_some() {
                crate::engine::exit_now(INTERRUPTED.into());
            }
        });
    };
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(wait).map_err(cannot)?;
    Ok(stop)
}
