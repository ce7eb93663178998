//! Capturing for a while, and what came of it. Nothing is copied or decoded: this is what capturing alone costs.

use std::fmt;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use base::capture::{Agreed, Capture, Drained, Fault, Held, Reason};

/// What a camera delivered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Its node, file or folder.
    pub path: String,
    /// What it calls itself.
    pub card: String,
    /// Its driver.
    pub driver: String,
    /// The format agreed to, by its V4L2 name.
    pub format: &'static str,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Frames a second agreed to; 0 where the driver does not say.
    pub agreed_fps: f64,
    /// What is worth telling about how it was opened.
    pub notes: Vec<String>,
    /// How long frames were captured, from the start of the stream.
    pub seconds: f64,
    /// Complete frames that came, older ones in the queue included.
    pub frames: u64,
    /// Complete frames a second, from the first to the last; 0 where there were not two.
    pub fps: f64,
    /// Frames that the driver lost.
    pub lost: u64,
    /// Frames that were damaged or incomplete.
    pub bad: u64,
    /// Complete frames that gave way to a newer one in the queue.
    pub skipped: u64,
    /// From the kernel's time of a frame to having it, in milliseconds: the median.
    pub latency_p50_ms: f64,
    /// The longest.
    pub latency_max_ms: f64,
    /// From before the device was opened to the first frame, in milliseconds.
    pub first_frame_ms: f64,
    /// CPU time of the capturing thread for each complete frame, in microseconds, user and system.
    pub cpu_us_per_frame: f64,
}

/// What is counted while frames come.
#[derive(Default)]
struct Counts {
    shown: u64,
    drained: Drained,
    first: Option<Instant>,
    last: Option<Instant>,
    first_taken: Option<Instant>,
    latencies: Vec<Duration>,
}

/// Longest wait for one frame: how much later than asked a capture may end.
const PATIENCE: Duration = Duration::from_millis(200);

/// Captures for a time from a camera that `began` to be opened.
///
/// # Errors
/// The camera's fault; `no_frames` when not one complete frame came.
pub fn measure(capture: &mut dyn Capture, notes: Vec<String>, began: Instant, time: Duration) -> Result<Report, Fault> {
    let (mut counts, start, cpu_before) = (Counts::default(), Instant::now(), thread_cpu());
    while start.elapsed() < time {
        let (held, drained) = capture.next(PATIENCE)?;
        if let Some(Held { captured_at, .. }) = held {
            let now = Instant::now();
            counts.shown += 1;
            counts.latencies.push(now.saturating_duration_since(captured_at));
            counts.first.get_or_insert(captured_at);
            counts.first_taken.get_or_insert(now);
            counts.last = Some(captured_at);
        }
        counts.drained.skipped += drained.skipped;
        counts.drained.bad += drained.bad;
        counts.drained.lost += drained.lost;
    }
    let cpu = thread_cpu().saturating_sub(cpu_before);
    let seconds = start.elapsed();
    let Some(first_taken) = counts.first_taken else {
        let bad = counts.drained.bad;
        return Err(Fault::new(
            Reason::NoFrames,
            format!("no complete frame came in {time:.1?}, and {bad} damaged ones"),
        ));
    };
    Ok(report(capture.agreed(), notes, counts, seconds, first_taken.duration_since(began), cpu))
}

