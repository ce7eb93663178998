//! AVI with MJPEG, as webcams and microscopes record it: RIFF chunks (Microsoft's AVI RIFF File Reference, and the OpenDML
//! extensions for files over 1 GB, which are further RIFF chunks).
//!
//! A reader of our own: one format of few pages, and no crate for it is kept up. Lists are entered and not measured, so a
//! recording that was cut off, whose lists have no size yet, plays to its end.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;

use super::picture::{jpeg_frame, too_many_bytes};
use super::{Ended, Found, Taker, open, unreadable};
use base::frame::validator::FrameLimits;

/// Headers of streams are shorter than this.
const MAX_HEADER_BYTES: u32 = 4096;

/// What `strf` and `strh` call MJPEG, in capitals.
const MJPEG: [&[u8]; 3] = [b"MJPG", b"AVRN", b"LJPG"];

/// The frames of the first video stream.
pub(super) fn read(path: &Path, limits: FrameLimits, ended: &Ended<'_>, take: &mut Taker<'_>) -> Result<(), String> {
    let mut file = Chunks { file: BufReader::new(open(path)?), at: 0 };
    let mut streams = Streams::default();
    while let Some((name, size)) = file.header()? {
        if ended() {
            return Ok(());
        }
        match &name {
            // A list: its kind follows, then its chunks, which come next.
            b"RIFF" | b"LIST" => file.skip(4)?,
            b"strh" => streams.header(&file.small(size)?),
            b"strf" => streams.format(&file.small(size)?)?,
            chunk if streams.is_frame(chunk)? => {
                // An empty one says that the frame before is shown once more.
                if size > 0 && frame(&mut file, size, limits, take)? == ControlFlow::Break(()) {
                    return Ok(());
                }
            }
            _ => file.pass_over(size)?,
        }
    }
    match streams.video {
        Some(_) => Ok(()),
        None => {
            Err("is an AVI without a video stream; give one that has one, or record it again if it was cut off"
                .to_owned())
        }
    }
}

fn frame(file: &mut Chunks, size: u32, limits: FrameLimits, take: &mut Taker<'_>) -> Result<ControlFlow<()>, String> {
    let wanted = size as usize <= limits.max_bytes;
    let chunk = if wanted { file.chunk(size)? } else { None };
    if !wanted {
        file.pass_over(size)?;
    }
    let mut make = || match &chunk {
        Some(bytes) => jpeg_frame(bytes.clone().into(), limits),
        None if wanted => Err("the file ends within it".to_owned()),
        None => Err(too_many_bytes(limits)),
    };
    Ok(take(Found { read_bytes: file.at, make: &mut make }))
}

/// What is known of the streams so far.
#[derive(Default)]
struct Streams {
    /// Stream headers seen.
    count: usize,
    /// Whether the header seen last is a video's, whose format comes next.
    format_is_due: bool,
    /// The number of the first video stream.
    video: Option<usize>,
}

impl Streams {
    /// `strh`: the stream's type is its first word.
    fn header(&mut self, header: &[u8]) {
        self.format_is_due = header.starts_with(b"vids") && self.video.is_none();
        if self.format_is_due {
            self.video = Some(self.count);
        }
        self.count += 1;
    }

    /// `strf` of a video: a BITMAPINFOHEADER, whose fifth word is the compression.
    fn format(&mut self, format: &[u8]) -> Result<(), String> {
        if !std::mem::take(&mut self.format_is_due) {
            return Ok(());
        }
        let codec = format.get(16..20).unwrap_or_default().to_ascii_uppercase();
        if MJPEG.contains(&codec.as_slice()) {
            return Ok(());
        }
        let name: String = codec.iter().map(|&byte| if byte.is_ascii_graphic() { byte as char } else { '?' }).collect();
        Err(format!(
            "is an AVI whose video is {name}, and only MJPG is read; convert it: ffmpeg -i IN.avi -pix_fmt yuv420p OUT.mp4"
        ))
    }

    /// Whether a chunk of this name is a frame: the stream's number in two digits, then `dc` or `db`.
    fn is_frame(&self, name: &[u8; 4]) -> Result<bool, String> {
        if !name.iter().all(|byte| (0x20..0x7F).contains(byte)) {
            let reason = "is damaged: what follows is no chunk of an AVI; frames before that were taken, copy or record it \
                          again for the rest";
            return Err(reason.to_owned());
        }
        let [tens, units, b'd', b'c' | b'b'] = name else { return Ok(false) };
        let number =
            tens.is_ascii_digit().then(|| usize::from(tens - b'0') * 10 + usize::from(units.wrapping_sub(b'0')));
        Ok(units.is_ascii_digit() && self.video.is_some() && number == self.video)
    }
}

/// A file of chunks.
struct Chunks {
    file: BufReader<File>,
    /// Bytes from its start.
    at: u64,
}

impl Chunks {
    /// Name and size of the next chunk; none at the end, or where the file is cut off.
    fn header(&mut self) -> Result<Option<([u8; 4], u32)>, String> {
        let Some(header) = self.bytes(8)? else { return Ok(None) };
        let words = (header.first_chunk::<4>(), header.last_chunk::<4>());
        let (Some(&name), Some(&size)) = words else { return Ok(None) };
        // Some cameras fill a file up with zeros.
        Ok((name != [0; 4]).then(|| (name, u32::from_le_bytes(size))))
    }

    /// A chunk that belongs into memory; none where the file ends within it.
    fn chunk(&mut self, size: u32) -> Result<Option<Vec<u8>>, String> {
        let bytes = self.bytes(size)?;
        self.skip(i64::from(size % 2))?;
        Ok(bytes)
    }

    /// The start of a header chunk.
    fn small(&mut self, size: u32) -> Result<Vec<u8>, String> {
        let start = self.bytes(size.min(MAX_HEADER_BYTES))?.unwrap_or_default();
        self.skip(i64::from(size.saturating_sub(MAX_HEADER_BYTES)) + i64::from(size % 2))?;
        Ok(start)
    }

    /// Leaves a chunk out; chunks have an even place.
    fn pass_over(&mut self, size: u32) -> Result<(), String> {
        self.skip(i64::from(size) + i64::from(size % 2))
    }

    fn skip(&mut self, bytes: i64) -> Result<(), String> {
        self.at = self.at.saturating_add_signed(bytes);
        self.file.seek_relative(bytes).map_err(|error| unreadable(&error))
    }

    /// This many bytes; none where the file has fewer.
    fn bytes(&mut self, count: u32) -> Result<Option<Vec<u8>>, String> {
        let mut bytes = Vec::new();
        let read = self.file.by_ref().take(count.into()).read_to_end(&mut bytes);
        match read {
            Ok(read) if read == count as usize => {
                self.at += u64::from(count);
                Ok(Some(bytes))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(unreadable(&error)),
        }
    }
}
