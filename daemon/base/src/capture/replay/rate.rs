//! Which frame of a replay is due when. Pure: times are counted from the start of the replay, frames from 0 on.

use std::time::Duration;

/// When a frame is due.
pub(super) fn due_at(frame: u64, fps: f64) -> Duration {
    // Rounded up to the next nanosecond, so that a frame is due when its time is reached.
    Duration::from_nanos((frame as f64 * 1e9 / fps).ceil() as u64)
}

/// How many frames are due by now: those from 0 up to this one, which is not.
pub(super) fn due_by(elapsed: Duration, fps: f64) -> u64 {
    // The estimate may be off by a rounding; `due_at` decides.
    let mut count = (elapsed.as_secs_f64() * fps) as u64;
    while due_at(count, fps) <= elapsed {
        count += 1;
    }
    while count > 0 && due_at(count - 1, fps) > elapsed {
        count -= 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_become_due_one_by_one() {
        let ms = Duration::from_millis;
        for (elapsed, fps, expected) in [
            (ms(0), 10.0, 1),
            (ms(99), 10.0, 1),
            (ms(100), 10.0, 2),
            (ms(101), 10.0, 2),
            (ms(1000), 10.0, 11),
            (ms(9_999), 0.1, 1),
            (ms(10_000), 0.1, 2),
            (ms(1_000), 240.0, 241),
            (Duration::from_secs(86_400 * 365), 30.0, 86_400 * 365 * 30 + 1),
        ] {
            assert_eq!(due_by(elapsed, fps), expected, "{elapsed:?} at {fps}");
        }
    }

    #[test]
    fn a_frame_is_due_at_its_time_and_not_before() {
        for fps in [0.1, 1.0, 7.0, 23.976, 29.97, 30.0, 59.94, 240.0] {
            for frame in (0..500).chain([1_000_003, 77_777_777]) {
                let at = due_at(frame, fps);
                assert_eq!(due_by(at, fps), frame + 1, "frame {frame} at {fps}");
                if frame > 0 {
                    assert_eq!(due_by(at - Duration::from_nanos(1), fps), frame, "before frame {frame} at {fps}");
                }
            }
        }
    }
}