fn report(
    agreed: &Agreed,
    notes: Vec<String>,
    mut counts: Counts,
    time: Duration,
    first: Duration,
    cpu: Duration,
) -> Report {
    let frames = counts.shown + counts.drained.skipped;
    let span = counts.first.zip(counts.last).map_or(0.0, |(first, last)| (last - first).as_secs_f64());
    counts.latencies.sort_unstable();
    let latency = |at: usize| counts.latencies.get(at).map_or(0.0, |latency| milliseconds(*latency));
    Report {
        path: agreed.path.display().to_string(),
        card: agreed.card.clone(),
        driver: agreed.driver.clone(),
        format: agreed.encoding.fourcc(),
        width: agreed.width,
        height: agreed.height,
        agreed_fps: agreed.fps,
        notes,
        seconds: time.as_secs_f64(),
        frames,
        fps: if span > 0.0 { (frames - 1) as f64 / span } else { 0.0 },
        lost: counts.drained.lost,
        bad: counts.drained.bad,
        skipped: counts.drained.skipped,
        latency_p50_ms: latency(counts.latencies.len() / 2),
        latency_max_ms: latency(counts.latencies.len().saturating_sub(1)),
        first_frame_ms: milliseconds(first),
        cpu_us_per_frame: cpu.as_secs_f64() * 1e6 / frames.max(1) as f64,
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// CPU time that this thread has used, user and system.
fn thread_cpu() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  {} ({})", self.path, self.card, self.driver)?;
        writeln!(f, "agreed    {} {}x{}, {} frames/s", self.format, self.width, self.height, self.agreed_fps)?;
        for note in &self.notes {
            writeln!(f, "note      {note}")?;
        }
        writeln!(f, "frames    {} in {:.1} s: {:.2} frames/s", self.frames, self.seconds, self.fps)?;
        writeln!(f, "lost      {} by the driver", self.lost)?;
        writeln!(f, "bad       {} damaged or incomplete", self.bad)?;
        writeln!(f, "skipped   {} for a newer one in the queue", self.skipped)?;
        writeln!(f, "latency   {:.1} ms median, {:.1} ms at most", self.latency_p50_ms, self.latency_max_ms)?;
        writeln!(f, "start     {:.0} ms from opening to the first frame", self.first_frame_ms)?;
        write!(f, "cpu       {:.0} µs a frame, for capturing alone", self.cpu_us_per_frame)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use base::capture::Encoding;

    /// A camera that goes by a list: of each look a frame captured this many milliseconds ago, or none.
    #[derive(Debug)]
    struct Listed {
        agreed: Agreed,
        looks: std::vec::IntoIter<(Option<u64>, Drained)>,
    }

    impl Capture for Listed {
        fn agreed(&self) -> &Agreed {
            &self.agreed
        }

        fn next(&mut self, _: Duration) -> Result<(Option<Held<'_>>, Drained), Fault> {
            let Some((age, drained)) = self.looks.next() else {
                return Err(Fault::new(Reason::Disconnected, "the list is over"));
            };
            Ok((age.map(|age| Held::new([0_u8; 0], Instant::now() - Duration::from_millis(age))), drained))
        }
    }

    fn camera(looks: Vec<(Option<u64>, Drained)>) -> Listed {
        let agreed = Agreed {
            path: PathBuf::from("/dev/video7"),
            card: "Cam".to_owned(),
            driver: "test".to_owned(),
            encoding: Encoding::Jpeg,
            width: 640,
            height: 480,
            stride: 0,
            fps: 30.0,
        };
        Listed { agreed, looks: looks.into_iter() }
    }

    #[test]
    fn what_came_is_counted() {
        let start = Instant::now();
        let counts = Counts {
            shown: 4,
            drained: Drained { skipped: 2, bad: 1, lost: 3 },
            first: Some(start),
            last: Some(start + Duration::from_secs(2)),
            first_taken: Some(start),
            latencies: [9, 1, 2, 30].map(Duration::from_millis).into(),
        };
        let agreed = camera(vec![]).agreed;
        let seconds = Duration::from_millis;
        let report = report(&agreed, vec!["a note".to_owned()], counts, seconds(2100), seconds(80), seconds(3));
        assert_eq!((report.frames, report.lost, report.bad, report.skipped), (6, 3, 1, 2));
        assert_eq!((report.fps, report.latency_p50_ms, report.latency_max_ms), (2.5, 9.0, 30.0));
        assert_eq!((report.first_frame_ms, report.cpu_us_per_frame), (80.0, 500.0));
        assert_eq!(
            report.to_string(),
            "/dev/video7  Cam (test)\n\
             agreed    MJPG 640x480, 30 frames/s\n\
             note      a note\n\
             frames    6 in 2.1 s: 2.50 frames/s\n\
             lost      3 by the driver\n\
             bad       1 damaged or incomplete\n\
             skipped   2 for a newer one in the queue\n\
             latency   9.0 ms median, 30.0 ms at most\n\
             start     80 ms from opening to the first frame\n\
             cpu       500 µs a frame, for capturing alone"
        );
    }

    #[test]
    fn a_camera_is_read_until_the_time_is_over_or_it_fails() {
        let hour = Duration::from_secs(3600);
        let looks = vec![(Some(5), Drained::default()), (None, Drained { bad: 1, ..Drained::default() })];
        let fault = measure(&mut camera(looks.clone()), vec![], Instant::now(), hour).unwrap_err();
        assert_eq!(fault.detail, "the list is over");
        let no_time = measure(&mut camera(looks), vec![], Instant::now(), Duration::ZERO).unwrap_err();
        assert_eq!(no_time.reason, Reason::NoFrames);
    }
}
