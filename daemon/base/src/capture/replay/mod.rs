//! A camera whose pictures come from files, played again and again: for a demonstration, and for tests without
//! hardware. Lives here: its clock (`rate`) and the look of a camera around its files. `clip` knows which frames there
//! are and reads them. Does not live here: when it is opened anew (the supervisor).
//!
//! Time goes on whether or not somebody reads: who is late gets the newest frame and misses those before it, as with a
//! real camera. Only the frame that is wanted is in memory.

mod clip;
mod rate;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use self::clip::Clip;
use super::{Agreed, Capture, Drained, Encoding, Fault, Held, Reason};

/// How many damaged frames are passed over, from the newest one back, in search of a whole one.
const MOST_TRIES: usize = 4;

/// Files that are played.
struct Replay {
    clip: Clip,
    agreed: Agreed,
    started: Instant,
    /// The first frame that was not due yet, counted from the start over all rounds.
    next: u64,
    /// Damaged frames since the last whole one.
    damaged: usize,
    buffer: Vec<u8>,
}

/// Opens a folder (its `*.jpg` and `*.jpeg`, by name) or an MJPEG file (JPEGs one after the other, whatever lies
/// between them) to be played in a loop at `fps` frames a second.
///
/// # Errors
/// A [`Fault`]: there is nothing (`no_such_device`), it may not be read (`permission_denied`) or cannot be read
/// (`io_error`), or it holds no whole JPEG (`bad_format`).
pub fn open(path: &Path, fps: f64) -> Result<Box<dyn Capture>, Fault> {
    Ok(Box::new(Replay::open(path, fps)?))
}

impl Replay {
    fn open(path: &Path, fps: f64) -> Result<Self, Fault> {
        if !(0.001..=1000.0).contains(&fps) {
            let detail = format!("A replay cannot be played at {fps} frames a second; set fps to 0.1 to 240.");
            return Err(Fault::new(Reason::BadFormat, detail));
        }
        let clip = Clip::open(path)?;
        let mut buffer = Vec::new();
        let size = clip.size(&mut buffer)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let agreed = Agreed {
            path: path.to_path_buf(),
            card: format!("{name} ({} frames)", clip.len()),
            driver: "replay".to_owned(),
            encoding: Encoding::Jpeg,
            width: size.width.into(),
            height: size.height.into(),
            stride: 0,
            fps,
        };
        Ok(Replay { clip, agreed, started: Instant::now(), next: 0, damaged: 0, buffer })
    }

    /// What there is this long after the start.
    fn step(&mut self, elapsed: Duration) -> Result<(Option<Held<'_>>, Drained), Fault> {
        let first = self.next;
        let due = rate::due_by(elapsed, self.agreed.fps).max(first);
        self.next = due;
        let mut drained = Drained { skipped: due - first, ..Drained::default() };
        for frame in (first..due).rev().take(MOST_TRIES) {
            drained.skipped -= 1;
            if self.read(frame)? {
                let due_at = rate::due_at(frame, self.agreed.fps);
                let captured_at = self.started.checked_add(due_at).unwrap_or_else(Instant::now);
                return Ok((Some(Held::new(&self.buffer, captured_at)), drained));
            }
            drained.bad += 1;
        }
        Ok((None, drained))
    }

    /// Brings a frame into the buffer; false where it is damaged.
    fn read(&mut self, frame: u64) -> Result<bool, Fault> {
        let count = self.clip.len();
        let index = usize::try_from(frame % count.max(1) as u64).unwrap_or_default();
        if self.clip.read(index, &mut self.buffer)?.is_some() {
            self.damaged = 0;
            return Ok(true);
        }
        self.damaged += 1;
        if self.damaged < count {
            return Ok(false);
        }
        let path = self.agreed.path.display();
        let detail =
            format!("Of the {count} frames of {path} none can be read any more; see whether its files are whole.");
        Err(Fault::new(Reason::IoError, detail))
    }
}

impl Capture for Replay {
    fn agreed(&self) -> &Agreed {
        &self.agreed
    }

    fn next(&mut self, patience: Duration) -> Result<(Option<Held<'_>>, Drained), Fault> {
        let due_at = rate::due_at(self.next, self.agreed.fps);
        thread::sleep(due_at.saturating_sub(self.started.elapsed()).min(patience));
        self.step(self.started.elapsed())
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("agreed", &self.agreed).field("next", &self.next).finish_non_exhaustive()
    }
}
