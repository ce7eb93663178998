//! Waiting for a condition, with one deadline for all tests.

use std::thread;
use std::time::{Duration, Instant};

/// Longest that a test waits for anything. Only a failing test takes so long.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks at a condition.
const LOOK: Duration = Duration::from_millis(5);

/// Looks until `condition` holds.
///
/// # Panics
/// When it does not hold within [`PATIENCE`]; `what` says what was waited for.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    until_some(what, || condition().then_some(()));
}

/// Looks until there is a value, and returns it.
///
/// # Panics
/// When there is none within [`PATIENCE`]; `what` says what was waited for.
pub fn until_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        thread::sleep(LOOK);
    }
}
