//! Frames from files, in order: pictures (JPEG, PNG), MJPEG, AVI with MJPEG, and MP4 with H.264. Lives here: which files
//! there are (`paths`), what frames each holds (a file a format), running them through a pipeline (`run`), and pictures with
//! their results drawn on them (`annotate`). Does not live here: what a pipeline makes of a frame (`pipeline`), or how it
//! looks on a terminal (`commands`).
//!
//! Files come from whoever runs the command, and may hold anything: a frame that cannot be read is told and passed over.

mod annotate;
mod avi;
mod h264;
mod mjpeg;
mod mp4;
pub mod paths;
mod picture;
pub mod run;

use std::any::Any;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use base::frame::Frame;
use base::frame::validator::FrameLimits;
use paths::{InputFile, Kind};

/// A frame that was found in a file and is not read yet.
pub struct Found<'a> {
    /// Bytes of the file up to its end, about.
    pub read_bytes: u64,
    /// Reads it, or says in a sentence why it cannot be.
    pub make: &'a mut dyn FnMut() -> Result<Frame, String>,
}

/// Whoever takes the frames of a file, and says when it has enough of them.
pub type Taker<'a> = dyn FnMut(Found<'_>) -> ControlFlow<()> + 'a;

/// Says whether nobody wants more. A file may have much to read between two frames.
pub type Ended<'a> = dyn Fn() -> bool + 'a;

/// Goes through the frames of a file, damaged ones included, in the order in which they are shown, until `ended`.
///
/// # Errors
/// One sentence: why the file cannot be read, or no further. Frames found before it were taken.
pub fn read(file: &InputFile, limits: FrameLimits, ended: &Ended<'_>, take: &mut Taker<'_>) -> Result<(), String> {
    let mut any = false;
    let mut take = |found: Found<'_>| {
        any = true;
        take(found)
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| match file.kind {
        Kind::Jpeg => picture::jpeg(&file.path, limits, &mut take),
        Kind::Png => picture::png(&file.path, limits, &mut take),
        Kind::Mjpeg => mjpeg::read(&file.path, limits, ended, &mut take),
        Kind::Avi => avi::read(&file.path, limits, ended, &mut take),
        Kind::Mp4 => mp4::read(&file.path, limits, ended, &mut take),
    }));
    outcome.unwrap_or_else(|panic| Err(defect(&*panic)))?;
    match any || ended() {
        true => Ok(()),
        false => Err("holds no frame; it was cut off, or is not complete: copy or record it again".to_owned()),
    }
}

/// What is said of a file that a library panicked on.
fn defect(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("cannot be read: its reader failed ({}); please report it with the file", text.unwrap_or("no text"))
}

/// Opens a regular file. A pipe of that name would hold the program up for ever.
fn open(path: &Path) -> Result<File, String> {
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|error| unreadable(&error))?;
    match file.metadata() {
        Ok(about) if about.is_file() => Ok(file),
        Ok(_) => Err("is neither a file nor a folder; give one of these".to_owned()),
        Err(error) => Err(unreadable(&error)),
    }
}

/// What the system says of a file, and what to do about it.
fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => "is not there; correct the path".to_owned(),
        ErrorKind::PermissionDenied => "may not be read; give this user the right to".to_owned(),
        _ => format!("cannot be read ({error}); see whether its disk is sound"),
    }
}
