//! `convert`: from a camera's frame to RGB and back to a JPEG, on one core; beside YUYV a plain loop, beside the rest a
//! JPEG of the same size.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use base::frame::{Frame, FrameData, PixelLayout, RawPicture, Rotation};
use engine::pipeline::encode::Encoder;
use engine::pipeline::image::{Decoder, ImageNeed};

use crate::bench::Bench;
use crate::machine;
use crate::report::{Bound, Outcome};
use crate::rounds::alternate;

/// How many times faster than the plain loop YUYV is to be.
const GOAL: f64 = 2.0;
/// Time of each measurement.
const TIME: Duration = Duration::from_millis(300);
/// Different frames that are converted in turn, as a camera's buffers are.
const FRAMES: u8 = 4;
const VGA: (usize, usize) = (640, 480);
const FULL_HD: (usize, usize) = (1920, 1080);
const QUALITY: u8 = 80;

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    machine::on_cores(Some(&bench.server_core), || {
        let mut outcomes = vec![
            beside_plain_loop(bench, "YUYV 640x480", VGA, Some(GOAL))?,
            beside_plain_loop(bench, "YUYV 1920x1080", FULL_HD, None)?,
        ];
        let jpegs: Vec<Frame> = bench.frames.iter().cloned().map(Frame::jpeg).collect();
        for (what, frames) in [
            ("UYVY 640x480", raw(PixelLayout::Uyvy, VGA, 0, Rotation::None)),
            ("NV12 640x480", raw(PixelLayout::Nv12, VGA, 0, Rotation::None)),
            ("YU12 640x480", raw(PixelLayout::Yu12, VGA, 0, Rotation::None)),
            ("GREY 640x480", raw(PixelLayout::Grey, VGA, 0, Rotation::None)),
            ("BGR3 640x480", raw(PixelLayout::Bgr3, VGA, 0, Rotation::None)),
            ("RGB3 640x480, rows padded", raw(PixelLayout::Rgb3, VGA, 64, Rotation::None)),
            ("RGB3 640x480, used as it is", raw(PixelLayout::Rgb3, VGA, 0, Rotation::None)),
            ("YUYV 640x480, turned by 90 degrees", raw(PixelLayout::Yuyv, VGA, 0, Rotation::Quarter)),
        ] {
            let rounds = alternate(bench.rounds(), || decoded_per_s(&jpegs), || decoded_per_s(&frames))?;
            outcomes.push(Outcome::new("convert", what, rounds.measured(), "frames/s").beside("JPEG", rounds.limit()));
        }
        let yuyv = raw(PixelLayout::Yuyv, VGA, 0, Rotation::None);
        let rounds = alternate(bench.rounds(), || decoded_per_s(&jpegs), || encoded_per_s(&yuyv))?;
        let encoded = Outcome::new("convert", "YUYV 640x480 to JPEG", rounds.measured(), "frames/s");
        outcomes.push(encoded.beside("JPEG to RGB", rounds.limit()));
        Ok(outcomes)
    })?
}

fn beside_plain_loop(bench: &Bench, what: &str, size: (usize, usize), goal: Option<f64>) -> Result<Outcome> {
    let frames = raw(PixelLayout::Yuyv, size, 0, Rotation::None);
    check_plain_loop(&frames)?;
    let rounds = alternate(bench.rounds(), || plain_loop_per_s(&frames), || decoded_per_s(&frames))?;
    let outcome = Outcome::new("convert", what, rounds.measured(), "frames/s").beside("plain loop", rounds.limit());
    Ok(match goal {
        Some(goal) => outcome.goal(rounds.ratio(), Bound::AtLeast(goal), "× the plain loop"),
        None => outcome,
    })
}

fn decoded_per_s(frames: &[Frame]) -> Result<f64> {
    let mut decoder = Decoder::default();
    per_s(frames, |frame| {
        black_box(decoder.decode(frame, ImageNeed::Whole)?.rgb);
        Ok(())
    })
}

fn encoded_per_s(frames: &[Frame]) -> Result<f64> {
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    per_s(frames, |frame| {
        let jpeg = encoder.frame_as_jpeg(&mut decoder, frame, QUALITY).map_err(|reason| anyhow!(reason))?;
        black_box(jpeg);
        Ok(())
    })
}

