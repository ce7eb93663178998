//! H.264 (ITU-T H.264) to RGB, by Cisco's OpenH264. Whether a stream can be decoded, and which colours its numbers mean, is
//! read from its sequence parameter sets before anything is decoded.
//!
//! OpenH264 decodes 8-bit 4:2:0 pictures without interlacing, B frames included (these a few levels off the standard's at
//! some edges). It gives pictures in the order in which they are shown.

use h264_reader::avcc::AvcDecoderConfigurationRecord;
use h264_reader::nal::sps::{ChromaFormat, FrameMbsFlags, SeqParameterSet, SpsError};
use h264_reader::nal::{Nal, RefNal};
use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;
use yuv::{YuvPlanarImage, YuvRange, YuvStandardMatrix};

use super::picture::{check_pixels, rgb_frame};
use base::frame::Frame;
use base::frame::validator::FrameLimits;

/// What every NAL unit of a byte stream begins with (annex B).
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Rows from which a video that does not say its colours is taken as HDTV's (BT.709), as players do.
const HD_ROWS: usize = 720;

/// What to do about a video that is not decoded.
const CONVERT: &str = "convert it: ffmpeg -i IN.mp4 -vf yadif=deint=interlaced -pix_fmt yuv420p OUT.mp4";

/// Most blocks of 16x16 pixels of a picture (level 5.2 of the standard, Table A-1), and most side by side or one above the
/// other (A.3.1: the root of eight times that): OpenH264 takes no larger ones.
const MOST_BLOCKS: u64 = 36_864;
const MOST_IN_A_ROW: u64 = 543;

/// What to do about one that is too large.
const SHRINK: &str = "make it smaller: ffmpeg -i IN.mp4 \
                      -vf scale=3840:2160:force_original_aspect_ratio=decrease:force_divisible_by=2 -pix_fmt yuv420p OUT.mp4";

/// What to do about one that is damaged.
const ANEW: &str = "copy or record it again";

/// A decoder of one stream.
pub(super) struct H264 {
    decoder: Decoder,
    /// Bytes of the length in front of every NAL unit.
    length_bytes: usize,
    colours: Colours,
    unit: Vec<u8>,
}

/// Which colours the numbers mean.
#[derive(Clone, Copy)]
pub(super) struct Colours {
    matrix: Option<YuvStandardMatrix>,
    range: YuvRange,
    limits: FrameLimits,
}

impl H264 {
    /// A decoder for the stream that this `avcC` record (ISO/IEC 14496-15) describes.
    pub(super) fn new(record: &[u8], limits: FrameLimits) -> Result<H264, String> {
        let damaged = || format!("is damaged: the description of its video makes no sense; {ANEW}");
        let record = AvcDecoderConfigurationRecord::try_from(record).map_err(|_| damaged())?;
        let mut parameters = Vec::new();
        let mut colours = Colours { matrix: None, range: YuvRange::Limited, limits };
        for set in record.sequence_parameter_sets() {
            let set = set.map_err(|_| damaged())?;
            let parsed = match SeqParameterSet::from_bits(RefNal::new(set, &[], true).rbsp_bits()) {
                Ok(parsed) => parsed,
                // The parser knows the standard's limits too.
                Err(SpsError::FieldValueTooLarge { .. }) => {
                    return Err(format!("has pictures that are larger than H.264 allows; {SHRINK}"));
                }
                Err(_) => return Err(damaged()),
            };
            check(&parsed, limits)?;
            colours = Colours::of(&parsed, limits);
            parameters.extend(START_CODE.iter().chain(set));
        }
        for set in record.picture_parameter_sets() {
            parameters.extend(START_CODE.iter().chain(set.map_err(|_| damaged())?));
        }
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let decoder = Decoder::with_api_config(OpenH264API::from_source(), config).map_err(|error| {
            format!("cannot be decoded: {}; end other programs, memory may be short", words(&error))
        })?;
        let length_bytes = usize::from(record.length_size_minus_one()) + 1;
        let mut video = H264 { decoder, length_bytes, colours, unit: Vec::new() };
        if !parameters.is_empty() {
            video
                .decoder
                .decode(&parameters)
                .map_err(|error| format!("cannot be decoded: {}; {CONVERT}", words(&error)))?;
        }
        Ok(video)
    }

