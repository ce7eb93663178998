//! The files of a replay: which frames there are, and the bytes of one of them.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::capture::{Fault, Reason};
use crate::frame::split::{Piece, Splitter};
use crate::frame::validator::{self, FrameLimits, FrameSize};

/// A larger frame is a damaged one.
const MAX_FRAME_BYTES: u64 = 64 * 1024 * 1024;

/// Most frames of one replay: its list is kept in memory, some 24 bytes a frame.
const MAX_FRAMES: usize = 1_000_000;

/// Bytes of a file that are looked at at once while its frames are listed.
const SCAN_BYTES: usize = 256 * 1024;

/// The frames of a replay, in order; at least one.
pub(super) enum Clip {
    /// Those of one file: where each lies, or `None` for a damaged one.
    File { path: PathBuf, version: Version, frames: Vec<Option<Range<u64>>> },
    /// A file each.
    Folder { path: PathBuf, files: Vec<PathBuf> },
}

/// What changes when a file is written to or replaced: device, inode, bytes, and time of the last change.
pub(super) type Version = (u64, u64, u64, i64, i64);

impl Clip {
    /// Lists the frames.
    pub(super) fn open(path: &Path) -> Result<Clip, Fault> {
        let about = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        let clip = if about.is_dir() { folder(path) } else { file(path) }.map_err(|error| unreadable(path, &error))?;
        if clip.len() > MAX_FRAMES {
            let detail = format!("{} has more than {MAX_FRAMES} frames; give less of them.", path.display());
            return Err(Fault::new(Reason::BadFormat, detail));
        }
        Ok(clip)
    }

    /// Frames, damaged ones included.
    pub(super) fn len(&self) -> usize {
        match self {
            Clip::File { frames, .. } => frames.len(),
            Clip::Folder { files, .. } => files.len(),
        }
    }

    /// The size of the first whole frame.
    pub(super) fn size(&self, buffer: &mut Vec<u8>) -> Result<FrameSize, Fault> {
        for index in 0..self.len() {
            if let Some(size) = self.read(index, buffer)? {
                return Ok(size);
            }
        }
        // A link that leads nowhere, or files of another user: more to the point than that no JPEG was found.
        if let Clip::Folder { files, .. } = self
            && let Some(first) = files.first()
        {
            open(first).map_err(|error| unreadable(first, &error))?;
        }
        let detail = match self {
            Clip::File { path, .. } => format!(
                "No whole JPEG was found in {}; a replay is a file of JPEGs one after the other (MJPEG) or a folder of \
                 JPEG files.",
                path.display()
            ),
            Clip::Folder { path, files } => format!(
                "No whole JPEG was found in {}, which has {} files *.jpg or *.jpeg; put JPEG files there.",
                path.display(),
                files.len()
            ),
        };
        Err(Fault::new(Reason::BadFormat, detail))
    }

    /// Brings the bytes of a frame into `buffer`, and tells its size; `None` where it is damaged.
    pub(super) fn read(&self, index: usize, buffer: &mut Vec<u8>) -> Result<Option<FrameSize>, Fault> {
        let there = match self {
            Clip::File { path, version, frames } => match frames.get(index) {
                Some(Some(range)) => read_piece(path, *version, range, buffer)?,
                _ => false,
            },
            Clip::Folder { path, files } => match files.get(index).map(|file| read_first(file, buffer)) {
                Some(Ok(there)) => there,
                // One file that is gone or cannot be read is a bad frame; a folder that is gone is a fault.
                Some(Err(_)) => fs::metadata(path).map(|_| false).map_err(|error| unreadable(path, &error))?,
                None => false,
            },
        };
        // Whether it may be that large is for the session to say; here it only has to be a JPEG.
        let limits = FrameLimits { max_bytes: usize::MAX, max_pixels: u64::MAX };
        Ok(if there { validator::validate(buffer, limits).ok() } else { None })
    }
}

