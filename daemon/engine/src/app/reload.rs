//! Loading at start, and again on SIGHUP. Models load on a thread of their own while sessions are served; what is not
//! whole changes nothing.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::task::JoinHandle;

use crate::engine::EnginePlan;
use crate::pipeline::registry::Loaded;
use crate::pipeline::torch::Device;
use crate::pipeline::{LoadPlan, Pipeline};
use crate::server::{Phase, ServerState};
use crate::systemd;
use base::clock;
use base::config::{self, Config, ConfigSource, home_advice};

/// The niceness of a load beside sessions; 19 would starve on a full board, 10 gets a tenth of a core.
const LOAD_NICENESS: i32 = 10;

/// What a load needs.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) state: ServerState,
    pub(super) device: Device,
    pub(super) source: ConfigSource,
    /// The configuration that sockets and workers were made from.
    pub(super) at_start: Arc<Config>,
}

/// Loads the pipelines for the first time, then says that the daemon is ready.
pub(super) fn start(context: Context, plan: EnginePlan, addresses: String) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let state = &context.state;
        let config = state.services.config.load_full();
        let summary = take_in(&context, load(&context, &config));
        // A stop signal may have come first.
        if !state.readiness.serve() {
            return;
        }
        apply_cameras(&context);
        say_ready(&context, &summary);
        log::info!(
            event = "ready", listen = addresses, device:? = plan.device, workers = plan.workers,
            threads_per_worker = plan.threads_per_worker, torch = crate::pipeline::torch::TORCH_VERSION,
            took_ms = millis(started); "{summary}"
        );
        say_if_the_clock_is_wrong();
        say_if_nothing_serves(&context);
    })
}

/// Reads configuration and pipelines again.
pub(super) fn reload(context: Context) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        systemd::reloading();
        let services = &context.state.services;
        let summary = match context.source.read_again(&services.config.load()) {
            Ok(loaded) => {
                let waits = config::needs_restart(&context.at_start, &loaded.config).join(" ");
                loaded.warnings.iter().for_each(|warning| log::warn!(event = "config_warning"; "{warning}"));
                base::logging::set_level(loaded.config.log.level);
                let mut summary = take_in(&context, load(&context, &loaded.config));
                if !waits.is_empty() {
                    summary.push_str(&format!("; a restart is needed for {waits}"));
                }
                let thresholds = (&loaded.config.stream).into();
                services.config.store(Arc::new(loaded.config));
                services.sessions.set_thresholds(thresholds);
                apply_cameras(&context);
                log::info!(
                    event = "config_reloaded", restart_needed = waits, took_ms = millis(started); "{summary}"
                );
                summary
            }
            Err(error) => {
                for problem in &error.problems {
                    log::error!(event = "config_rejected"; "{problem}");
                }
                let count = error.problems.len();
                format!("reload refused ({count} problems in the configuration, see the log); the old one stays")
            }
        };
        say_ready(&context, &summary);
        say_if_nothing_serves(&context);
    })
}

/// Takes in what the watch found changed, and leaves the configuration as it is.
pub(super) fn take_in_changes(context: Context) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let services = &context.state.services;
        let config = services.config.load_full();
        let plan = LoadPlan::new(&config.pipelines, context.device, context.at_start.engine.precision);
        // A reload may have come first, or the change may be gone.
        if services.pipelines.changes(&plan).is_none() {
            return;
        }
        let summary = take_in(&context, load(&context, &config));
        log::info!(event = "pipelines_reloaded", took_ms = millis(started); "{summary}");
        say_ready(&context, &summary);
        say_if_nothing_serves(&context);
    })
}

/// Says what to do where times in the log cannot be right.
fn say_if_the_clock_is_wrong() {
    if let Some(behind) = clock::behind(SystemTime::now(), clock::oldest_possible()) {
        let days = behind.as_secs() / 86_400;
        log::warn!(
            event = "clock_wrong", behind_days = days;
            "the clock is wrong, at least {days} days behind; the log has wrong times. Set it (`timedatectl set-time`), or give the \
             board a time server; frames are served all the same"
        );
    }
}

