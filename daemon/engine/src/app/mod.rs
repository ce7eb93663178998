//! The wiring room: build (read the configuration, bind, choose the device, start the workers), run (serve, load, tell the
//! service manager, reload), drain. The only room that sees every other one.

mod hangup;
mod listeners;
mod reload;
mod watch;

use std::future::ready;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::OptionFuture;
use rustix::process::{Resource, getrlimit, setrlimit};
use thiserror::Error;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{self, Notify};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout, timeout_at};

use crate::engine::device::{self, PlanError};
use crate::engine::{Engine, EnginePlan, Prepared, exit_now};
use crate::pipeline::registry::PipelineRegistry;
use crate::pipeline::{LoadPlan, torch};
use crate::server::{self, Board, PassedError, Readiness, ServerState};
use crate::session::registry::SessionRegistry;
use crate::source::camera::{CameraSet, Needs};
use crate::systemd::{self, Heartbeat};
use base::config::{self, Config, ConfigError, ConfigSource, Precision};
use hangup::{Hangup, Hangups};
use listeners::Listeners;

/// From the first stop signal to the exit, at most; the unit's own limit is longer.
const STOP_WITHIN: Duration = Duration::from_millis(4500);
/// Of that, how long a frame that runs is waited for before its session is ended without its result.
const FRAMES_WITHIN: Duration = Duration::from_millis(3000);
/// What cameras get to close their devices; they look up four times a second.
const CAMERAS_WITHIN: Duration = Duration::from_secs(1);
/// From the first stop signal, how long a client that has connected may take to send its request.
const REQUESTS_WITHIN: Duration = Duration::from_millis(2000);
/// What watchers get to take their last message.
const WATCHERS_WITHIN: Duration = Duration::from_millis(500);
/// What the workers get at least to come to their end; they need it only to wake up.
const WORKERS_WITHIN: Duration = Duration::from_millis(200);
/// How often the device is asked about when nothing else happens.
const DEVICE_CHECK: Duration = Duration::from_secs(1);

/// Threads for loading, `/metrics` and the engine's end.
const BLOCKING_THREADS: usize = 4;

/// Why the daemon does not start. The text says what to do.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration has problems, each of which is listed.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// Models cannot be run as the configuration says.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}. {advice}")]
    Listen {
        /// The address.
        address: String,
        /// The system's error.
        error: io::Error,
        /// What to do about it.
        advice: &'static str,
    },
    /// What the service manager passed cannot be listened on.
    #[error("cannot listen: {0}")]
    Passed(#[from] PassedError),
    /// The system refused threads, a reactor or signal handlers.
    #[error("cannot start: {0}. Raise TasksMax and LimitNOFILE of the unit, or end other programs.")]
    System(#[from] io::Error),
}

/// How the daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It was asked to, and everything was answered.
    Cleanly,
    /// Its device is lost; a new process is needed.
    DeviceLost,
    /// Loading the pipelines for the first time panicked: it would never be ready.
    NeverReady,
}

/// A daemon that is built and does not run yet.
#[derive(Debug)]
pub struct App {
    state: ServerState,
    listeners: Listeners,
    plan: EnginePlan,
    source: ConfigSource,
    config_file: String,
}