/// The JPEG files of a folder, by name, numbers in names as numbers. Hidden files (`._IMG.jpg` of macOS) are passed over.
fn folder(path: &Path) -> io::Result<Clip> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        let extension = file.extension().unwrap_or_default();
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let jpeg = extension.eq_ignore_ascii_case("jpg") || extension.eq_ignore_ascii_case("jpeg");
        if jpeg && !hidden {
            files.push(file);
        }
        if files.len() > MAX_FRAMES {
            break;
        }
    }
    alphanumeric_sort::sort_path_slice(&mut files);
    Ok(Clip::Folder { path: path.to_path_buf(), files })
}

/// The frames of a file.
fn file(path: &Path) -> io::Result<Clip> {
    let (mut file, about) = open(path)?;
    let mut frames = Vec::new();
    let mut keep = |piece| {
        frames.push(match piece {
            Piece::Whole(range) if range.end - range.start <= MAX_FRAME_BYTES => Some(range),
            Piece::Whole(_) | Piece::Damaged => None,
        });
        frames.len() <= MAX_FRAMES
    };
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; SCAN_BYTES];
    let mut room = true;
    while room {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        splitter.feed(buffer.get(..count).unwrap_or_default(), &mut |piece| room = keep(piece));
    }
    splitter.finish(&mut |piece| room = keep(piece));
    Ok(Clip::File { path: path.to_path_buf(), version: version(&about), frames })
}

/// One frame of a file that has not changed since its frames were listed.
fn read_piece(path: &Path, listed: Version, range: &Range<u64>, buffer: &mut Vec<u8>) -> Result<bool, Fault> {
    let (file, about) = open(path).map_err(|error| unreadable(path, &error))?;
    if version(&about) != listed {
        let detail = format!("{} has changed while it was played; it is opened anew.", path.display());
        return Err(Fault::new(Reason::IoError, detail));
    }
    buffer.resize(usize::try_from(range.end - range.start).unwrap_or_default(), 0);
    file.read_exact_at(buffer, range.start).map_err(|error| unreadable(path, &error))?;
    Ok(true)
}

/// The first whole JPEG of a file; false where there is none.
fn read_first(path: &Path, buffer: &mut Vec<u8>) -> io::Result<bool> {
    let (file, _) = open(path)?;
    buffer.clear();
    file.take(MAX_FRAME_BYTES + 1).read_to_end(buffer)?;
    let mut first = None;
    let mut keep = |piece| {
        if let (None, Piece::Whole(range)) = (&first, piece) {
            first = Some(range);
        }
    };
    Splitter::default().feed(buffer, &mut keep);
    let Some(range) = first.filter(|range| range.end <= MAX_FRAME_BYTES) else { return Ok(false) };
    buffer.truncate(usize::try_from(range.end).unwrap_or_default());
    buffer.drain(..usize::try_from(range.start).unwrap_or_default());
    Ok(true)
}

/// Opens a regular file; a pipe of that name would otherwise hold the camera up for ever.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let about = file.metadata()?;
    if about.is_file() {
        return Ok((file, about));
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "it is neither a file nor a folder"))
}

fn version(about: &Metadata) -> Version {
    (about.dev(), about.ino(), about.len(), about.mtime(), about.mtime_nsec())
}

/// What the system says of a path, as a fault.
fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let path = path.display();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Fault::new(
            Reason::NoSuchDevice,
            format!("There is no {path}; put a folder of JPEG files or an MJPEG file there, or correct the device."),
        ),
        ErrorKind::PermissionDenied => Fault::new(
            Reason::PermissionDenied,
            format!("{path} may not be read ({error}); let the daemon's user read it and open the folders above it."),
        ),
        ErrorKind::InvalidInput => Fault::new(
            Reason::BadFormat,
            format!("{path} cannot be played: {error}; give a folder of JPEG files or an MJPEG file."),
        ),
        _ => Fault::new(Reason::IoError, format!("{path} cannot be read ({error}); see whether its disk is sound.")),
    }
}
