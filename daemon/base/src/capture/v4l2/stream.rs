//! A V4L2 camera while it streams: waiting, draining, judging frames, and noticing when no more will come.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::fault::{Step, fault};
use super::negotiate::picture_bytes;
use super::resolve::{Identity, identity};
use super::sys::{Filled, Queue};
use crate::capture::{Agreed, Capture, Drained, Encoding, Fault, Held, Reason};
use crate::frame::padding;

/// An open device that streams.
#[derive(Debug)]
pub(super) struct Stream {
    queue: Queue,
    reader: Reader,
}

/// What is known of a stream besides its buffers, so that a buffer can be held while it is asked.
#[derive(Debug)]
struct Reader {
    agreed: Agreed,
    node: Identity,
    clock: Clock,
    sequences: Sequences,
    silence: Silence,
    /// Errors in a row that may have cost no more than a frame.
    strikes: u32,
}

/// Where the kernel's monotonic clock and ours stood at one moment. Both are the same clock under two names.
#[derive(Clone, Copy, Debug)]
struct Clock {
    here: Instant,
    kernel: Duration,
}

/// The driver's numbers of frames.
#[derive(Debug, Default)]
struct Sequences {
    last: Option<u32>,
    /// Whether two frames have come since the start.
    settled: bool,
}

/// How long no complete frame has come.
#[derive(Debug)]
struct Silence {
    since: Instant,
    limit: Duration,
    /// Whether somebody looked since and found nothing.
    noticed: bool,
    /// Why frames were thrown away since; the last one's reason.
    bad: u64,
    why: Option<Bad>,
}

/// Why a frame was thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bad {
    /// The driver says so.
    Damaged,
    /// Less than a whole raw picture.
    Short { has: usize, needs: usize },
    /// No JPEG with a start and an end.
    NoJpeg,
}

/// What waiting came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waited {
    Nothing,
    Frame,
    Error,
}

/// A camera may take this long to start: sensors power up, and automatics settle, before the first frame.
const LONGEST_START: Duration = Duration::from_secs(5);
/// Shortest silence that is a fault once frames have come.
const SHORTEST_SILENCE: Duration = Duration::from_secs(2);
/// Longest silence that is none.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);
/// Longest wait in one go, so that a device that vanished without a word is missed soon.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// No frame waits this long in a driver's few buffers while it streams.
const OLDEST_FRAME: Duration = Duration::from_secs(60);
/// This many errors in a row are a fault.
const MOST_STRIKES: u32 = 3;

impl Stream {
    /// Takes over a queue that streams since just now.
    pub fn new(queue: Queue, agreed: Agreed) -> std::io::Result<Self> {
        let node = Identity::of(&queue.device().metadata()?);
        let start = LONGEST_START.max(three_frames(agreed.fps));
        let (sequences, silence) = (Sequences::default(), Silence::new(Instant::now(), start));
        Ok(Stream { queue, reader: Reader { agreed, node, clock: Clock::now(), sequences, silence, strikes: 0 } })
    }
}

fn wait(queue: &Queue, patience: Duration) -> std::io::Result<Waited> {
    let patience = patience.min(LONGEST_WAIT);
    let timeout = Timespec { tv_sec: 0, tv_nsec: patience.subsec_nanos().into() };
    let mut fd = PollFd::from_borrowed_fd(queue.as_fd(), PollFlags::IN);
    match poll(std::slice::from_mut(&mut fd), Some(&timeout)) {
        Ok(0) | Err(Errno::INTR) => Ok(Waited::Nothing),
        Ok(_) if fd.revents().contains(PollFlags::IN) => Ok(Waited::Frame),
        Ok(_) => Ok(Waited::Error),
        Err(error) => Err(error.into()),
    }
}

