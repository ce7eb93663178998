//! JPEGs of unusual kinds: the daemon and a run of files make the same of them.

use forgesyted_tests::client::Received;
use forgesyted_tests::frames::{solid, synthetic};
use serde_json::Value;

use crate::make;
use crate::ran::{assert_near, builder, colours};

#[test]
fn every_kind_of_jpeg_gives_the_same_here_and_in_a_stream() {
    let photo = synthetic(96, 64);
    let sideways = make::with_orientation(&synthetic(96, 64), 6);
    assert_ne!(photo, sideways);
    let jpegs = [
        ("grey", make::grey_jpeg(180, (33, 17)), Some([180; 3])),
        ("cmyk", make::cmyk_jpeg([255, 128, 0, 255], (32, 16)), Some([255, 128, 0])),
        ("progressive", make::progressive_jpeg([40, 160, 90], (48, 32)), Some([40, 160, 90])),
        ("one_pixel", solid(1, 1, [200, 10, 30]), Some([200, 10, 30])),
        ("large", solid(4000, 3000, [30, 60, 90]), Some([30, 60, 90])),
        ("photo", photo, None),
        ("sideways", sideways, None),
    ];
    let mut builder = builder();
    for (name, jpeg, _) in &jpegs {
        builder = builder.file(&format!("{name}.jpg"), jpeg);
    }
    let names: Vec<String> = jpegs.iter().map(|(name, ..)| format!("{name}.jpg")).collect();
    let ran = colours(&builder, &names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((ran.status, ran.said.as_str()), (Some(0), ""));
    let found = ran.colours(1..=7);
    for ((name, _, expected), found) in jpegs.iter().zip(&found) {
        if let Some(expected) = expected {
            println!("{name}");
            assert_near(&[*found], &[*expected]);
        }
    }

    let daemon = builder.start();
    let mut client = daemon.client("colour");
    for ((name, jpeg, _), line) in jpegs.iter().zip(&ran.lines) {
        client.send(jpeg);
        let Received::Json(message) = client.receive() else { panic!("{name}: no message") };
        let level = |value: &Value, at: usize| value["result"]["rgb"][at].as_f64().unwrap_or(f64::NAN);
        // Another number of threads adds up in another order.
        let same = (0..3).all(|at| (level(&message, at) - level(line, at)).abs() < 1e-5);
        assert!(same, "{name}: {message} in the stream, {line} here");
    }
    // That a JPEG is to be shown turned changes nothing: boxes are in the pixels as they are stored.
    assert_eq!(ran.lines[5]["result"], ran.lines[6]["result"]);
}

#[test]
fn the_orientation_of_exif_is_not_applied() {
    use base::frame::Frame;
    use engine::pipeline::image::{Decoder, ImageNeed};

    let upright = synthetic(96, 64);
    let turned = make::with_orientation(&upright, 6);
    let mut decoder = Decoder::default();
    let mut decode = |jpeg: &[u8]| {
        let frame = Frame::jpeg(bytes::Bytes::copy_from_slice(jpeg));
        let picture = decoder.decode(&frame, ImageNeed::Whole).unwrap();
        (picture.frame_size, picture.rgb.to_vec())
    };
    let (size, pixels) = decode(&turned);
    assert_eq!(size, (96, 64));
    assert!(decode(&upright).1 == pixels);
}
