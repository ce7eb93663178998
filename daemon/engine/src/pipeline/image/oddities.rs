//! Oddities of JPEGs: what libjpeg warns about although the picture is whole. Cameras, phones and old programs write them, and every
//! viewer shows such pictures.
//!
//! TurboJPEG tells of a decode's warnings only the first, so an oddity in the header would hide damage in the picture. Oddities that
//! stand in segments are therefore taken out before decoding, in a copy; what is warned of afterwards is judged by [`WARNINGS`].

use std::borrow::Cow;
use std::ops::Range;

use base::frame::jpeg::{self, SOS};

/// What a warning says about the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Part of it is lost.
    Lost,
    /// It is whole.
    Whole,
}

/// libjpeg's warnings (`JWRN_` in jerror.h of libjpeg-turbo 3): how each begins or goes on, and what it means.
const WARNINGS: [(&str, Meaning); 12] = [
    // JWRN_ADOBE_XFORM: three colours are taken for Y'CbCr, four for YCCK, as Adobe's own programs write them.
    ("Unknown Adobe color transform code", Meaning::Whole),
    ("bad arithmetic code", Meaning::Lost),
    // A scan that others build on is missing.
    ("Inconsistent progression sequence", Meaning::Lost),
    // Padding before a marker, which some USB cameras write before the end of every frame.
    ("extraneous bytes before marker", Meaning::Whole),
    ("premature end of data segment", Meaning::Lost),
    ("bad Huffman code", Meaning::Lost),
    // The number of a revision changes nothing in the picture.
    ("unknown JFIF revision number", Meaning::Whole),
    ("Premature end of JPEG file", Meaning::Lost),
    // JWRN_MUST_RESYNC: a restart marker is missing or not the next one.
    ("Corrupt JPEG data: found marker", Meaning::Lost),
    // Spectral selection has no meaning in sequential JPEG.
    ("Invalid SOS parameters for sequential JPEG", Meaning::Whole),
    ("Application transferred too many scanlines", Meaning::Whole),
    // Colour profiles are not used.
    ("bad ICC marker", Meaning::Whole),
];

/// Whether the picture is whole all the same after this message of TurboJPEG. What the table does not have is no warning, but the
/// reason for which decoding ended.
pub(super) fn leaves_picture_whole(message: &str) -> bool {
    WARNINGS.iter().any(|(text, meaning)| *meaning == Meaning::Whole && message.contains(text))
}

/// Where the transform stands in the body of Adobe's APP14 segment.
const TRANSFORM: usize = 11;
/// Where the major number of the revision stands in the body of a JFIF APP0 segment.
const REVISION: usize = 5;
/// Bytes of a JFIF segment's body, at least; shorter ones are not JFIF's to libjpeg.
const JFIF_BYTES: usize = 14;
/// Selection and approximation of a sequential scan: all 64 coefficients, all bits.
const WHOLE_SCAN: [u8; 3] = [0, 63, 0];

/// The same picture without the oddities that stand in segments; the bytes themselves where there are none.
pub(super) fn without_oddities(jpeg: &[u8]) -> Cow<'_, [u8]> {
    let mut changes: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    let (mut sequential, mut colours, mut transform) = (false, 0, None);
    for segment in jpeg::segments(jpeg) {
        let body = segment.body;
        let body_at = segment.range.end - body.len();
        if !segment.stray.is_empty() {
            changes.push((segment.stray, Vec::new()));
        }
        match segment.code {
            0xE0 if body.starts_with(b"JFIF\0") && body.len() >= JFIF_BYTES && body.get(REVISION) != Some(&1) => {
                changes.push((body_at + REVISION..body_at + REVISION + 1, vec![1]));
            }
            0xE2 if body.starts_with(b"ICC_PROFILE\0") => changes.push((segment.range, Vec::new())),
            // libjpeg heeds the last one.
            0xEE if body.starts_with(b"Adobe") => {
                transform = body.get(TRANSFORM).map(|&code| (body_at + TRANSFORM, code)).or(transform);
            }
            code if jpeg::is_frame_header(code) => {
                // SOF0, SOF1 and SOF9: baseline, extended, and extended with arithmetic coding.
                sequential = matches!(code, 0xC0 | 0xC1 | 0xC9);
                colours = body.get(5).copied().unwrap_or(0);
            }
            SOS if sequential && !body.ends_with(&WHOLE_SCAN) && body.len() > WHOLE_SCAN.len() => {
                changes.push((segment.range.end - WHOLE_SCAN.len()..segment.range.end, WHOLE_SCAN.to_vec()));
            }
            _ => {}
        }
    }
    match (colours, transform) {
        (3, Some((at, 2..))) => changes.push((at..at + 1, vec![1])),
        (4, Some((at, 1 | 3..))) => changes.push((at..at + 1, vec![2])),
        _ => {}
    }
    if changes.is_empty() { Cow::Borrowed(jpeg) } else { Cow::Owned(changed(jpeg, changes)) }
}