impl Reader {
    /// Takes what the driver has, keeps the newest complete frame, and gives all others back.
    fn drain<'q>(&mut self, queue: &'q Queue, drained: &mut Drained) -> Result<Option<Held<'q>>, Fault> {
        let mut newest = None;
        // A driver is never faster than this for long: what comes later is for the next look.
        for _ in 0..queue.len() {
            let mut filled = match queue.take() {
                Ok(Some(filled)) => filled,
                Ok(None) => break,
                // The driver lost a buffer, and may go on.
                Err(error) if error.raw_os_error() == Some(libc::EIO) && self.strikes + 1 < MOST_STRIKES => {
                    self.strikes += 1;
                    drained.bad += 1;
                    break;
                }
                Err(error) => return Err(self.failed(&error)),
            };
            self.strikes = 0;
            drained.lost += self.sequences.lost_before(filled.sequence);
            match judge(&self.agreed, &filled) {
                Ok(length) => filled.truncate(length),
                Err(why) => {
                    drained.bad += 1;
                    self.silence.threw_away(why);
                    continue;
                }
            }
            let now = Instant::now();
            let stamp = filled.timestamp.and_then(|stamp| self.clock.recent(stamp, now));
            // Nothing newer can be there yet: this saves asking. Without the kernel's time nothing is known.
            let fresh = stamp.is_some_and(|at| (now - at).as_secs_f64() * self.agreed.fps < 0.25);
            drained.skipped += u64::from(newest.replace(Held::new(filled, stamp.unwrap_or(now))).is_some());
            if fresh && self.agreed.fps > 0.0 {
                break;
            }
        }
        if newest.is_some() {
            self.silence.broken(Instant::now(), self.agreed.fps);
        }
        Ok(newest)
    }

    fn failed(&self, error: &std::io::Error) -> Fault {
        fault(Step::Read, &self.agreed.path, error)
    }

    /// What it means that no frame came.
    fn explain_silence(&mut self) -> Result<(), Fault> {
        let path = self.agreed.path.display();
        if !identity(&self.agreed.path).is_some_and(|node| node.same_node(self.node)) {
            return Err(Fault::new(
                Reason::Disconnected,
                format!("{path} is gone: the camera was unplugged, or its driver removed"),
            ));
        }
        match self.silence.verdict(Instant::now()) {
            Some(why) => Err(Fault::new(Reason::NoFrames, format!("{path} {why}"))),
            None => Ok(()),
        }
    }
}

impl Capture for Stream {
    fn agreed(&self) -> &Agreed {
        &self.reader.agreed
    }

    fn next(&mut self, patience: Duration) -> Result<(Option<Held<'_>>, Drained), Fault> {
        let Stream { queue, reader } = self;
        if let Some(error) = queue.not_given_back() {
            return Err(reader.failed(error));
        }
        let waited = wait(queue, patience).map_err(|error| reader.failed(&error))?;
        let (strikes, mut drained) = (reader.strikes, Drained::default());
        // Where there is an error, taking a frame tells which it is.
        let held = if waited == Waited::Nothing { None } else { reader.drain(queue, &mut drained)? };
        if waited == Waited::Error {
            if held.is_none() && drained == Drained::default() {
                reader.strikes = strikes + 1;
            }
            if reader.strikes >= MOST_STRIKES {
                let path = reader.agreed.path.display();
                let detail = format!("{path}: the driver reports an error and does not say which");
                return Err(Fault::new(Reason::IoError, detail));
            }
        }
        if held.is_none() {
            reader.explain_silence()?;
        }
        Ok((held, drained))
    }
}

impl Clock {
    fn now() -> Self {
        let kernel = clock_gettime(ClockId::Monotonic);
        Clock { here: Instant::now(), kernel: kernel.try_into().unwrap_or_default() }
    }

    /// A time on the kernel's clock, not later than now. `None` for one so old that its driver must use another clock.
    fn recent(&self, kernel: Duration, now: Instant) -> Option<Instant> {
        let here = match kernel.checked_sub(self.kernel) {
            Some(later) => self.here.checked_add(later).unwrap_or(now),
            None => self.here.checked_sub(self.kernel - kernel)?,
        };
        Some(here.min(now)).filter(|here| now - *here < OLDEST_FRAME)
    }
}

impl Sequences {
    /// Frames missing between the last one and this. Numbers that stand still or go back say nothing; nor does the gap
    /// behind the first frame, which with some drivers is one that was left from before.
    fn lost_before(&mut self, sequence: u32) -> u64 {
        let Some(last) = self.last.replace(sequence) else { return 0 };
        let gap = sequence.wrapping_sub(last).wrapping_sub(1);
        let counts = std::mem::replace(&mut self.settled, true) && gap <= u32::MAX / 2;
        if counts { gap.into() } else { 0 }
    }
}

impl Silence {
    fn new(since: Instant, limit: Duration) -> Self {
        Silence { since, limit, noticed: false, bad: 0, why: None }
    }

    fn threw_away(&mut self, why: Bad) {
        self.bad += 1;
        self.why = Some(why);
    }

    /// A complete frame came.
    fn broken(&mut self, now: Instant, fps: f64) {
        *self = Silence::new(now, three_frames(fps).max(SHORTEST_SILENCE));
    }

    /// Whether it lasts too long, in words. Time in which nobody looked does not count.
    fn verdict(&mut self, now: Instant) -> Option<String> {
        if !std::mem::replace(&mut self.noticed, true) {
            self.since = now.checked_sub(LONGEST_WAIT).map_or(self.since, |looked| self.since.max(looked));
        }
        let lasted = now.saturating_duration_since(self.since);
        if lasted < self.limit {
            return None;
        }
        let seconds = lasted.as_secs_f64();
        let Some(why) = self.why else {
            return Some(format!("has sent no frame for {seconds:.1} s"));
        };
        let why = match why {
            Bad::Damaged => "its driver marks them as damaged".to_owned(),
            Bad::Short { has, needs } => format!("they are too short ({has} bytes of {needs})"),
            Bad::NoJpeg => "they are no complete JPEGs".to_owned(),
        };
        Some(format!("has sent {} frames in {seconds:.1} s, and none can be used: {why}", self.bad))
    }
}

