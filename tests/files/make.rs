//! Files to run on, made here.

use turbojpeg::{Colorspace, Compressor, Image, PixelFormat, Subsamp};

/// A JPEG of one colour; `set` changes how it is encoded.
pub fn jpeg(pixel: &[u8], format: PixelFormat, (width, height): (usize, usize), set: fn(&mut Compressor)) -> Vec<u8> {
    let pixels = pixel.repeat(width * height);
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(95).unwrap();
    set(&mut compressor);
    let image = Image { pixels: pixels.as_slice(), width, pitch: width * pixel.len(), height, format };
    compressor.compress_to_vec(image).unwrap()
}

/// One byte of brightness a pixel.
pub fn grey_jpeg(level: u8, size: (usize, usize)) -> Vec<u8> {
    jpeg(&[level], PixelFormat::GRAY, size, |compressor| compressor.set_subsamp(Subsamp::Gray).unwrap())
}

/// Several scans, each finer than the one before.
pub fn progressive_jpeg(colour: [u8; 3], size: (usize, usize)) -> Vec<u8> {
    let jpeg = jpeg(&colour, PixelFormat::RGB, size, |compressor| compressor.set_progressive(true).unwrap());
    assert!(jpeg.windows(2).any(|pair| pair == [0xFF, 0xC2]), "no progressive frame header");
    jpeg
}

/// Four inks as Adobe's programs write them: 0 is all of an ink.
pub fn cmyk_jpeg(inks: [u8; 4], size: (usize, usize)) -> Vec<u8> {
    jpeg(&inks, PixelFormat::CMYK, size, |compressor| compressor.set_colorspace(Colorspace::YCCK).unwrap())
}

/// A JPEG with an Exif segment that asks for this orientation (Exif 2.3, tag 0x0112).
pub fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
}

/// A PNG of these samples.
pub fn png(samples: &[u8], (width, height): (u32, u32), colour: png::ColorType, depth: png::BitDepth) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if colour == png::ColorType::Indexed {
        encoder.set_palette(vec![255, 0, 0, 0, 0, 255]);
    }
    encoder.write_header().unwrap().write_image_data(samples).unwrap();
    file
}

/// A chunk of an AVI.
fn chunk(name: &[u8], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).unwrap().to_le_bytes();
    let padding = &[0][..content.len() % 2];
    [name, &size, content, padding].concat()
}

/// An AVI of a sound and a video of this codec. Every frame has sound in front; the last two stand in a `rec` list in a second
/// RIFF, as large files have it.
pub fn avi(codec: &[u8; 4], frames: &[Vec<u8>]) -> Vec<u8> {
    let stream = |kind: &[u8; 4], format: &[u8]| {
        let header = [&kind[..], &[0; 52]].concat();
        chunk(b"LIST", &[&b"strl"[..], &chunk(b"strh", &header), &chunk(b"strf", format)].concat())
    };
    let bitmap = [&[40, 0, 0, 0], &[0; 12][..], codec, &[0; 20]].concat();
    let streams = [stream(b"auds", &[0; 18]), stream(b"vids", &bitmap)].concat();
    let header = [&b"hdrl"[..], &chunk(b"avih", &[0; 56]), &streams].concat();
    let with_sound = |frame: &Vec<u8>| [chunk(b"00wb", &[7; 5]), chunk(b"01dc", frame)].concat();
    let (first, last) = frames.split_at(frames.len().saturating_sub(2));
    let first: Vec<u8> = first.iter().flat_map(with_sound).collect();
    let last: Vec<u8> = last.iter().flat_map(with_sound).collect();
    let movie = chunk(b"LIST", &[&b"movi"[..], &first, &chunk(b"01dc", &[])].concat());
    let more = chunk(b"LIST", &[&b"movi"[..], &chunk(b"LIST", &[&b"rec "[..], &last].concat())].concat());
    [
        chunk(
            b"RIFF",
            &[&b"AVI "[..], &chunk(b"LIST", &header), &chunk(b"JUNK", &[1; 33]), &movie, &chunk(b"idx1", &[0; 16])]
                .concat(),
        ),
        chunk(b"RIFF", &[&b"AVIX"[..], &more].concat()),
    ]
    .concat()
}