    /// Which colours its pictures have.
    pub(super) fn colours(&self) -> Colours {
        self.colours
    }

    /// Takes a sample; gives the picture that is to be shown next, once that is certain.
    pub(super) fn decode(&mut self, sample: &[u8]) -> Result<Option<DecodedYUV<'_>>, String> {
        self.unit.clear();
        let mut rest = sample;
        while !rest.is_empty() {
            let cut = || "the video is damaged: a part of the frame is longer than the frame".to_owned();
            let (length, after) = rest.split_at_checked(self.length_bytes).ok_or_else(cut)?;
            let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            let (nal, after) = after.split_at_checked(length).ok_or_else(cut)?;
            // Start codes of nothing would be several times the sample.
            if !nal.is_empty() {
                self.unit.extend(START_CODE.iter().chain(nal));
            }
            rest = after;
        }
        // To the decoder nothing means the end.
        if self.unit.is_empty() {
            return Ok(None);
        }
        self.decoder.decode(&self.unit).map_err(|error| format!("the video is damaged: {}", words(&error)))
    }

    /// The pictures that are left when no more samples come.
    pub(super) fn rest(&mut self) -> Result<Vec<DecodedYUV<'_>>, String> {
        self.decoder.flush_remaining().map_err(|error| format!("is damaged at its end: {}; {ANEW}", words(&error)))
    }
}

impl Colours {
    fn of(set: &SeqParameterSet, limits: FrameLimits) -> Colours {
        let signal = set.vui_parameters.as_ref().and_then(|vui| vui.video_signal_type.as_ref());
        let full = signal.is_some_and(|signal| signal.video_full_range_flag);
        let coefficients =
            signal.and_then(|signal| signal.colour_description.as_ref()).map(|it| it.matrix_coefficients);
        // Table E-5 of the standard.
        let matrix = match coefficients {
            Some(1) => Some(YuvStandardMatrix::Bt709),
            Some(4) => Some(YuvStandardMatrix::Fcc),
            Some(5 | 6) => Some(YuvStandardMatrix::Bt601),
            Some(7) => Some(YuvStandardMatrix::Smpte240),
            Some(9 | 10) => Some(YuvStandardMatrix::Bt2020),
            _ => None,
        };
        Colours { matrix, range: if full { YuvRange::Full } else { YuvRange::Limited }, limits }
    }

    /// A picture as a frame.
    pub(super) fn frame(self, picture: &DecodedYUV<'_>) -> Result<Frame, String> {
        let (width, height) = picture.dimensions();
        check_pixels(width as u64, height as u64, self.limits)?;
        let damaged = || "the video is damaged: a picture has no size".to_owned();
        let number = |value: usize| u32::try_from(value).map_err(|_| damaged());
        let (y_stride, u_stride, v_stride) = picture.strides();
        let planes = YuvPlanarImage {
            y_plane: picture.y(),
            y_stride: number(y_stride)?,
            u_plane: picture.u(),
            u_stride: number(u_stride)?,
            v_plane: picture.v(),
            v_stride: number(v_stride)?,
            width: number(width)?,
            height: number(height)?,
        };
        let usual = if height >= HD_ROWS { YuvStandardMatrix::Bt709 } else { YuvStandardMatrix::Bt601 };
        let mut rgb = vec![0; width * height * 3];
        yuv::yuv420_to_rgb(&planes, &mut rgb, number(width * 3)?, self.range, self.matrix.unwrap_or(usual))
            .map_err(|_| damaged())?;
        Ok(rgb_frame(rgb, width, height))
    }
}