fn changed(jpeg: &[u8], mut changes: Vec<(Range<usize>, Vec<u8>)>) -> Vec<u8> {
    changes.sort_by_key(|(range, _)| range.start);
    let mut tidy = Vec::with_capacity(jpeg.len());
    let mut from = 0;
    for (range, bytes) in changes {
        tidy.extend_from_slice(jpeg.get(from..range.start).unwrap_or_default());
        tidy.extend_from_slice(&bytes);
        from = range.end;
    }
    tidy.extend_from_slice(jpeg.get(from..).unwrap_or_default());
    tidy
}

#[cfg(test)]
mod tests {
    use super::super::{Decoder, ImageNeed, sample_jpeg};
    use super::*;
    use base::frame::Frame;

    fn decoded(jpeg: &[u8]) -> Result<Vec<u8>, String> {
        let frame = Frame::jpeg(bytes::Bytes::copy_from_slice(jpeg));
        let mut decoder = Decoder::default();
        decoder.decode(&frame, ImageNeed::Whole).map(|picture| picture.rgb.to_vec()).map_err(|error| error.to_string())
    }

    /// The sample with this segment after its start.
    fn with(segment: &[u8]) -> Vec<u8> {
        let jpeg = sample_jpeg(64, 48).unwrap();
        [&jpeg[..2], segment, &jpeg[2..]].concat()
    }

    /// The sample without its JFIF segment, which says what its colours are.
    fn without_jfif(segment: &[u8]) -> Vec<u8> {
        let jpeg = sample_jpeg(64, 48).unwrap();
        assert_eq!(&jpeg[2..4], [0xFF, 0xE0]);
        [&jpeg[..2], segment, &jpeg[20..]].concat()
    }

    fn adobe(transform: u8) -> Vec<u8> {
        [&[0xFF, 0xEE, 0, 14], &b"Adobe"[..], &[0, 100, 0, 0, 0, 0, transform]].concat()
    }

    /// The sample with other selection and approximation in its scan.
    fn scan(parameters: [u8; 3]) -> Vec<u8> {
        let mut jpeg = sample_jpeg(64, 48).unwrap();
        let scan = jpeg::segments(&jpeg).find(|segment| segment.code == SOS).unwrap().range;
        jpeg[scan.end - 3..scan.end].copy_from_slice(&parameters);
        jpeg
    }

    fn odd_pictures() -> Vec<(&'static str, Vec<u8>)> {
        let jfif = |revision: u8| [&[0xFF, 0xE0, 0, 16], &b"JFIF\0"[..], &[revision, 2, 0, 0, 1, 0, 1, 0, 0]].concat();
        vec![
            ("an unknown revision of JFIF", without_jfif(&jfif(0))),
            ("a later revision of JFIF", without_jfif(&jfif(2))),
            ("a transform that Adobe does not have", without_jfif(&adobe(7))),
            ("a transform for four colours", without_jfif(&adobe(2))),
            ("an end of the selection that is 0", scan([0, 0, 0])),
            ("approximation in a sequential scan", scan([0, 63, 1])),
            ("a cut colour profile", with(&[&[0xFF, 0xE2, 0, 17], &b"ICC_PROFILE\0"[..], &[1, 2, 0]].concat())),
            ("an empty colour profile", with(&[&[0xFF, 0xE2, 0, 16], &b"ICC_PROFILE\0"[..], &[1, 1]].concat())),
            ("stray bytes between segments", with(&[0, 1, 2, 0xFF, 0, 3])),
            ("an unknown APP segment", with(&[0xFF, 0xEB, 0, 4, 1, 2])),
        ]
    }

    #[test]
    fn odd_pictures_are_the_same_pictures() {
        let expected = decoded(&sample_jpeg(64, 48).unwrap());
        assert!(expected.is_ok());
        for (what, jpeg) in odd_pictures() {
            assert_eq!(decoded(&jpeg), expected, "{what}");
        }
    }

    #[test]
    fn an_oddity_does_not_hide_damage() {
        for (what, jpeg) in odd_pictures() {
            let cut = [&jpeg[..jpeg.len() - 40], &[0xFF, 0xD9]].concat();
            assert!(decoded(&cut).unwrap_err().contains("damaged"), "{what}, and cut");
        }
    }

    #[test]
    fn a_picture_without_oddities_is_not_copied() {
        let jpeg = sample_jpeg(64, 48).unwrap();
        assert!(matches!(without_oddities(&jpeg), Cow::Borrowed(_)));
        assert!(matches!(without_oddities(b"\xFF\xD8"), Cow::Borrowed(_)));
    }

    #[test]
    fn every_warning_is_judged() {
        for lost in [
            "Corrupt JPEG data: premature end of data segment",
            "Corrupt JPEG data: bad Huffman code",
            "Corrupt JPEG data: bad arithmetic code",
            "Corrupt JPEG data: found marker 0xd9 instead of RST2",
            "Premature end of JPEG file",
            "Inconsistent progression sequence for component 0 coefficient 3",
            "Quantization table 0x00 was not defined",
        ] {
            assert!(!leaves_picture_whole(lost), "{lost}");
        }
        for whole in [
            "Corrupt JPEG data: 3 extraneous bytes before marker 0xd9",
            "Corrupt JPEG data: bad ICC marker",
            "Warning: unknown JFIF revision number 0.02",
            "Invalid SOS parameters for sequential JPEG",
            "Unknown Adobe color transform code 7",
        ] {
            assert!(leaves_picture_whole(whole), "{whole}");
        }
    }
}
