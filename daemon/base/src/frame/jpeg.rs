//! What a JPEG looks like from outside: its markers and their segments (ITU-T T.81, annex B), and where it ends. Pure; picture data is
//! passed over. What a decoder needs of them is in the engine's `pipeline::image`, what a received frame must have in `validator`.

use std::ops::Range;

/// Start of image.
pub const SOI: u8 = 0xD8;
/// End of image.
pub const EOI: u8 = 0xD9;
/// Start of a scan: the header of picture data.
pub const SOS: u8 = 0xDA;

/// A marker with a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Its second byte.
    pub code: u8,
    /// What follows its two length bytes.
    pub body: &'a [u8],
    /// Where the marker and its segment stand, without fill bytes before the marker.
    pub range: Range<usize>,
    /// Bytes directly before it that belong to nothing; decoders skip them, with a warning.
    pub stray: Range<usize>,
}

/// The segments of a JPEG up to its end. Ends early where the next one does not fit into the bytes.
///
/// Bytes between segments are skipped the way libjpeg skips them (`next_marker` in jdmarker.c), so a decoder finds the segments that
/// this walk finds, and no others.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    jpeg: &'a [u8],
    at: usize,
    in_picture: bool,
}

/// Whether bytes start as a JPEG does.
pub fn starts(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xFF, SOI])
}

/// Walks the segments of bytes that start with a JPEG's first marker.
pub fn segments(jpeg: &[u8]) -> Segments<'_> {
    Segments { jpeg, at: 2, in_picture: false }
}

/// Whether a marker is a frame header, SOF0 to SOF15; C4, C8 and CC are DHT, JPG and DAC.
pub fn is_frame_header(code: u8) -> bool {
    matches!(code, 0xC0..=0xCF) && !matches!(code, 0xC4 | 0xC8 | 0xCC)
}

/// The bytes up to and with the last end of image, if there is one. What follows it is padding of hardware encoders, or another
/// file that a phone appended.
pub fn up_to_last_end(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.windows(2).rposition(|pair| pair == [0xFF, EOI])?;
    bytes.get(..end + 2)
}

impl<'a> Segments<'a> {
    /// The place of the FF before the next code that is neither 00 nor a restart marker.
    fn after_picture(&self) -> Option<usize> {
        let mut at = self.at;
        loop {
            at += self.jpeg.get(at..)?.iter().position(|&byte| byte == 0xFF)?;
            match *self.jpeg.get(at + 1)? {
                0x00 | 0xD0..=0xD7 => at += 2,
                0xFF => at += 1,
                _ => return Some(at),
            }
        }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        if std::mem::take(&mut self.in_picture) {
            self.at = self.after_picture()?;
        }
        let before = self.at;
        let mut stray_end = before;
        loop {
            let ff = self.at + self.jpeg.get(self.at..)?.iter().position(|&byte| byte == 0xFF)?;
            let fill = self.jpeg.get(ff..)?.iter().position(|&byte| byte != 0xFF)?;
            let code_at = ff + fill;
            let code = *self.jpeg.get(code_at)?;
            if ff > self.at {
                stray_end = ff;
            }
            self.at = code_at + 1;
            match code {
                0x00 => stray_end = self.at,
                // Without a segment; between scans decoders pass over them.
                0x01 | 0xD0..=0xD7 => {}
                EOI | SOI => return None,
                _ => {
                    let length = usize::from(u16::from_be_bytes(*self.jpeg.get(self.at..)?.first_chunk()?));
                    let end = self.at + length;
                    let body = self.jpeg.get(self.at + 2..end)?;
                    self.at = end;
                    self.in_picture = code == SOS;
                    return Some(Segment { code, body, range: code_at - 1..end, stray: before..stray_end });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(jpeg: &[u8]) -> Vec<(u8, usize)> {
        segments(jpeg).map(|segment| (segment.code, segment.stray.len())).collect()
    }

    #[test]
    fn segments_are_found_over_picture_data_fill_and_stray_bytes() {
        let scan = [0xFF, SOS, 0, 3, 1];
        let picture = [1, 0xFF, 0, 0xFF, 0xD0, 2, 0xFF];
        for (what, jpeg, expected) in [
            ("nothing", vec![0xFF, SOI, 0xFF, EOI], vec![]),
            ("one", vec![0xFF, SOI, 0xFF, 0xFE, 0, 3, 7], vec![(0xFE, 0)]),
            ("fill bytes", vec![0xFF, SOI, 0xFF, 0xFF, 0xFF, 0xFE, 0, 2], vec![(0xFE, 0)]),
            ("stray bytes", vec![0xFF, SOI, 1, 2, 0xFF, 0, 0xFF, 0xFE, 0, 2], vec![(0xFE, 4)]),
            (
                "scans",
                [
                    &[0xFF, SOI],
                    &scan[..],
                    &picture,
                    &[0xFF, 0xC4, 0, 2],
                    &scan,
                    &picture,
                    &[0xFF, EOI, 0xFF, 0xFE, 0, 2],
                ]
                .concat(),
                vec![(SOS, 0), (0xC4, 0), (SOS, 0)],
            ),
            ("a length that does not fit", vec![0xFF, SOI, 0xFF, 0xFE, 0, 9, 1], vec![]),
            ("an impossible length", vec![0xFF, SOI, 0xFF, 0xFE, 0, 1, 1], vec![]),
        ] {
            assert_eq!(codes(&jpeg), expected, "{what}");
        }
    }

    #[test]
    fn a_jpeg_ends_at_the_last_end_of_image() {
        let whole = [0xFF, SOI, 1, 0xFF, EOI];
        for after in [&b""[..], b"\n", b"\xFF", &[0; 90], b"\xFF\xD8 cut"] {
            assert_eq!(up_to_last_end(&[&whole, after].concat()), Some(&whole[..]));
        }
        assert_eq!(up_to_last_end(&[0xFF, SOI, 1, 2, 3]), None);
        assert_eq!(up_to_last_end(b""), None);
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_moves_on(bytes in proptest::collection::vec(proptest::prop_oneof![proptest::strategy::Just(0xFF), proptest::num::u8::ANY], 0..300)) {
            let mut end = 0;
            for segment in segments(&bytes) {
                proptest::prop_assert!(segment.stray.start <= segment.stray.end && segment.stray.end <= segment.range.start);
                proptest::prop_assert!(end <= segment.stray.start && segment.range.end <= bytes.len());
                end = segment.range.end;
            }
        }
    }
}