impl App {
    /// Takes or binds the sockets and starts the workers. Nothing is served or loaded yet.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn build(loaded: config::Loaded, source: ConfigSource) -> Result<App, StartError> {
        let config = loaded.config;
        let config_file = loaded.file.map_or_else(|| "none".to_owned(), |file| file.display().to_string());
        allow_open_files();
        let listeners = Listeners::new(&config.server.listen)?;
        let Prepared { engine: plan, metrics, .. } = Prepared::new(&config)?;
        let metrics = Arc::new(metrics);
        let engine = Arc::new(Engine::start(plan, Arc::clone(&metrics))?);
        let needs = Needs {
            config: Arc::new(ArcSwap::from_pointee(config)),
            pipelines: Arc::new(PipelineRegistry::default()),
            sessions: Arc::new(SessionRegistry::default()),
            engine,
            metrics,
        };
        let state = ServerState {
            config: Arc::clone(&needs.config),
            pipelines: Arc::clone(&needs.pipelines),
            sessions: Arc::clone(&needs.sessions),
            engine: Arc::clone(&needs.engine),
            metrics: Arc::clone(&needs.metrics),
            cameras: Arc::new(CameraSet::new(needs)),
            painter: Arc::default(),
            watchers: sync::watch::Sender::new(false),
            connections: sync::watch::Sender::new(false),
            readiness: Arc::new(Readiness::default()),
            board: Board { device: device::name(plan.device), started: std::time::Instant::now() },
        };
        Ok(App { state, listeners, plan, source, config_file })
    }

    /// Runs until a signal stops it, or the device is lost.
    ///
    /// # Errors
    /// When the system refuses the reactor or a thread.
    pub fn run(self, signals: Signals) -> Result<Stopped, StartError> {
        let Signals { runtime, stop, hangups } = signals;
        runtime.block_on(self.serve(stop, hangups))
    }

    async fn serve(self, mut stop_signals: StopSignals, hangups: Hangups) -> Result<Stopped, StartError> {
        let state = self.state;
        let (listeners, passed) = self.listeners.into_tokio()?;
        let addresses = listeners::addresses(&listeners)?;
        let by = if passed { ", which the service manager passed; server.listen is overruled" } else { "" };
        log::info!(event = "listening", listen = addresses, passed, config = self.config_file; "listening on {addresses}{by}");
        let engine = Arc::clone(&state.engine);
        tokio::spawn(async move { engine.carry_wakes().await });
        // On a passed socket, clients wait in its queue for a daemon that serves them, as they do across a restart.
        let accept = Arc::new(Notify::new());
        if !passed {
            accept.notify_one();
        }
        let listening = tokio::spawn({
            let (accept, state) = (Arc::clone(&accept), state.clone());
            async move {
                accept.notified().await;
                server::serve(listeners, state).await;
            }
        });
        let at_start = state.config.load_full();
        let context = reload::Context { state: state.clone(), device: self.plan.device, source: self.source, at_start };
        let changed = watch::start(state.clone(), self.plan.device)?;
        let mut loading = Some(reload::start(context.clone(), self.plan, addresses));
        let mut reload_wanted = false;
        let mut heartbeat = Heartbeat::default();
        let mut watchdog = interval(systemd::watchdog_interval().unwrap_or(DEVICE_CHECK).min(DEVICE_CHECK));
        watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stopped = loop {
            tokio::select! {
                _ = stop_signals.recv() => break Stopped::Cleanly,
                Ok(hangup) = hangups.recv() => match hangup {
                    Hangup::Reload => reload_wanted = true,
                    Hangup::Closed => {
                        log::info!(event = "terminal_closed"; "the terminal is closed, and the daemon ends with it");
                        break Stopped::Cleanly;
                    }
                    Hangup::Outlived => log::info!(event = "terminal_closed"; "the terminal is closed; the daemon goes on"),
                },
                () = ready(()), if reload_wanted && loading.is_none() => {
                    reload_wanted = false;
                    loading = Some(reload::reload(context.clone()));
                }
                () = changed.notified(), if loading.is_none() => loading = Some(reload::take_in_changes(context.clone())),
                Some(loaded) = OptionFuture::from(loading.as_mut()), if loading.is_some() => {
                    loading = None;
                    if loaded.is_err() && !reload::survived_panic(&context) {
                        break Stopped::NeverReady;
                    }
                    accept.notify_one();
                }
                _ = watchdog.tick() => {
                    hangups.look();
                    if heartbeat.all_came_round(state.engine.rounds()) && !state.engine.is_silent() {
                        systemd::watchdog();
                    }
                    if state.engine.device_lost() {
                        break Stopped::DeviceLost;
                    }
                }
            }
        };
        let status = i32::from(stopped != Stopped::Cleanly);
        tokio::select! {
            () = stop(&state, listening, status) => {}
            signal = stop_signals.recv() => {
                log::warn!(event = "stopping", signal; "a second signal: exiting at once");
                exit_now(128 + signal)
            }
        }
        if loading.is_some_and(|loading| !loading.is_finished()) {
            // Exit handlers would pull libtorch away from under the load.
            exit_now(status);
        }
        Ok(stopped)
    }
}

/// Stops in the order of the flow: the listener, the cameras, the sessions, the engine. Ends within [`STOP_WITHIN`];
/// where a worker is stuck in a model, the process ends here with `status`.
async fn stop(state: &ServerState, listening: JoinHandle<()>, status: i32) {
    let start = Instant::now();
    let deadline = start + STOP_WITHIN;
    state.readiness.stop();
    systemd::stopping();
    log::info!(event = "stopping", sessions = state.sessions.len(); "stopping: answering the frames that run");
    listening.abort();
    state.connections.send_replace(true);
    state.watchers.send_replace(true);
    let cameras = Arc::clone(&state.cameras);
    let cameras = tokio::task::spawn_blocking(move || cameras.stop(CAMERAS_WITHIN));
    state.sessions.shut_down();
    if timeout(FRAMES_WITHIN, state.sessions.drained()).await.is_err() {
        log::warn!(event = "stopping", sessions = state.sessions.len(); "some sessions have not ended; ending them now");
        state.sessions.end_now();
        tokio::select! {
            () = state.sessions.drained() => {}
            () = sleep_until(deadline) => {}
        }
    }
    let left = || deadline.saturating_duration_since(Instant::now());
    let cameras_ended = matches!(timeout(left().max(CAMERAS_WITHIN), cameras).await, Ok(Ok(true)));
    let _ = timeout(left().min(WATCHERS_WITHIN), state.watchers.closed()).await;
    let _ = timeout_at(start + REQUESTS_WITHIN, state.connections.closed()).await;
    let engine = Arc::clone(&state.engine);
    let patience = left().max(WORKERS_WITHIN);
    let engine_ended = tokio::task::spawn_blocking(move || engine.stop(patience)).await.unwrap_or(false);
    let all_ended = engine_ended && cameras_ended;
    log::info!(event = "stopped", all_ended; "stopped");
    if !all_ended {
        exit_now(status);
    }
}

/// The signals that the daemon handles, and the reactor that does. Those that come before [`App::run`] are handled by it.
#[derive(Debug)]
pub struct Signals {
    runtime: Runtime,
    stop: StopSignals,
    hangups: Hangups,
}

impl Signals {
    /// Handles them from now on.
    ///
    /// # Errors
    /// When the reactor or the signal handlers cannot be set up.
    pub fn catch() -> Result<Signals, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()?;
        let (stop, hangups) = {
            let _inside = runtime.enter();
            (StopSignals::new()?, Hangups::catch()?)
        };
        Ok(Signals { runtime, stop, hangups })
    }
}

/// The signals that stop the daemon.
#[derive(Debug)]
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> io::Result<Self> {
        Ok(StopSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them and returns its number. Cancel safe.
    async fn recv(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        }
    }
}

/// Raises the soft limit of open files to the hard one: the usual 1024 is fewer than the connections that may be open.
fn allow_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        log::debug!(event = "open_files_limit", err:% = error; "the limit of open files stays as it is");
    }
}

/// What loading is done with: the folders of this configuration, and the rest as it was at the start.
fn load_plan(config: &Config, device: torch::Device, precision: Precision) -> LoadPlan {
    LoadPlan::new(&config.pipelines, device, precision)
}
