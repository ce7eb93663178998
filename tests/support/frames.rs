//! JPEGs to send.

use turbojpeg::{Image, PixelFormat, Subsamp};

/// A camera-like frame, small and quick to decode.
///
/// # Panics
/// When it cannot be encoded.
pub fn camera() -> Vec<u8> {
    synthetic(96, 64)
}

/// A camera-like frame of this size.
///
/// # Panics
/// When it cannot be encoded.
pub fn synthetic(width: usize, height: usize) -> Vec<u8> {
    base::frame::synthetic::synthetic(width, height, 1).unwrap()[0].to_vec()
}

/// One colour all over.
///
/// # Panics
/// When it cannot be encoded.
pub fn solid(width: usize, height: usize, colour: [u8; 3]) -> Vec<u8> {
    from_fn(width, height, |_, _| colour)
}

/// A colour for each column and row.
///
/// # Panics
/// When it cannot be encoded.
pub fn from_fn(width: usize, height: usize, colour: impl Fn(usize, usize) -> [u8; 3]) -> Vec<u8> {
    let pixels: Vec<u8> = (0..width * height).flat_map(|at| colour(at % width, at / width)).collect();
    let image = Image { pixels: pixels.as_slice(), width, pitch: width * 3, height, format: PixelFormat::RGB };
    turbojpeg::compress(image, 95, Subsamp::None).unwrap().to_vec()
}

/// White: brightness 1.
pub fn white() -> Vec<u8> {
    solid(32, 32, [255; 3])
}

/// Black: brightness 0.
pub fn black() -> Vec<u8> {
    solid(32, 32, [0; 3])
}

/// A small frame whose header announces this size instead of its own.
///
/// # Panics
/// When the encoder writes no baseline header.
pub fn announcing(width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = white();
    let header = jpeg.windows(2).position(|bytes| bytes == [0xFF, 0xC0]).expect("a baseline frame header");
    jpeg[header + 5..header + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[header + 7..header + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

/// A frame with whole headers and markers whose picture data stops halfway.
pub fn damaged() -> Vec<u8> {
    let jpeg = synthetic(640, 480);
    [&jpeg[..jpeg.len() / 2], &[0xFF, 0xD9]].concat()
}