/// Refuses what is not decoded, by its name.
fn check(set: &SeqParameterSet, limits: FrameLimits) -> Result<(), String> {
    let refuse = |what: &str| Err(format!("is H.264 that is not decoded here: {what}; {CONVERT}"));
    let chroma = &set.chroma_info;
    let bits = 8 + chroma.bit_depth_luma_minus8.max(chroma.bit_depth_chroma_minus8);
    match (&set.frame_mbs_flags, chroma.chroma_format) {
        (FrameMbsFlags::Fields { .. }, _) => return refuse("it is interlaced"),
        (_, ChromaFormat::YUV420) => {}
        (_, other) => return refuse(&format!("its colours are {other:?}, and 4:2:0 is wanted")),
    }
    if bits > 8 {
        return refuse(&format!("it has {bits} bits a colour, and 8 are wanted"));
    }
    let across = u64::from(set.pic_width_in_mbs_minus1) + 1;
    let down = u64::from(set.pic_height_in_map_units_minus1) + 1;
    if across.max(down) > MOST_IN_A_ROW || across * down > MOST_BLOCKS {
        return Err(format!(
            "is H.264 that is not decoded here: it has {}x{} pixels, and {MOST_BLOCKS} blocks of 16x16 \
             are the most; {SHRINK}",
            across * 16,
            down * 16
        ));
    }
    let (width, height) = set.pixel_dimensions().map_err(|_| format!("is damaged: its video has no size; {ANEW}"))?;
    check_pixels(width.into(), height.into(), limits)
}

/// The decoder's error without its trace.
fn words(error: &openh264::Error) -> String {
    let text = error.to_string();
    text.split(". ").take(2).collect::<Vec<_>>().join(", ").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use h264_reader::rbsp::BitReader;

    use super::*;

    const LIMITS: FrameLimits = FrameLimits { max_bytes: 1 << 20, max_pixels: 1 << 40 };

    /// A sequence parameter set of the baseline profile, without cropping: 16x16 blocks across and down.
    fn set(across: u32, down: u32) -> SeqParameterSet {
        // Exp-Golomb codes (9.1 of the standard).
        let ue = |value: u32| format!("{:0>1$b}", value + 1, 2 * (value + 1).ilog2() as usize + 1);
        let mut bits = format!("{:08b}{:08b}{:08b}", 66, 0, 52);
        for value in [0, 0, 2, 1] {
            bits += &ue(value);
        }
        bits += &format!("0{}{}1100", ue(across - 1), ue(down - 1));
        bits += "1";
        while !bits.len().is_multiple_of(8) {
            bits += "0";
        }
        let bytes: Vec<u8> =
            (0..bits.len()).step_by(8).map(|at| u8::from_str_radix(&bits[at..at + 8], 2).unwrap()).collect();
        SeqParameterSet::from_bits(BitReader::new(&bytes[..])).unwrap()
    }

    #[test]
    fn a_picture_too_large_for_the_decoder_is_refused_with_a_command() {
        for (across, down) in [(256, 144), (144, 256), (543, 1)] {
            assert_eq!(check(&set(across, down), LIMITS), Ok(()));
        }
        for (across, down, size) in [(544, 1, "8704x16"), (1, 544, "16x8704")] {
            let said = check(&set(across, down), LIMITS).unwrap_err();
            assert!(said.contains(size) && said.contains("; make it smaller: ffmpeg -i "), "{said}");
        }
    }

    #[test]
    fn units_without_a_byte_are_nothing() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/files/videos/colours.mp4");
        let file = std::fs::read(path).unwrap();
        let record = file.windows(4).position(|name| name == b"avcC").unwrap() + 4;
        let mut video = H264::new(&file[record..], LIMITS).unwrap();
        assert!(video.decode(&[]).unwrap().is_none());
        assert!(video.decode(&[0; 4 * 1000]).unwrap().is_none());
        assert!(video.unit.is_empty());
        assert!(video.decode(&[0, 0, 0, 2, 9]).is_err());
    }
}
