//! Nothing of a frame reaches into the next one, whatever the frame is: decoders, encoders and scalers that are kept give what fresh
//! ones give.

use bytes::Bytes;
use proptest::prelude::{any, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::{Just, Strategy};
use proptest::test_runner::Config;

use super::{Decoder, ImageNeed, Picture, Placement, Scaler, sample_jpeg};
use crate::pipeline::detection::Bounds;
use crate::pipeline::encode::Encoder;
use base::frame::jpeg;
use base::frame::{Frame, FrameData, PixelLayout, RawPicture, Rotation};

/// The start of a JPEG of 8x8 pixels: its frame header.
const HEADER: [u8; 21] = [0xFF, 0xD8, 0xFF, 0xC0, 0, 17, 8, 0, 8, 0, 8, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];

/// Headers that libjpeg refuses, each in another way, after reading some of it.
fn refused_headers() -> Vec<Vec<u8>> {
    let after = |segment: &[u8]| [&HEADER, segment, &[0xFF, 0xD9]].concat();
    vec![
        after(&[0xFF, 0x02, 0, 2]),             // a reserved marker
        after(&HEADER[2..]),                    // a second frame header
        after(&[0xFF, 0xC4, 0, 4, 0x77, 0x77]), // a Huffman table of no class
        after(&[0xFF, 0xDB, 0, 3, 0x0F]),       // a quantisation table of no number
        after(&[0xFF, 0xDD, 0, 3, 1]),          // a restart interval that is cut
        after(&[0xFF, 0xCF, 0, 2]),             // SOF15
        after(&[0xFF, 0xDA, 0, 3, 9]),          // a scan of nine components
        after(&[0xFF, 0xD8]),                   // a second start
        after(&[0xFF, 0xCC, 0, 4, 0xFF, 0xFF]), // an arithmetic table of no number
    ]
}

/// A picture whose tables and colours are other than the sample's.
fn other_jpeg() -> Vec<u8> {
    let pixels: Vec<u8> = (0..48 * 40).flat_map(|at: usize| [(at % 251) as u8, (at / 7 % 256) as u8, 200]).collect();
    let image = turbojpeg::Image {
        pixels: pixels.as_slice(),
        width: 48,
        pitch: 48 * 3,
        height: 40,
        format: turbojpeg::PixelFormat::RGB,
    };
    turbojpeg::compress(image, 30, turbojpeg::Subsamp::None).unwrap().to_vec()
}

fn decoded(decoder: &mut Decoder, jpeg: &[u8], rotation: Rotation) -> Option<Vec<u8>> {
    let frame = Frame { rotation, ..Frame::jpeg(Bytes::copy_from_slice(jpeg)) };
    decoder.decode(&frame, ImageNeed::Whole).ok().map(|picture| picture.rgb.to_vec())
}

/// The JPEG without its segments of this kind.
fn without(jpeg: &[u8], code: u8) -> Vec<u8> {
    let mut left = jpeg.to_vec();
    let ranges: Vec<_> =
        jpeg::segments(jpeg).filter(|segment| segment.code == code).map(|segment| segment.range).collect();
    for range in ranges.into_iter().rev() {
        left.drain(range);
    }
    left
}

#[test]
fn a_header_that_is_refused_leaves_the_decoder_sound() {
    let sound = sample_jpeg(64, 48).unwrap();
    let expected = decoded(&mut Decoder::default(), &sound, Rotation::None);
    assert!(expected.is_some());
    let mut decoder = Decoder::default();
    for hostile in refused_headers() {
        assert_eq!(decoded(&mut decoder, &hostile, Rotation::None), None, "{hostile:?}");
        assert_eq!(decoded(&mut decoder, &sound, Rotation::None), expected, "after {hostile:?}");
    }
}

#[test]
fn tables_of_the_frame_before_are_not_used() {
    let jpeg = sample_jpeg(64, 48).unwrap();
    let mut decoder = Decoder::default();
    assert!(decoded(&mut decoder, &jpeg, Rotation::None).is_some());
    assert_eq!(decoded(&mut decoder, &without(&jpeg, 0xDB), Rotation::None), None, "without quantisation tables");
    // Motion JPEG leaves the Huffman tables out, and means the standard's; TurboJPEG's encoder uses these.
    let standard = decoded(&mut Decoder::default(), &jpeg, Rotation::None);
    assert_eq!(decoded(&mut decoder, &other_jpeg(), Rotation::None).map(|rgb| rgb.len()), Some(48 * 40 * 3));
    assert_eq!(decoded(&mut decoder, &without(&jpeg, 0xC4), Rotation::None), standard);
}

/// A JPEG and what is done to it.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let header = |jpeg: &[u8]| jpeg::segments(jpeg).map(|segment| segment.range.end).last().unwrap_or(0);
    let base = prop_oneof![Just(sample_jpeg(64, 48).unwrap()), Just(other_jpeg())];
    (base, proptest::collection::vec((any::<u32>(), any::<u8>(), any::<bool>()), 1..4), any::<u16>()).prop_map(
        move |(mut jpeg, changes, cut)| {
            for (at, value, in_header) in changes {
                let room = if in_header { header(&jpeg) } else { jpeg.len() };
                let at = at as usize % room.max(1);
                if let Some(byte) = jpeg.get_mut(at) {
                    *byte = value;
                }
            }
            if cut % 4 == 0 {
                jpeg.truncate(usize::from(cut) % jpeg.len().max(1));
            }
            jpeg
        },
    )
}

