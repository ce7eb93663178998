//! MJPEG: JPEGs one after the other in a file, whatever lies between them.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::picture::{jpeg_frame, too_many_bytes};
use super::{Ended, Found, Taker, open, unreadable};
use base::frame::Frame;
use base::frame::split::{Piece, Splitter};
use base::frame::validator::FrameLimits;

/// Bytes that are looked at at once.
const SCAN_BYTES: usize = 256 * 1024;

/// The frames of an MJPEG file.
pub(super) fn read(path: &Path, limits: FrameLimits, ended: &Ended<'_>, take: &mut Taker<'_>) -> Result<(), String> {
    let mut file = open(path)?;
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; SCAN_BYTES];
    let (mut seen, mut found_any) = (0, false);
    while !ended() {
        let mut pieces = Vec::new();
        let count = match file.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(&error)),
        };
        match count {
            0 => splitter.finish(&mut |piece| pieces.push(piece)),
            _ => splitter.feed(buffer.get(..count).unwrap_or_default(), &mut |piece| pieces.push(piece)),
        }
        seen += count as u64;
        found_any |= !pieces.is_empty();
        for piece in pieces {
            let mut make = || match &piece {
                Piece::Whole(range) => frame(&file, range, limits),
                Piece::Damaged => Err("the JPEG is damaged or cut off".to_owned()),
            };
            if take(Found { read_bytes: seen, make: &mut make }) == ControlFlow::Break(()) {
                return Ok(());
            }
        }
        if count == 0 {
            return if found_any { Ok(()) } else { Err("holds no JPEG; correct the path".to_owned()) };
        }
    }
    Ok(())
}

fn frame(file: &File, range: &Range<u64>, limits: FrameLimits) -> Result<Frame, String> {
    let length = usize::try_from(range.end - range.start).ok().filter(|length| *length <= limits.max_bytes);
    let mut bytes = vec![0; length.ok_or_else(|| too_many_bytes(limits))?];
    file.read_exact_at(&mut bytes, range.start).map_err(|error| unreadable(&error))?;
    jpeg_frame(bytes.into(), limits)
}
