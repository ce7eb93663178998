//! Raw pictures made pixel by pixel, and what becomes of them.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::pipeline::image::{Decoder, ImageNeed};
use base::frame::{Frame, FrameData, Rotation};

/// Y, Cb, Cr; for RGB layouts the three are red, green and blue, and `GREY` has the first.
type Colour = [u8; 3];

/// A picture of this layout whose pixels are those of `colour(x, y)`; pairs and fours take the chroma of their first.
/// Rows end with `padding` bytes of 0xAA.
fn picture(
    layout: PixelLayout,
    width: usize,
    height: usize,
    padding: usize,
    colour: impl Fn(usize, usize) -> Colour,
) -> RawPicture {
    let mut bytes = Vec::new();
    let mut plane = |columns: usize, rows: usize, padding: usize, pixel: &dyn Fn(usize, usize) -> Vec<u8>| {
        for y in 0..rows {
            (0..columns).for_each(|x| bytes.extend(pixel(x, y)));
            bytes.extend(std::iter::repeat_n(0xAA, padding));
        }
        bytes.len() / rows
    };
    let luma = |x, y| vec![colour(x, y)[0]];
    let at = |channel: usize| move |x: usize, y: usize| [x * 2, y * 2, channel];
    let chroma = |[x, y, channel]: [usize; 3]| colour(x, y)[channel];
    let (half_width, half_height) = (width / 2, height / 2);
    let stride = match layout {
        PixelLayout::Yuyv => plane(half_width, height, padding, &|x, y| {
            let [first, u, v] = colour(2 * x, y);
            vec![first, u, colour(2 * x + 1, y)[0], v]
        }),
        PixelLayout::Uyvy => plane(half_width, height, padding, &|x, y| {
            let [first, u, v] = colour(2 * x, y);
            vec![u, first, v, colour(2 * x + 1, y)[0]]
        }),
        PixelLayout::Nv12 => {
            let stride = plane(width, height, padding, &luma);
            plane(half_width, half_height, padding, &|x, y| vec![chroma(at(1)(x, y)), chroma(at(2)(x, y))]);
            stride
        }
        PixelLayout::Yu12 => {
            let stride = plane(width, height, padding, &luma);
            plane(half_width, half_height, padding / 2, &|x, y| vec![chroma(at(1)(x, y))]);
            plane(half_width, half_height, padding / 2, &|x, y| vec![chroma(at(2)(x, y))]);
            stride
        }
        PixelLayout::Grey => plane(width, height, padding, &luma),
        PixelLayout::Rgb3 => plane(width, height, padding, &|x, y| colour(x, y).to_vec()),
        PixelLayout::Bgr3 => plane(width, height, padding, &|x, y| colour(x, y).into_iter().rev().collect()),
    };
    RawPicture { layout, width, height, stride, bytes: bytes.into() }
}

/// What a colour is in RGB, rounded: BT.601 by its formulas, limited range.
fn expected(layout: PixelLayout, colour: Colour) -> [f64; 3] {
    let [first, second, third] = colour.map(f64::from);
    match layout {
        PixelLayout::Grey => [first; 3],
        PixelLayout::Rgb3 | PixelLayout::Bgr3 => [first, second, third],
        _ => {
            let (red, blue) = (0.299, 0.114);
            let y = (first - 16.0) / 219.0;
            let (cb, cr) = ((second - 128.0) / 224.0, (third - 128.0) / 224.0);
            let r = y + 2.0 * (1.0 - red) * cr;
            let b = y + 2.0 * (1.0 - blue) * cb;
            let g = (y - red * r - blue * b) / (1.0 - red - blue);
            [r, g, b].map(|value| (value * 255.0).round().clamp(0.0, 255.0))
        }
    }
}

fn assert_colours(raw: &RawPicture, colour: impl Fn(usize, usize) -> Colour) {
    let mut pixels = Vec::new();
    let converted = to_rgb(raw, &mut pixels).unwrap();
    assert_eq!((converted.width, converted.height), (raw.width, raw.height));
    assert_eq!(converted.rgb.len(), raw.width * raw.height * RGB);
    for (at, rgb) in converted.rgb.chunks_exact(RGB).enumerate() {
        let (x, y) = (at % raw.width, at / raw.width);
        let expected = expected(raw.layout, colour(x, y));
        let near = rgb.iter().zip(expected).all(|(&value, expected)| (f64::from(value) - expected).abs() <= 2.0);
        assert!(near, "{raw:?} at {x}, {y}: {:?} became {rgb:?}, not {expected:?}", colour(x, y));
    }
}