/// The time of three frames; drivers say odd rates, so it is a minute at most.
fn three_frames(fps: f64) -> Duration {
    Duration::try_from_secs_f64(3.0 / fps).unwrap_or_default().min(LONGEST_SILENCE)
}

/// How many bytes of a buffer are a complete picture.
fn judge(agreed: &Agreed, filled: &Filled<'_>) -> Result<usize, Bad> {
    if filled.damaged {
        return Err(Bad::Damaged);
    }
    let bytes = filled.as_ref();
    match agreed.encoding {
        Encoding::Jpeg => padding::complete(bytes).map(<[u8]>::len).ok_or(Bad::NoJpeg),
        Encoding::Raw(layout) => {
            let needs = picture_bytes(layout, agreed.stride, agreed.height);
            if bytes.len() >= needs { Ok(needs) } else { Err(Bad::Short { has: bytes.len(), needs }) }
        }
    }
}

#[cfg(test)]
mod held_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_in_sequence_numbers_are_lost_frames() {
        let lost = |numbers: &[u32]| {
            let mut sequences = Sequences::default();
            numbers.iter().map(|number| sequences.lost_before(*number)).collect::<Vec<_>>()
        };
        assert_eq!(lost(&[0, 1, 2, 5, 6]), [0, 0, 0, 2, 0]);
        assert_eq!(lost(&[7, 8, 10]), [0, 0, 1]);
        assert_eq!(lost(&[u32::MAX - 1, u32::MAX, 0, 2]), [0, 0, 0, 1]);
        // One that was left in the driver from before.
        assert_eq!(lost(&[0, 500, 501, 503]), [0, 0, 0, 1]);
        // Drivers that do not count, or begin anew.
        assert_eq!(lost(&[0, 0, 0]), [0, 0, 0]);
        assert_eq!(lost(&[99, 100, 0, 1]), [0, 0, 0, 0]);
    }

    #[test]
    fn silence_is_a_fault_only_when_it_lasts() {
        let start = Instant::now();
        let after = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut silence = Silence::new(start, LONGEST_START);
        assert_eq!(silence.verdict(after(0.5)), None);
        assert_eq!(silence.verdict(after(4.9)), None);
        assert_eq!(silence.verdict(after(5.0)).as_deref(), Some("has sent no frame for 5.0 s"));
        for (fps, still, too_long) in [(30.0, 1.9, 2.0), (1.0, 2.9, 3.0), (0.0, 1.9, 2.0)] {
            silence.broken(start, fps);
            assert_eq!(silence.verdict(after(0.1)), None, "{fps}");
            assert_eq!(silence.verdict(after(still)), None, "{fps}");
            assert!(silence.verdict(after(too_long)).is_some(), "{fps}");
        }
        // Nobody looked for a minute: the silence begins with the first look.
        silence.broken(start, 30.0);
        assert_eq!(silence.verdict(after(60.0)), None);
        assert_eq!(silence.verdict(after(61.4)), None);
        assert!(silence.verdict(after(61.6)).is_some());
        silence.broken(start, 30.0);
        assert_eq!(silence.verdict(after(0.4)), None);
        for why in [Bad::Damaged, Bad::NoJpeg, Bad::Short { has: 100, needs: 614_400 }] {
            silence.threw_away(why);
        }
        assert_eq!(
            silence.verdict(after(2.5)).as_deref(),
            Some("has sent 3 frames in 2.5 s, and none can be used: they are too short (100 bytes of 614400)")
        );
    }

    #[test]
    fn the_kernels_time_is_ours() {
        let clock = Clock { here: Instant::now(), kernel: Duration::from_secs(1000) };
        let (now, second) = (clock.here + Duration::from_secs(10), Duration::from_secs(1));
        for (stamp, expected) in [
            (clock.kernel + second, Some(clock.here + second)),
            (clock.kernel - second, Some(clock.here - second)),
            (clock.kernel + 10 * second, Some(now)),
            // Drivers that stamp a frame ahead, or by another clock.
            (clock.kernel + 11 * second, Some(now)),
            (Duration::MAX, Some(now)),
            (clock.kernel - 100 * second, None),
            (Duration::ZERO, None),
        ] {
            assert_eq!(clock.recent(stamp, now), expected, "{stamp:?}");
        }
        let (before, clock) = (Instant::now(), Clock::now());
        let kernel = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap();
        let after = Instant::now();
        let taken = clock.recent(kernel, after).unwrap();
        // Of the two clocks that were read, one was read a moment later.
        let slack = Duration::from_millis(50);
        assert!(taken + slack >= before && taken <= after + slack);
    }
}