/// Says what to do where the daemon runs and can serve nobody: last, so that it is what an operator sees.
fn say_if_nothing_serves(context: &Context) {
    let state = &context.state;
    if state.services.pipelines.is_empty() && state.readiness.phase() == Phase::Serving {
        let dirs = &state.services.config.load().pipelines.dirs;
        let dirs: Vec<_> = dirs.iter().map(|dir| dir.display().to_string()).collect();
        log::error!(
            event = "nothing_to_serve";
            "no pipeline is loaded, so every stream is refused. Correct what the lines above name, or put pipeline files into {}; then \
             reload (`systemctl reload forgesyted`)", dirs.join(" or ")
        );
    }
}

/// Starts, stops and replaces cameras as the configuration now says, unless the daemon stops.
fn apply_cameras(context: &Context) {
    let state = &context.state;
    if state.readiness.phase() == Phase::Serving {
        state.cameras.apply(&state.services.config.load().cameras);
    }
}

/// Loads the pipelines: where others serve already, on a thread that gets the processor only when they leave it.
fn load(context: &Context, config: &Config) -> Loaded {
    let state = &context.state;
    let plan = LoadPlan::new(&config.pipelines, context.device, context.at_start.engine.precision);
    let load = || state.services.pipelines.load(&plan, &state.services.metrics);
    if state.readiness.phase() != Phase::Serving {
        return load();
    }
    let yielding = || {
        // The calling thread alone, in Linux; where it is not allowed, the load competes as any other thread.
        let _ = rustix::process::setpriority_process(None, LOAD_NICENESS);
        load()
    };
    thread::scope(|scope| match thread::Builder::new().name("load".to_owned()).spawn_scoped(scope, yielding) {
        Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
        Err(_) => load(),
    })
}

/// Logs a load's outcome and puts it in place. Returns it as one line.
fn take_in(context: &Context, loaded: Loaded) -> String {
    // One of the default folders is often absent; where nothing is loaded, it is the likely reason.
    if loaded.pipelines.is_empty() {
        for dir in &loaded.missing_dirs {
            log::warn!(event = "pipeline_dir_missing", dir:% = dir.display(); "pipeline folder {} does not exist{}", dir.display(), home_advice(dir));
        }
    }
    for rejection in &loaded.rejected {
        log::error!(
            event = "pipeline_rejected", file:% = rejection.file.display(), err = rejection.reason; "{rejection}"
        );
    }
    let registry = &context.state.services.pipelines;
    let is_new =
        |pipeline: &&Arc<Pipeline>| !registry.get(pipeline.id()).is_some_and(|old| Arc::ptr_eq(&old, pipeline));
    for pipeline in loaded.pipelines.values().filter(is_new) {
        log::info!(
            event = "pipeline_loaded", pipeline_id = pipeline.id(), file:% = pipeline.file().display();
            "pipeline {} is loaded and warm", pipeline.id()
        );
        for (node, found) in pipeline.comparisons() {
            // What is not known is null.
            let millis = |time: Option<Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
            log::info!(
                event = "precision", pipeline_id = pipeline.id(), node, precision:% = found.precision,
                largest_difference = found.difference.and_then(|it| it.largest).unwrap_or(f64::NAN),
                took_ms = millis(found.difference.map(|it| it.took)), fp32_took_ms = millis(found.difference.map(|it| it.fp32_took));
                "node \"{node}\" of pipeline {} in {found}", pipeline.id()
            );
        }
    }
    let ids: Vec<&str> = loaded.pipelines.keys().map(String::as_str).collect();
    let mut summary = match ids.len() {
        0 => "no pipeline is loaded".to_owned(),
        _ => format!("serving {}", ids.join(", ")),
    };
    if !loaded.rejected.is_empty() {
        summary.push_str(&format!("; {} pipeline files refused, see the log", loaded.rejected.len()));
    }
    registry.swap(loaded);
    summary
}

/// Called when a load panicked (the panic is logged). Returns whether the daemon can go on: it can after a reload, which
/// changed nothing.
pub(super) fn survived_panic(context: &Context) -> bool {
    if context.state.readiness.phase() == Phase::Starting {
        return false;
    }
    say_ready(context, "reload failed by a defect, see the log; the old configuration stays");
    true
}

fn say_ready(context: &Context, summary: &str) {
    // A stop signal may have come while models were loading.
    if context.state.readiness.phase() == Phase::Stopping {
        return;
    }
    systemd::ready(summary);
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
