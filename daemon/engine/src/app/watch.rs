//! Watching pipeline files and what they name, where `pipelines.watch` asks for it. A change is told once nothing moved any
//! more between two looks, so that a file that is being copied is not loaded half.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::Notify;

use crate::pipeline::torch::Device;
use crate::pipeline::{LoadPlan, Seen};
use crate::server::{Phase, ServerState};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Which change is under way.
#[derive(Debug, Default)]
struct Settling {
    /// What the last look found, where it was another than what is loaded.
    last: Option<Seen>,
    /// What was told last: a load that found nothing better is not asked for again before something moves.
    told: Option<Seen>,
}

/// Starts the thread that looks. The bell is rung for each change that has come to rest.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(state: ServerState, device: Device) -> io::Result<Arc<Notify>> {
    let bell = Arc::new(Notify::new());
    let rung = Arc::clone(&bell);
    let look = move || {
        let mut settling = Settling::default();
        while state.readiness.phase() != Phase::Stopping {
            thread::sleep(LOOK_EVERY);
            let config = state.services.config.load();
            let asked_for = state.readiness.phase() == Phase::Serving && config.pipelines.watch;
            let plan = LoadPlan::new(&config.pipelines, device, config.engine.precision);
            if asked_for && settling.came_to_rest(state.services.pipelines.changes(&plan)) {
                rung.notify_one();
            }
        }
    };
    // Not joined: it holds nothing that the end of the process could harm.
    thread::Builder::new().name("watch".to_owned()).spawn(look)?;
    Ok(bell)
}

impl Settling {
    /// Takes what a look found. Whether it is to be told: a change, the same twice, that was not told before.
    fn came_to_rest(&mut self, found: Option<Seen>) -> bool {
        let rests = found.is_some() && found == self.last;
        let tell = rests && found != self.told;
        if tell || found.is_none() {
            self.told = found.clone();
        }
        self.last = found;
        tell
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use base::config::Precision;

    /// What a look finds in folders that are away: one more for each number.
    fn found(places: usize) -> Option<Seen> {
        let dirs = (0..places).map(|number| Path::new("/nowhere").join(number.to_string())).collect();
        Some(Seen::default().again(&LoadPlan {
            dirs,
            model_dirs: Vec::new(),
            device: Device::Cpu,
            precision: Precision::Fp32,
        }))
    }

    #[test]
    fn a_change_is_told_once_when_it_rests() {
        let mut settling = Settling::default();
        let looks = [None, found(1), found(2), found(2), found(2), found(2), found(3), found(3), None, None];
        let told: Vec<bool> = looks.into_iter().map(|look| settling.came_to_rest(look)).collect();
        assert_eq!(told, [false, false, false, true, false, false, false, true, false, false]);
    }

    #[test]
    fn what_goes_and_comes_again_is_told_again() {
        let mut settling = Settling::default();
        let looks = [found(1), found(1), None, found(1), found(1)];
        let told: Vec<bool> = looks.into_iter().map(|look| settling.came_to_rest(look)).collect();
        assert_eq!(told, [false, true, false, false, true]);
    }
}