fn plain_loop_per_s(frames: &[Frame]) -> Result<f64> {
    let mut rgb = Vec::new();
    per_s(frames, |frame| {
        let FrameData::Raw(raw) = &frame.data else { return Err(anyhow!("the plain loop takes raw pictures")) };
        plain_loop(raw, &mut rgb);
        black_box(&rgb);
        Ok(())
    })
}

/// A loop that does something else would be no limit.
fn check_plain_loop(frames: &[Frame]) -> Result<()> {
    let frame = frames.first().context("there is no frame")?;
    let FrameData::Raw(raw) = &frame.data else { return Err(anyhow!("the plain loop takes raw pictures")) };
    let (mut decoder, mut rgb) = (Decoder::default(), Vec::new());
    plain_loop(raw, &mut rgb);
    let picture = decoder.decode(frame, ImageNeed::Whole)?;
    let worst = picture.rgb.iter().zip(&rgb).map(|(one, other)| one.abs_diff(*other)).max();
    ensure!(picture.rgb.len() == rgb.len() && worst <= Some(2), "the plain loop gives other colours: {worst:?} off");
    Ok(())
}

/// Frames a second, each of the frames in turn; the first of each is not counted.
fn per_s(frames: &[Frame], mut work: impl FnMut(&Frame) -> Result<()>) -> Result<f64> {
    frames.iter().try_for_each(&mut work)?;
    let started = Instant::now();
    let mut done = 0;
    while started.elapsed() < TIME {
        work(frames.get(done % frames.len()).context("there is no frame")?)?;
        done += 1;
    }
    Ok(done as f64 / started.elapsed().as_secs_f64())
}

/// YUYV to RGB as one would write it without a library: BT.601, limited range, whole numbers with 16 bits behind the point.
fn plain_loop(raw: &RawPicture, rgb: &mut Vec<u8>) {
    const ONE: f64 = 65536.0;
    const Y: i32 = (ONE * 255.0 / 219.0) as i32;
    const RED_CR: i32 = (ONE * 1.402 * 255.0 / 224.0) as i32;
    const BLUE_CB: i32 = (ONE * 1.772 * 255.0 / 224.0) as i32;
    const GREEN_CR: i32 = (ONE * 1.402 * 0.299 / 0.587 * 255.0 / 224.0) as i32;
    const GREEN_CB: i32 = (ONE * 1.772 * 0.114 / 0.587 * 255.0 / 224.0) as i32;
    const HALF: i32 = 1 << 15;
    let byte = |value: i32| (value >> 16).clamp(0, 255) as u8;
    rgb.resize(raw.width * raw.height * 3, 0);
    let (pairs, _) = raw.bytes.as_chunks::<4>();
    let (pixels, _) = rgb.as_chunks_mut::<6>();
    for (&[y0, cb, y1, cr], to) in pairs.iter().zip(pixels) {
        let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
        let (first, second) = ((i32::from(y0) - 16) * Y + HALF, (i32::from(y1) - 16) * Y + HALF);
        let (red, green, blue) = (RED_CR * cr, GREEN_CR * cr + GREEN_CB * cb, BLUE_CB * cb);
        *to = [
            byte(first + red),
            byte(first - green),
            byte(first + blue),
            byte(second + red),
            byte(second - green),
            byte(second + blue),
        ];
    }
}

/// Raw frames with a pattern of legal values; a conversion takes as long whatever the picture shows.
fn raw(layout: PixelLayout, (width, height): (usize, usize), padding: usize, rotation: Rotation) -> Vec<Frame> {
    let (row, planes) = match layout {
        PixelLayout::Yuyv | PixelLayout::Uyvy => (width * 2, 2),
        PixelLayout::Nv12 | PixelLayout::Yu12 => (width, 3),
        PixelLayout::Grey => (width, 2),
        PixelLayout::Rgb3 | PixelLayout::Bgr3 => (width * 3, 2),
    };
    let stride = row + padding;
    let frame = |number: u8| {
        let bytes: Vec<u8> = (16..=235).cycle().skip(usize::from(number)).take(stride * height * planes / 2).collect();
        let raw = RawPicture { layout, width, height, stride, bytes: bytes.into() };
        Frame { data: FrameData::Raw(raw), rotation }
    };
    (0..FRAMES).map(frame).collect()
}
