//! Whether the machine's clock can be right. A board without a battery for its clock starts in 1970, or where it was shut down.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 2026-01-01, before this program was released.
const RELEASED: Duration = Duration::from_secs(1_767_225_600);

/// The newest time that is known to be past: the release of this program, or when its file was made.
pub fn oldest_possible() -> SystemTime {
    let made = std::env::current_exe().and_then(fs::metadata).and_then(|about| about.modified());
    let released = UNIX_EPOCH + RELEASED;
    made.map_or(released, |made| made.max(released))
}

/// How far a clock that shows `now` is behind a time that is past; `None` when it may be right.
pub fn behind(now: SystemTime, past: SystemTime) -> Option<Duration> {
    past.duration_since(now).ok().filter(|behind| !behind.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_before_the_past_is_behind() {
        let past = UNIX_EPOCH + RELEASED;
        let second = Duration::from_secs(1);
        assert_eq!(behind(past + second, past), None);
        assert_eq!(behind(past, past), None);
        assert_eq!(behind(past - second, past), Some(second));
        assert_eq!(behind(UNIX_EPOCH, past), Some(RELEASED));
        assert_eq!(behind(UNIX_EPOCH - second, past), Some(RELEASED + second));
        assert!(oldest_possible() >= past);
    }
}
