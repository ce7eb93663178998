//! `forgesyted serve`: logging, configuration, build, run.

use std::process::ExitCode;

use crate::app::{App, Signals, StartError, Stopped};
use crate::engine::device::PlanError;
use crate::engine::{exit_now, tune_allocator};
use base::command_line::{BAD_CONFIGURATION, config_rejected, fail};
use base::config::ConfigSource;
use base::launch::waiting::ensure_policy;
use base::logging;

/// Runs the daemon; see [`crate::app`]. Exit status 0 after a stop signal or the end of its terminal, 78 for a bad configuration, 1 otherwise.
pub fn run(source: ConfigSource) -> ExitCode {
    let waiting = ensure_policy();
    let tuned = tune_allocator();
    if let Err(error) = logging::init(log::LevelFilter::Info) {
        return fail(&error);
    }
    logging::log_panics();
    if let Err(spinning) = waiting {
        log::warn!(event = "waiting_policy"; "{spinning}");
    }
    if !tuned {
        log::debug!(event = "allocator"; "the C library's allocator took no tuning; frames may cost a little more");
    }
    match start(source) {
        Ok(Stopped::Cleanly) => ExitCode::SUCCESS,
        // Exit handlers of a CUDA library whose context is lost may hang.
        Ok(Stopped::DeviceLost | Stopped::NeverReady) => exit_now(1),
        Err(StartError::Config(error)) => config_rejected(&error),
        Err(error) => {
            log::error!(event = "start_failed"; "{error}");
            // A socket unit passes the same sockets every time, and a library that is named stays named.
            let configured = matches!(error, StartError::Passed(_) | StartError::Plan(PlanError::Library { .. }));
            if configured { ExitCode::from(BAD_CONFIGURATION) } else { ExitCode::FAILURE }
        }
    }
}

fn start(source: ConfigSource) -> Result<Stopped, StartError> {
    // From here on a reload that is asked for happens, if only once the daemon is ready: what is read next may be old by then.
    let signals = Signals::catch()?;
    let loaded = source.read()?;
    logging::set_level(loaded.config.log.level);
    loaded.warnings.iter().for_each(|warning| log::warn!(event = "config_warning"; "{warning}"));
    App::build(loaded, source)?.run(signals)
}
