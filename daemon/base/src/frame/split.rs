//! Finds the JPEGs in a stream of bytes, such as an MJPEG file. Pure.
//!
//! A JPEG is walked marker by marker (ITU-T T.81, annex B) and not searched for its end: a segment may hold a whole
//! JPEG of its own (a thumbnail), and the length of the segment leads past it.

use std::ops::Range;

use crate::frame::jpeg::{EOI, SOI, SOS};

/// What was found, in the order of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A JPEG from its first marker to its last: the offsets of its bytes, counted from the first byte fed.
    Whole(Range<u64>),
    /// Something that starts as a JPEG does and is cut off, or has no picture in it.
    Damaged,
}

/// Finds pieces in bytes that come in chunks of any size.
#[derive(Debug)]
pub struct Splitter {
    state: State,
    /// Bytes seen so far.
    seen: u64,
    /// Where the JPEG in hand starts.
    start: u64,
    /// Whether it has a scan: a picture.
    scanned: bool,
}

/// What is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Outside: anything.
    Outside,
    /// Outside, after FF.
    OutsideFf,
    /// After FF D8: the FF of the first marker. A lone FF D8 is likely chance.
    Started,
    /// FF of the next marker.
    Marker,
    /// After the FF of a marker: its code.
    Code,
    /// The first length byte of a segment of this code.
    LengthHigh(u8),
    /// The second length byte; the first is known.
    LengthLow(u8, u8),
    /// This many bytes of a segment of this code.
    Segment(u8, u16),
    /// Picture data.
    Picture,
    /// Picture data, after FF.
    PictureFf,
}

impl Default for Splitter {
    /// Before the first byte.
    fn default() -> Self {
        Splitter { state: State::Outside, seen: 0, start: 0, scanned: false }
    }
}

impl Splitter {
    /// Takes the next bytes; `found` gets every piece that ends in them.
    pub fn feed(&mut self, mut bytes: &[u8], found: &mut dyn FnMut(Piece)) {
        while let Some((&byte, rest)) = bytes.split_first() {
            // Long runs of bytes that mean nothing here, in one step.
            let plain = match self.state {
                State::Outside | State::Picture => bytes.iter().position(|b| *b == 0xFF).unwrap_or(bytes.len()),
                State::Segment(code, left) => {
                    let taken = bytes.len().min(usize::from(left));
                    let still = left.saturating_sub(u16::try_from(taken).unwrap_or(u16::MAX));
                    self.state = if still > 0 { State::Segment(code, still) } else { after_segment(code) };
                    taken
                }
                _ => 0,
            };
            if plain > 0 {
                self.seen += plain as u64;
                bytes = bytes.get(plain..).unwrap_or_default();
            } else {
                self.seen += 1;
                self.step(byte, found);
                bytes = rest;
            }
        }
    }

    /// Says that no more bytes come: a JPEG in hand is cut off.
    pub fn finish(&mut self, found: &mut dyn FnMut(Piece)) {
        let state = std::mem::replace(&mut self.state, State::Outside);
        if !matches!(state, State::Outside | State::OutsideFf | State::Started) {
            found(Piece::Damaged);
        }
    }

    /// One byte that may mean something; it is counted already.
    fn step(&mut self, byte: u8, found: &mut dyn FnMut(Piece)) {
        self.state = match (self.state, byte) {
            (State::Outside | State::OutsideFf, 0xFF) => State::OutsideFf,
            (State::OutsideFf, SOI) => self.begin(),
            (State::Outside | State::OutsideFf, _) => State::Outside,
            (State::Started | State::Marker, 0xFF) => State::Code,
            (State::Started, _) => State::Outside,
            // Fill bytes before a code.
            (State::Code, 0xFF) => State::Code,
            (State::PictureFf, 0xFF) => State::PictureFf,
            // An FF of the picture itself, or a restart marker within it.
            (State::PictureFf, 0x00 | 0xD0..=0xD7) => State::Picture,
            (State::Code, 0x00 | 0x01 | 0xD0..=0xD7) => State::Marker,
            (State::Code | State::PictureFf, SOI) => {
                found(Piece::Damaged);
                self.begin()
            }
            (State::Code | State::PictureFf, EOI) => {
                found(if self.scanned { Piece::Whole(self.start..self.seen) } else { Piece::Damaged });
                State::Outside
            }
            (State::Code | State::PictureFf, code @ 0x02..) => State::LengthHigh(code),
            (State::LengthHigh(code), high) => State::LengthLow(code, high),
            (State::LengthLow(code, high), low) => match u16::from_be_bytes([high, low]).checked_sub(2) {
                Some(left) => {
                    self.scanned |= code == SOS;
                    if left > 0 { State::Segment(code, left) } else { after_segment(code) }
                }
                None => lost(found),
            },
            (State::Picture, 0xFF) => State::PictureFf,
            (State::Picture, _) => State::Picture,
            // Whole segments are taken by `feed`.
            (State::Segment(code, left), _) => State::Segment(code, left),
            // Bytes between segments belong to nothing; decoders skip them.
            (State::Marker, _) => State::Marker,
            (State::PictureFf, _) => lost(found),
        };
    }

    /// A JPEG starts with the last two bytes.
    fn begin(&mut self) -> State {
        self.start = self.seen.saturating_sub(2);
        self.scanned = false;
        State::Started
    }
}

/// The JPEG in hand makes no sense any more.
fn lost(found: &mut dyn FnMut(Piece)) -> State {
    found(Piece::Damaged);
    State::Outside
}

