//! Camera-like frames that are made: for whoever measures and has no pictures.

use bytes::Bytes;
use turbojpeg::{Image, PixelFormat, Subsamp};

/// JPEG quality of synthetic frames; with [`GRAIN`] it makes 640x480 weigh about 50 kB, as a USB camera's frames do.
const QUALITY: i32 = 80;

/// Sensor noise of synthetic frames, in levels of 255.
const GRAIN: f32 = 10.0;

/// Makes `count` camera-like frames: a lit scene with texture, objects that move from frame to frame, and sensor noise.
/// The same arguments give the same pictures. 640x480 weighs about 50 kB; other sizes in proportion.
///
/// # Errors
/// A side of 0 or above 16,384 pixels, or an encoder that fails.
pub fn synthetic(width: usize, height: usize, count: usize) -> Result<Vec<Bytes>, String> {
    if !(1..=16_384).contains(&width) || !(1..=16_384).contains(&height) {
        return Err(format!("A frame of {width}x{height} cannot be made: a side is 1 to 16384."));
    }
    let mut pixels = vec![0u8; width * height * 3];
    (0..count)
        .map(|frame| {
            paint(&mut pixels, width, height, frame);
            let image = Image { pixels: pixels.as_slice(), width, pitch: width * 3, height, format: PixelFormat::RGB };
            turbojpeg::compress(image, QUALITY, Subsamp::Sub2x2)
                .map(|jpeg| Bytes::copy_from_slice(&jpeg))
                .map_err(|e| format!("A synthetic frame could not be encoded: {e}."))
        })
        .collect()
}

/// A moving ellipse: middle and half axes in parts of the picture, speed in parts a frame, colour.
struct Blob {
    at: [f32; 2],
    half: [f32; 2],
    speed: [f32; 2],
    colour: [f32; 3],
}

const BLOBS: [Blob; 4] = [
    Blob { at: [0.2, 0.7], half: [0.09, 0.22], speed: [0.013, 0.0], colour: [176.0, 52.0, 44.0] },
    Blob { at: [0.7, 0.6], half: [0.16, 0.12], speed: [-0.021, 0.004], colour: [40.0, 74.0, 150.0] },
    Blob { at: [0.5, 0.85], half: [0.07, 0.07], speed: [0.034, -0.003], colour: [214.0, 180.0, 60.0] },
    Blob { at: [0.9, 0.3], half: [0.05, 0.05], speed: [-0.008, 0.006], colour: [236.0, 236.0, 226.0] },
];

fn paint(pixels: &mut [u8], width: usize, height: usize, frame: usize) {
    let time = frame as f32;
    for (y, row) in pixels.chunks_exact_mut(width * 3).enumerate() {
        let v = y as f32 / height as f32;
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
            let u = x as f32 / width as f32;
            // A wall above, a floor below, lit from the upper left.
            let base = if v < 0.45 { [138.0, 146.0, 150.0] } else { [118.0, 104.0, 86.0] };
            let light = 1.15 - 0.35 * u - 0.25 * v;
            let texture = 34.0 * (noise(u * 9.0, v * 9.0, 1) - 0.5) + 26.0 * (noise(u * 60.0, v * 45.0, 2) - 0.5);
            let mut colour = base.map(|c: f32| c * light + texture);
            for blob in &BLOBS {
                let dx = (u - (blob.at[0] + blob.speed[0] * time).rem_euclid(1.0)) / blob.half[0];
                let dy = (v - (blob.at[1] + blob.speed[1] * time).rem_euclid(1.0)) / blob.half[1];
                let r = dx * dx + dy * dy;
                if r < 1.0 {
                    colour = blob.colour.map(|c| c * (1.05 - 0.4 * r) + 0.4 * texture);
                }
            }
            let grain = GRAIN * 2.0 * (unit(hash(x as u64, y as u64, 7 + frame as u64)) - 0.5);
            for (value, c) in pixel.iter_mut().zip(colour) {
                *value = (c + grain).clamp(0.0, 255.0) as u8;
            }
        }
    }
}

/// Smooth noise from 0 to 1: random values on a grid, blended between.
fn noise(x: f32, y: f32, seed: u64) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let corner = |dx: u64, dy: u64| unit(hash(left as u64 + dx, top as u64 + dy, seed));
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (a, b) = (ease(x - left), ease(y - top));
    let upper = corner(0, 0) + (corner(1, 0) - corner(0, 0)) * a;
    let lower = corner(0, 1) + (corner(1, 1) - corner(0, 1)) * a;
    upper + (lower - upper) * b
}

/// SplitMix64's finisher over a point: random-looking, and the same everywhere.
fn hash(x: u64, y: u64, seed: u64) -> u64 {
    let mut z = (x ^ (y << 20) ^ (seed << 40)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn unit(hash: u64) -> f32 {
    (hash >> 40) as f32 / (1u64 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synthetic_frames_decode_move_and_weigh_what_a_camera_sends() {
        let frames = synthetic(640, 480, 4).unwrap();
        for frame in &frames {
            assert!((35_000..=65_000).contains(&frame.len()), "{} bytes", frame.len());
            assert!(frame.starts_with(&[0xFF, 0xD8]) && frame.ends_with(&[0xFF, 0xD9]));
            let image = turbojpeg::decompress(frame, PixelFormat::RGB).unwrap();
            assert_eq!((image.width, image.height), (640, 480));
        }
        assert_ne!(frames[0], frames[1]);
        assert_eq!(frames, synthetic(640, 480, 4).unwrap());
    }

    #[test]
    fn odd_and_impossible_sizes() {
        assert_eq!(synthetic(1, 1, 1).unwrap().len(), 1);
        assert_eq!(synthetic(33, 17, 2).unwrap().len(), 2);
        assert!(synthetic(0, 480, 1).is_err());
        assert!(synthetic(640, 100_000, 1).is_err());
    }
}
