//! JPEGs as cameras send them (MJPEG): whether one is complete, and where it ends.
//!
//! Many cameras fill their last packet up behind the picture, and a frame of which a packet was lost has no end marker.

use super::jpeg;

/// Padding of other bytes than zeros that is looked behind for the end: more than the largest USB packet (3 × 1024).
const LARGEST_TAIL: usize = 4096;
/// No JPEG with a picture in it is shorter: its tables and headers alone take more.
const SHORTEST: usize = 125;

/// The JPEG without what stands behind its end. `None` when it is not complete: no start, no end, or too short to hold
/// a picture.
///
/// Bytes within the coded picture never look like an end (an `FF` there is followed by `00` or a restart marker).
pub fn complete(bytes: &[u8]) -> Option<&[u8]> {
    if !jpeg::starts(bytes) {
        return None;
    }
    // Zeros may fill the whole rest of a buffer; anything else is the rest of one packet.
    let content = bytes.iter().rposition(|byte| *byte != 0)? + 1;
    let tail_from = content.saturating_sub(LARGEST_TAIL);
    let end = tail_from + jpeg::up_to_last_end(bytes.get(tail_from..content)?)?.len();
    bytes.get(..end).filter(|jpeg| jpeg.len() >= SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOI: [u8; 2] = [0xff, jpeg::SOI];
    const EOI: [u8; 2] = [0xff, jpeg::EOI];

    /// The bytes of a JPEG without its end: start, then what a coded picture may hold.
    fn open_ended(body: usize) -> Vec<u8> {
        let mut jpeg = SOI.to_vec();
        jpeg.extend((0..body).map(|i| [0x12, 0xff, 0x00, 0xff, 0xd0][i % 5]));
        jpeg.push(0x77);
        jpeg
    }

    fn whole(body: usize) -> Vec<u8> {
        [open_ended(body), EOI.to_vec()].concat()
    }

    #[test]
    fn padding_is_trimmed() {
        for body in [200, 5000, 100_000] {
            let jpeg = whole(body);
            assert_eq!(complete(&jpeg), Some(&jpeg[..]));
            for padding in [vec![0; 1], vec![0; 300_000], vec![0xff; 3], vec![0x5a; 3000], vec![0xff, 0xd8, 0, 0]] {
                assert_eq!(complete(&[jpeg.clone(), padding].concat()), Some(&jpeg[..]));
            }
        }
    }

    #[test]
    fn the_last_end_counts() {
        // A thumbnail in the header has an end of its own.
        let inner = [open_ended(20), EOI.to_vec(), vec![1; 300], EOI.to_vec()].concat();
        assert_eq!(complete(&inner), Some(&inner[..]));
    }

    #[test]
    fn incomplete_ones_are_refused() {
        let jpeg = whole(5000);
        let no_start = &jpeg[1..];
        let thumbnail_only = [SOI.to_vec(), vec![1; 100], EOI.to_vec(), open_ended(10_000)].concat();
        for (why, bytes) in [
            ("empty", &[][..]),
            ("zeros", &[0; 5000]),
            ("start alone", &SOI),
            ("both markers and no picture", &[0xff, 0xd8, 0xff, 0xd9]),
            ("too short", &whole(100)),
            ("no start", no_start),
            ("cut", &jpeg[..jpeg.len() - 1]),
            ("cut by a packet", &jpeg[..3000]),
            ("cut, filled up with zeros", &[&jpeg[..3000], &[0; 2000]].concat()),
            ("cut behind a thumbnail", &thumbnail_only),
        ] {
            assert_eq!(complete(bytes), None, "{why}");
        }
    }
}