fn after_segment(code: u8) -> State {
    if code == SOS { State::Picture } else { State::Marker }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A JPEG as far as markers go, with these segments in front of its scan and these bytes of a picture.
    fn jpeg(before: &[u8], picture: &[u8]) -> Vec<u8> {
        [&[0xFF, SOI], before, &[0xFF, 0xC0, 0, 3, 8, 0xFF, SOS, 0, 4, 1, 0], picture, &[0xFF, EOI]].concat()
    }

    fn pieces(bytes: &[u8], chunk: usize) -> Vec<Piece> {
        let mut found = Vec::new();
        let mut splitter = Splitter::default();
        for part in bytes.chunks(chunk) {
            splitter.feed(part, &mut |piece| found.push(piece));
        }
        splitter.finish(&mut |piece| found.push(piece));
        found
    }

    #[test]
    fn whole_jpegs() {
        let thumbnail = jpeg(&[], b"small");
        let length = u16::try_from(thumbnail.len() + 2).unwrap().to_be_bytes();
        let exif = [&[0xFF, 0xE1], &length[..], &thumbnail].concat();
        let scan = [0xFF, 0xC4, 0, 4, 7, 7, 0xFF, SOS, 0, 2];
        for (what, whole) in [
            ("plain", jpeg(&[], b"picture")),
            ("no picture data at all", jpeg(&[], &[])),
            ("a thumbnail in a segment", jpeg(&exif, b"picture")),
            ("FF in the picture", jpeg(&[], &[1, 0xFF, 0, 0xFF, 0, 0xFF])),
            ("restart markers", jpeg(&[], &[1, 0xFF, 0xD0, 2, 0xFF, 0xD7, 3])),
            ("fill bytes", jpeg(&[0xFF, 0xFF, 0xFF, 0xFE, 0, 2], &[1, 0xFF, 0xFF])),
            ("a marker without a segment", jpeg(&[0xFF, 0x01], b"picture")),
            ("an empty segment", jpeg(&[0xFF, 0xFE, 0, 2], b"picture")),
            ("several scans, tables between them", jpeg(&[], &[&b"one"[..], &scan, b"two", &scan[6..], b"3"].concat())),
        ] {
            let length = whole.len() as u64;
            assert_eq!(pieces(&whole, usize::MAX), [Piece::Whole(0..length)], "{what}");
            let twice = [&b"--boundary\r\n\xFF"[..], &whole, &[0, 0xFF, 0, 0xFF, 0xFF], &whole, b"\xFF\xD8."].concat();
            let second = 13 + length + 5;
            let expected = [Piece::Whole(13..13 + length), Piece::Whole(second..second + length)];
            for chunk in [1, 2, 3, 7, 64, usize::MAX] {
                assert_eq!(pieces(&twice, chunk), expected, "{what}, in chunks of {chunk}");
            }
        }
    }

    #[test]
    fn damaged_jpegs_do_not_take_the_next_one_along() {
        let good = jpeg(&[], b"picture");
        for (what, bad) in [
            ("cut in the picture", &good[..good.len() - 4]),
            ("cut after an FF of the picture", &good[..good.len() - 1]),
            ("cut before a marker", &good[..7]),
            ("no picture", &[0xFF, SOI, 0xFF, EOI]),
            ("no marker where one should be", &[0xFF, SOI, 0xFF, 0xFE, 0, 2, 0]),
            ("an impossible marker", &[0xFF, SOI, 0xFF, 0x00]),
            ("an impossible length", &[0xFF, SOI, 0xFF, 0xFE, 0, 1]),
        ] {
            let start = bad.len() as u64;
            let expected = [Piece::Damaged, Piece::Whole(start..start + good.len() as u64)];
            for chunk in [1, 3, usize::MAX] {
                assert_eq!(pieces(&[bad, &good].concat(), chunk), expected, "{what}, in chunks of {chunk}");
            }
            assert_eq!(pieces(bad, usize::MAX), [Piece::Damaged], "{what}, at the end");
        }
    }

    #[test]
    fn what_is_no_jpeg() {
        for bytes in [&b""[..], b"RIFF....AVI ", b"\xFF", b"\xFF\xD9\xFF\xD9", b"\xFF\xD8.\xFF\xD8"] {
            assert_eq!(pieces(bytes, usize::MAX), [], "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn chunks_make_no_difference(
            pieces_of in proptest::collection::vec(
                proptest::prop_oneof![
                    proptest::collection::vec(proptest::num::u8::ANY, 0..20),
                    proptest::strategy::Just(jpeg(&[0xFF, 0xFE, 0, 9, 0xFF, 0xD8, 0xFF, 0xD9, 1, 2, 3], b"p")),
                    proptest::strategy::Just(vec![0xFF, SOI, 0xFF]),
                ],
                0..8,
            ),
            chunk in 1usize..20,
        ) {
            let bytes = pieces_of.concat();
            let found = pieces(&bytes, chunk);
            proptest::prop_assert_eq!(&found, &pieces(&bytes, usize::MAX));
            let mut last = 0;
            for piece in found {
                if let Piece::Whole(range) = piece {
                    proptest::prop_assert!(last <= range.start && range.end <= bytes.len() as u64);
                    let whole = &bytes[range.start as usize..range.end as usize];
                    proptest::prop_assert!(whole.starts_with(&[0xFF, SOI]) && whole.ends_with(&[0xFF, EOI]));
                    last = range.end;
                }
            }
        }
    }
}
