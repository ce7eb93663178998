//! MP4 (ISO/IEC 14496-12) and QuickTime with H.264, whole or in fragments: symphonia finds the samples, `h264` decodes them.

use std::ops::ControlFlow;
use std::path::Path;

use symphonia_core::codecs::CodecParameters;
use symphonia_core::codecs::video::VideoCodecParameters;
use symphonia_core::codecs::video::well_known::CODEC_ID_H264;
use symphonia_core::codecs::video::well_known::extra_data::VIDEO_EXTRA_DATA_ID_AVC_DECODER_CONFIG;
use symphonia_core::errors::Error;
use symphonia_core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia_core::io::MediaSourceStream;
use symphonia_format_isomp4::IsoMp4Reader;

use super::h264::H264;
use super::picture::too_many_bytes;
use super::{Ended, Found, Taker, open};
use base::frame::validator::FrameLimits;

/// Samples without a byte that may follow each other: a few bytes of a fragment may announce thousands of millions.
const MOST_EMPTY: u32 = 100_000;

/// The frames of the first video track, as they are stored: a rotation that the file asks for is not applied.
pub(super) fn read(path: &Path, limits: FrameLimits, ended: &Ended<'_>, take: &mut Taker<'_>) -> Result<(), String> {
    let stream = MediaSourceStream::new(Box::new(open(path)?), Default::default());
    let mut reader = IsoMp4Reader::try_new(stream, FormatOptions::default()).map_err(|error| unusable(&error))?;
    let track = reader.first_track(TrackType::Video).ok_or(NO_VIDEO)?;
    let track_id = track.id;
    let Some(CodecParameters::Video(parameters)) = &track.codec_params else {
        return Err(NO_VIDEO.to_owned());
    };
    let mut video = H264::new(record(parameters)?, limits)?;
    let colours = video.colours();
    let (mut read_bytes, mut empty) = (0, 0);
    while !ended() {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(error) => {
                // Pictures that were decoded already are shown before the error is told.
                show_rest(&mut video, read_bytes, take)?;
                return Err(ends_early(&error));
            }
        };
        read_bytes += packet.data.len() as u64;
        empty = if packet.data.is_empty() { empty + 1 } else { 0 };
        if empty > MOST_EMPTY {
            show_rest(&mut video, read_bytes, take)?;
            return Err(format!(
                "is damaged: over {MOST_EMPTY} empty frames follow each other; frames before that were taken, copy or record \
                 it again for the rest"
            ));
        }
        if packet.track_id != track_id {
            continue;
        }
        let go_on = if packet.data.len() > limits.max_bytes {
            take(Found { read_bytes, make: &mut || Err(too_many_bytes(limits)) })
        } else {
            match video.decode(&packet.data) {
                Ok(None) => ControlFlow::Continue(()),
                Ok(Some(picture)) => take(Found { read_bytes, make: &mut || colours.frame(&picture) }),
                Err(reason) => take(Found { read_bytes, make: &mut || Err(reason.clone()) }),
            }
        };
        if go_on == ControlFlow::Break(()) {
            return Ok(());
        }
    }
    if ended() { Ok(()) } else { show_rest(&mut video, read_bytes, take) }
}

/// What to do about an MP4 of which nothing can be read.
const UNREADABLE: &str = "it is damaged, or holds no H.264 (ffmpeg -i IN -pix_fmt yuv420p OUT.mp4 makes some)";

/// What is said of one without a picture.
const NO_VIDEO: &str =
    "has no video that can be read; H.264 is: ffmpeg -i IN -pix_fmt yuv420p OUT.mp4 makes it of other video";

/// Why it cannot be opened. Old QuickTime files say nowhere what they are, and symphonia wants that said.
fn unusable(error: &Error) -> String {
    match error {
        Error::Unsupported(what) if what.contains("ftyp") => {
            "is a QuickTime file of the old form; rewrap it: ffmpeg -i IN.mov -c copy OUT.mp4".to_owned()
        }
        _ => format!("cannot be read as MP4: {error}; {UNREADABLE}"),
    }
}

fn show_rest(video: &mut H264, read_bytes: u64, take: &mut Taker<'_>) -> Result<(), String> {
    let colours = video.colours();
    for picture in video.rest()? {
        if take(Found { read_bytes, make: &mut || colours.frame(&picture) }) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(())
}

/// The description of H.264, or which codec there is instead.
fn record(parameters: &VideoCodecParameters) -> Result<&[u8], String> {
    if parameters.codec != CODEC_ID_H264 {
        return Err(
            "holds video that is not H.264; convert it: ffmpeg -i IN.mp4 -c:v libx264 -pix_fmt yuv420p OUT.mp4"
                .to_owned(),
        );
    }
    let wanted =
        |data: &&symphonia_core::codecs::video::VideoExtraData| data.id == VIDEO_EXTRA_DATA_ID_AVC_DECODER_CONFIG;
    let found = parameters.extra_data.iter().find(wanted).map(|data| &*data.data);
    found.ok_or_else(|| "is damaged: the description of its video is missing; copy or record it again".to_owned())
}

fn ends_early(error: &Error) -> String {
    format!("ends early or is damaged ({error}); frames before that were taken, copy or record it again for the rest")
}
