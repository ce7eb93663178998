//! The wiring room: build (read the configuration, bind, choose the device, start the workers), run (serve, load, tell the
//! service manager, reload), drain. The only room that sees every other one.

mod hangup;
mod listeners;
mod reload;
mod watch;

use std::future::ready;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::future::OptionFuture;
use rustix::process::{Resource, getrlimit, setrlimit};
use thiserror::Error;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, oneshot, watch as channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout, timeout_at};

use crate::engine::device::{self, PlanError};
use crate::engine::{Engine, EnginePlan, Prepared, exit_now};
use crate::server::{self, Painter, PassedError, Readiness, ServerState};
use crate::session::Services;
use crate::source::camera::CameraSet;
use crate::systemd::{self, Heartbeat};
use base::config::{self, ConfigError, ConfigSource};
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

/// Threads for loading, pictures and sensors, each of which has one at most.
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
        let engine = Engine::start(plan, Arc::clone(&metrics))?;
        let services = Arc::new(Services::new(config, engine, metrics));
        let state = ServerState {
            cameras: Arc::new(CameraSet::new(Arc::clone(&services))),
            services,
            painter: Painter::default(),
            watchers: channel::Sender::new(false),
            connections: channel::Sender::new(false),
            readiness: Arc::new(Readiness::default()),
            device: device::name(plan.device).into(),
            started: std::time::Instant::now(),
        };
        Ok(App { state, listeners, plan, source, config_file })
    }

    /// Runs until a signal stops it, or the device is lost.
    ///
    /// # Errors
    /// When the system refuses the reactor or a thread.
    pub fn run(self, signals: Signals) -> Result<Stopped, StartError> {
        let Signals { runtime, stop, hangups } = signals;
        let stopped = runtime.block_on(self.serve(stop, hangups));
        // Not dropped: that would wait for a sensor that is being read, however long it takes.
        runtime.shutdown_background();
        stopped
    }

    async fn serve(self, mut stop_signals: StopSignals, hangups: Hangups) -> Result<Stopped, StartError> {
        let state = self.state;
        let (listeners, passed) = self.listeners.into_tokio()?;
        let addresses = listeners::addresses(&listeners)?;
        let by = if passed { ", which the service manager passed; server.listen is overruled" } else { "" };
        log::info!(event = "listening", listen = addresses, passed, config = self.config_file; "listening on {addresses}{by}");
        let services = Arc::clone(&state.services);
        tokio::spawn(async move { services.engine.carry_wakes().await });
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
        let at_start = state.services.config.load_full();
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
                    let engine = &state.services.engine;
                    if heartbeat.all_came_round(engine.rounds()) && !engine.is_silent() {
                        systemd::watchdog();
                    }
                    if engine.device_lost() {
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
    let (start, services) = (Instant::now(), &state.services);
    let deadline = start + STOP_WITHIN;
    state.readiness.stop();
    systemd::stopping();
    log::info!(event = "stopping", sessions = services.sessions.len(); "stopping: answering the frames that run");
    listening.abort();
    state.connections.send_replace(true);
    state.watchers.send_replace(true);
    let cameras = Arc::clone(&state.cameras);
    let cameras = beside(move || cameras.stop(CAMERAS_WITHIN));
    services.sessions.shut_down();
    if timeout(FRAMES_WITHIN, services.sessions.drained()).await.is_err() {
        log::warn!(event = "stopping", sessions = services.sessions.len(); "some sessions have not ended; ending them now");
        services.sessions.end_now();
        tokio::select! {
            () = services.sessions.drained() => {}
            () = sleep_until(deadline) => {}
        }
    }
    let left = || deadline.saturating_duration_since(Instant::now());
    let cameras_ended = matches!(timeout(left().max(CAMERAS_WITHIN), cameras).await, Ok(Ok(true)));
    let _ = timeout(left().min(WATCHERS_WITHIN), state.watchers.closed()).await;
    let _ = timeout_at(start + REQUESTS_WITHIN, state.connections.closed()).await;
    let (services, patience) = (Arc::clone(services), left().max(WORKERS_WITHIN));
    let engine_ended = beside(move || services.engine.stop(patience)).await.unwrap_or(false);
    let all_ended = engine_ended && cameras_ended;
    log::info!(event = "stopped", all_ended; "stopped");
    if !all_ended {
        exit_now(status);
    }
}

/// Does what blocks on a thread of its own: the reactor's few may all be held by what a stop must not wait for. Nothing comes of
/// it where the system gives no thread.
fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (done, outcome) = oneshot::channel();
    let _ = thread::Builder::new().name("stop".to_owned()).spawn(move || done.send(work()).is_ok());
    outcome
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_a_stop_blocks_on_needs_no_thread_that_others_hold() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()
            .unwrap();
        let held: Vec<mpsc::Sender<()>> = (0..BLOCKING_THREADS)
            .map(|_| {
                let (release, held) = mpsc::channel();
                drop(runtime.spawn_blocking(move || held.recv()));
                release
            })
            .collect();
        let done = runtime.block_on(async { timeout(Duration::from_secs(30), beside(|| 7)).await });
        drop(held);
        assert_eq!(done, Ok(Ok(7)));
    }
}
