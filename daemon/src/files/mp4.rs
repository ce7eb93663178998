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
use super::{Found, Taker, open};
use crate::session::frame_validator::FrameLimits;

/// The frames of the first video track, as they are stored: a rotation that the file asks for is not applied.
pub(super) fn read(path: &Path, limits: FrameLimits, take: &mut Taker<'_>) -> Result<(), String> {
    let stream = MediaSourceStream::new(Box::new(open(path)?), Default::default());
    let mut reader = IsoMp4Reader::try_new(stream, FormatOptions::default())
        .map_err(|error| format!("cannot be read as MP4: {error}; {UNREADABLE}"))?;
    let track = reader.first_track(TrackType::Video).ok_or("has no video that can be read; H.264 is")?;
    let track_id = track.id;
    let Some(CodecParameters::Video(parameters)) = &track.codec_params else {
        return Err("has no video that can be read; H.264 is".to_owned());
    };
    let mut video = H264::new(record(parameters)?, limits)?;
    let colours = video.colours();
    let mut read_bytes = 0;
    loop {
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
        if packet.track_id != track_id {
            continue;
        }
        let go_on = match video.decode(&packet.data) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(picture)) => take(Found { read_bytes, make: &mut || colours.frame(&picture) }),
            Err(reason) => take(Found { read_bytes, make: &mut || Err(reason.clone()) }),
        };
        if go_on == ControlFlow::Break(()) {
            return Ok(());
        }
    }
    show_rest(&mut video, read_bytes, take)
}

/// What to do about an MP4 of which nothing can be read.
const UNREADABLE: &str = "it is damaged, or holds no H.264 (ffmpeg -i IN -pix_fmt yuv420p OUT.mp4 makes some)";

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
    found.ok_or_else(|| "is damaged: the description of its video is missing".to_owned())
}

fn ends_early(error: &Error) -> String {
    format!("ends early or is damaged ({error}); frames before that were taken")
}