proptest! {
    #![proptest_config(Config::with_cases(4000))]

    #[test]
    fn nothing_of_a_frame_survives_it(hostile in mutated(), turned in any::<bool>()) {
        let sound = sample_jpeg(64, 48).unwrap();
        let rotation = if turned { Rotation::Quarter } else { Rotation::None };
        let (mut decoder, mut encoder) = (Decoder::default(), Encoder::default());
        // The painter of cameras keeps both; it turns and encodes what it can decode.
        let frame = Frame { rotation, ..Frame::jpeg(Bytes::from(hostile.clone())) };
        let first = encoder.frame_as_jpeg(&mut decoder, &frame, 80);
        let again = encoder.frame_as_jpeg(&mut decoder, &frame, 80);
        prop_assert_eq!(first, again, "the same bytes, the same answer");
        prop_assert_eq!(decoded(&mut decoder, &hostile, rotation), decoded(&mut Decoder::default(), &hostile, rotation));
        prop_assert_eq!(decoded(&mut decoder, &sound, rotation), decoded(&mut Decoder::default(), &sound, rotation));
        let sound = Frame { rotation: Rotation::Half, ..Frame::jpeg(Bytes::from(sound)) };
        prop_assert_eq!(
            encoder.frame_as_jpeg(&mut decoder, &sound, 70),
            Encoder::default().frame_as_jpeg(&mut Decoder::default(), &sound, 70)
        );
    }
}

/// A raw picture as a camera may bring it: any layout, size, stride and number of bytes, most of them fitting.
fn raw() -> impl Strategy<Value = Frame> {
    let layouts = [
        PixelLayout::Yuyv,
        PixelLayout::Uyvy,
        PixelLayout::Nv12,
        PixelLayout::Yu12,
        PixelLayout::Grey,
        PixelLayout::Rgb3,
        PixelLayout::Bgr3,
    ];
    let turns = [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];
    let sizes = (0..40_usize, 0..40_usize, 0..9_usize, 0..3_usize, any::<bool>());
    (proptest::sample::select(layouts.to_vec()), proptest::sample::select(turns.to_vec()), sizes, any::<u8>()).prop_map(
        |(layout, rotation, (width, height, padding, missing, even), seed)| {
            let (width, height) = if even { (width & !1, height & !1) } else { (width, height) };
            let stride = width * 3 + padding;
            let bytes = (stride * height * 3 / 2).saturating_sub(if missing == 0 { stride } else { 0 });
            let bytes: Vec<u8> = (0..bytes).map(|at| (at * 31 % 253) as u8 ^ seed).collect();
            let raw = RawPicture { layout, width, height, stride, bytes: bytes.into() };
            Frame { data: FrameData::Raw(raw), rotation }
        },
    )
}

/// One thing that a scaler is asked for.
#[derive(Clone, Debug)]
struct Asked {
    what: u8,
    from: (usize, usize),
    decoded_smaller: usize,
    to: (usize, usize),
    corners: [f32; 4],
    level: u8,
}

fn asked() -> impl Strategy<Value = Asked> {
    let side = || 1..48_usize;
    let corner = || -8.0..56.0_f32;
    let corners = (corner(), corner(), corner(), corner());
    (0..3_u8, (side(), side()), 1..3_usize, (side(), side()), corners, any::<u8>()).prop_map(
        |(what, from, decoded_smaller, to, (x1, y1, x2, y2), level)| Asked {
            what,
            from,
            decoded_smaller,
            to,
            corners: [x1, y1, x2, y2],
            level,
        },
    )
}

/// Pixels, and where the frame lies in them.
type Scaled = (Vec<u8>, Option<Placement>);

/// What the scaler gives.
fn scaled(scaler: &mut Scaler, asked: &Asked) -> Result<Option<Scaled>, String> {
    let ((width, height), smaller) = (asked.from, asked.decoded_smaller);
    let rgb: Vec<u8> = (0..width * height * 3).map(|at| (at * 17 % 251) as u8 ^ asked.level).collect();
    let picture = Picture { rgb: &rgb, width, height, frame_size: (width * smaller, height * smaller) };
    let [x1, y1, x2, y2] = asked.corners;
    match asked.what {
        0 => scaler.stretch(&picture, asked.to.0, asked.to.1).map(|pixels| Some((pixels.to_vec(), None))),
        1 => {
            let boxed = scaler.letterbox(&picture, asked.to.0, asked.to.1, asked.level);
            boxed.map(|(pixels, placement)| Some((pixels.to_vec(), Some(placement))))
        }
        _ => {
            let crop = scaler.crop(&picture, Bounds { x1, y1, x2, y2 }, asked.to.0, asked.to.1);
            crop.map(|pixels| pixels.map(|pixels| (pixels.to_vec(), None)))
        }
    }
}

proptest! {
    #![proptest_config(Config::with_cases(2000))]

    #[test]
    fn nothing_of_a_raw_picture_survives_it(frames in proptest::collection::vec(raw(), 2..6)) {
        let mut kept = Decoder::default();
        for frame in &frames {
            let picture = |decoder: &mut Decoder| {
                let decoded = decoder.decode(frame, ImageNeed::Whole).map_err(|error| error.to_string());
                decoded.map(|picture| (picture.rgb.to_vec(), picture.width, picture.height))
            };
            prop_assert_eq!(picture(&mut kept), picture(&mut Decoder::default()));
        }
    }

    #[test]
    fn nothing_of_a_picture_stays_in_the_scaler(all in proptest::collection::vec(asked(), 2..8)) {
        let mut kept = Scaler::default();
        for asked in &all {
            prop_assert_eq!(scaled(&mut kept, asked), scaled(&mut Scaler::default(), asked), "{:?}", asked);
        }
    }
}