#[test]
fn every_layout_keeps_its_colours() {
    // Every legal colour in steps, each in a block of 2x2; wide enough for the SIMD and odd enough for its rest.
    let colours: Vec<Colour> = (16..=235)
        .step_by(3)
        .flat_map(|y| (16..=240).step_by(14).map(move |u| (y, u)))
        .flat_map(|(y, u)| (16..=240).step_by(14).map(move |v| [y, u, v]))
        .collect();
    let width = 2 * 103;
    let height = 2 * colours.len().div_ceil(width / 2);
    let colour = |x: usize, y: usize| colours[(x / 2 + y / 2 * (width / 2)) % colours.len()];
    for layout in PixelLayout::ALL {
        assert_colours(&picture(layout, width, height, 0, colour), colour);
    }
}

#[test]
fn rows_may_be_padded_and_bytes_may_follow() {
    let colour = |x: usize, y: usize| match (x / 2 + y / 2) % 3 {
        0 => [81, 90, 240],
        1 => [145, 54, 34],
        _ => [235, 128, 128],
    };
    for layout in PixelLayout::ALL {
        for (width, height, padding) in [(2, 2, 2), (34, 6, 64), (100, 4, 28)] {
            let mut raw = picture(layout, width, height, padding, colour);
            assert!(raw.stride > width, "{raw:?}");
            assert_colours(&raw, colour);
            raw.bytes = [&raw.bytes[..], &[0xAA; 100]].concat().into();
            assert_colours(&raw, colour);
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused_with_a_sentence() {
    let raw = |layout, width, height, stride, bytes: usize| RawPicture {
        layout,
        width,
        height,
        stride,
        bytes: vec![128; bytes].into(),
    };
    use PixelLayout::{Bgr3, Grey, Nv12, Rgb3, Uyvy, Yu12, Yuyv};
    for (picture, says) in [
        (raw(Grey, 0, 4, 8, 100), "no pixels"),
        (raw(Grey, 4, 0, 8, 100), "no pixels"),
        (raw(Yuyv, 5, 4, 12, 100), "odd width"),
        (raw(Uyvy, 5, 4, 12, 100), "odd width"),
        (raw(Nv12, 5, 4, 6, 100), "odd width"),
        (raw(Yu12, 5, 4, 6, 100), "odd width"),
        (raw(Nv12, 4, 5, 4, 100), "odd height"),
        (raw(Yu12, 4, 5, 4, 100), "odd height"),
        (raw(Yu12, 4, 4, 5, 100), "odd stride of 5"),
        (raw(Yuyv, 4, 4, 7, 100), "needs 8 bytes a row, and its stride is 7"),
        (raw(Rgb3, 4, 4, 0, 100), "needs 12 bytes a row, and its stride is 0"),
        (raw(Yuyv, 4, 4, 8, 31), "needs 32 bytes, and it has 31"),
        (raw(Nv12, 4, 4, 4, 23), "needs 24 bytes, and it has 23"),
        (raw(Yu12, 4, 4, 6, 35), "needs 36 bytes, and it has 35"),
        (raw(Grey, 4, 4, 4, 0), "needs 16 bytes, and it has 0"),
        (raw(Rgb3, 4, 4, 12, 47), "needs 48 bytes, and it has 47"),
        (raw(Bgr3, 4, 4, 13, 48), "needs 52 bytes, and it has 48"),
        (raw(Rgb3, usize::MAX, 1, usize::MAX, 100), "too large"),
        (raw(Grey, 1 << 40, 1 << 40, 1 << 40, 100), "too large"),
        (raw(Nv12, 2, usize::MAX - 1, 2, 100), "too large"),
    ] {
        let error = to_rgb(&picture, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains(says) && error.starts_with("a "), "{picture:?}: {error}");
    }
}

proptest! {
    #[test]
    fn any_size_and_bytes_give_a_picture_or_a_sentence(
        layout in prop::sample::select(&PixelLayout::ALL[..]),
        width in prop_oneof![0usize..70, any::<usize>()],
        height in prop_oneof![0usize..20, any::<usize>()],
        more_stride in prop_oneof![0usize..9, any::<usize>()],
        rotation in prop::sample::select(vec![Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters]),
        bytes in prop::collection::vec(any::<u8>(), 0..6000),
    ) {
        let stride = width.wrapping_mul(bytes_of_first_plane(layout)).wrapping_add(more_stride);
        let raw = RawPicture { layout, width, height, stride, bytes: Bytes::from(bytes) };
        let frame = Frame { data: FrameData::Raw(raw), rotation };
        let mut decoder = Decoder::default();
        match decoder.decode(&frame, ImageNeed::AtLeast(3, 3)) {
            Ok(picture) => {
                prop_assert_eq!(picture.rgb.len(), width * height * RGB);
                prop_assert_eq!(picture.width * picture.height, width * height);
            }
            Err(error) => prop_assert!(error.to_string().starts_with("a ")),
        }
    }
}
