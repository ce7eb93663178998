//! Pictures, folders of them, and the formats that are JPEGs in a row.

use forgesyted_tests::frames::solid;
use png::{BitDepth, ColorType};

use crate::make;
use crate::ran::{assert_near, builder, colours};

const RED: [u8; 3] = [254, 0, 0];
const GREEN: [u8; 3] = [0, 255, 1];
const BLUE: [u8; 3] = [0, 0, 254];

#[test]
fn a_folder_is_run_by_name_and_every_kind_of_png_is_read() {
    let size = (8, 4);
    let repeated = |pixel: &[u8]| pixel.repeat(32);
    let builder = builder()
        .file("in/a.jpg", solid(16, 8, RED))
        .file("in/b.PNG", make::png(&repeated(&[10, 20, 30]), size, ColorType::Rgb, BitDepth::Eight))
        .file("in/c.png", make::png(&repeated(&[200, 100, 50, 0]), size, ColorType::Rgba, BitDepth::Eight))
        .file("in/d.png", make::png(&repeated(&[99]), size, ColorType::Grayscale, BitDepth::Eight))
        .file("in/e.png", make::png(&repeated(&[0x80, 0x01]), size, ColorType::Grayscale, BitDepth::Sixteen))
        .file("in/f.png", make::png(&repeated(&[77, 9]), size, ColorType::GrayscaleAlpha, BitDepth::Eight))
        .file("in/g.png", make::png(&[0xF0; 4], size, ColorType::Indexed, BitDepth::One))
        .file("in/h.jpeg", solid(16, 8, BLUE))
        .file("in/.hidden.jpg", solid(16, 8, RED))
        .file("in/notes.txt", "no picture")
        .file("in/deeper/z.jpg", solid(16, 8, RED));
    let ran = colours(&builder, &["in"]);
    assert_eq!((ran.status, ran.said.as_str()), (Some(0), ""));
    let half_and_half = [128, 0, 128];
    let expected = [RED, [10, 20, 30], [200, 100, 50], [99; 3], [128; 3], [77; 3], half_and_half, BLUE];
    assert_near(&ran.colours(1..=8), &expected);
    // Line by line, exactly: two keys, in this order.
    let text = String::from_utf8(builder.words("run", &["--pipeline", "noop", "in/a.jpg"]).output().unwrap().stdout);
    assert_eq!(text.unwrap(), "{\"frame_index\":1,\"result\":{}}\n");
}

#[test]
fn several_paths_are_one_row_of_frames_and_may_say_where_each_is_from() {
    let row = [solid(16, 8, RED), b"--boundary\r\n".to_vec(), solid(16, 8, GREEN)].concat();
    let builder = builder()
        .file("b.mjpeg", &row)
        .file("no extension", &row)
        .file("one.jpg", [solid(16, 8, BLUE), b"a phone's trailer".to_vec(), solid(16, 8, RED)].concat());
    let ran = colours(&builder, &["b.mjpeg", "no extension", "one.jpg"]);
    assert_eq!((ran.status, ran.said.as_str()), (Some(0), ""));
    assert_near(&ran.colours(1..=5), &[RED, GREEN, RED, GREEN, BLUE]);
    let ran = colours(&builder, &["--paths", "one.jpg", "b.mjpeg"]);
    let places: Vec<_> =
        ran.lines.iter().map(|line| (line["path"].as_str().unwrap(), line["frame"].as_u64())).collect();
    assert_eq!(places, [("one.jpg", Some(1)), ("b.mjpeg", Some(1)), ("b.mjpeg", Some(2))]);
    assert_near(&ran.colours(1..=3), &[BLUE, RED, GREEN]);
}

#[test]
fn a_damaged_frame_costs_itself_and_the_exit_status() {
    let whole = solid(64, 48, GREEN);
    let cut = forgesyted_tests::frames::damaged();
    // Without its end, too.
    let torn = cut[..cut.len() - 2].to_vec();
    let builder = builder()
        .file("clip.mjpeg", [&whole[..], &torn, &cut, &whole].concat())
        .file("clip.avi", make::avi(b"MJPG", &[whole.clone(), torn.clone(), cut.clone(), whole.clone()]))
        .file("torn.png", &make::png(&[9; 96], (8, 4), ColorType::Rgb, BitDepth::Eight)[..50])
        .file("torn.jpg", &torn)
        .file("good.jpg", &whole);
    for clip in ["clip.mjpeg", "clip.avi"] {
        let ran = colours(&builder, &[clip]);
        assert_eq!(ran.status, Some(1));
        assert_near(&ran.colours([1, 4]), &[GREEN, GREEN]);
        let said = ran.said();
        assert!(said[0].starts_with(&format!("forgesyted: {clip}, frame 2: ")), "{said:?}");
        assert!(said[1].starts_with(&format!("forgesyted: {clip}, frame 3: ")), "{said:?}");
        assert_eq!(said[2..], ["forgesyted: 2 frames have a result; 2 files or frames have none, as said above"]);
    }
    let ran = colours(&builder, &["torn.png", "torn.jpg", "good.jpg"]);
    assert_eq!(ran.status, Some(1));
    assert_near(&ran.colours([3]), &[GREEN]);
    assert!(ran.said.contains("torn.png, frame 1: the PNG is damaged"), "{}", ran.said);
    assert!(ran.said.contains("torn.jpg, frame 1: the JPEG is damaged or cut off"), "{}", ran.said);
}

#[test]
fn many_damaged_frames_are_told_in_few_lines() {
    let torn = [0xFF, 0xD8, 0xFF, 0xC0, 0, 3, 8];
    let builder = builder().file("clip.mjpeg", [&torn.repeat(100)[..], &solid(16, 8, RED)].concat());
    let ran = colours(&builder, &["clip.mjpeg"]);
    assert_eq!(ran.status, Some(1));
    assert_near(&ran.colours([101]), &[RED]);
    assert_eq!(ran.said().len(), 7, "{}", ran.said);
    assert_eq!(ran.said()[5], "forgesyted: clip.mjpeg: 95 more such frames");
}

#[test]
fn an_avi_plays_to_its_end_however_it_ends() {
    let frames = [RED, GREEN, BLUE, RED].map(|colour| solid(16, 8, colour));
    let whole = make::avi(b"mjpg", &frames);
    let mut cut = whole.clone();
    cut.truncate(whole.len() - 20);
    // A recorder that lost power has written no sizes of lists, and no index.
    let movie = whole.windows(4).position(|name| name == b"movi").unwrap();
    let mut unfinished = whole.clone();
    unfinished[4..8].fill(0);
    unfinished[movie - 4..movie].fill(0);
    let builder = builder().file("whole.avi", &whole).file("cut.avi", &cut).file("unfinished.avi", &unfinished);
    for name in ["whole.avi", "unfinished.avi"] {
        let ran = colours(&builder, &[name]);
        assert_eq!((ran.status, ran.said.as_str()), (Some(0), ""), "{name}");
        assert_near(&ran.colours(1..=4), &[RED, GREEN, BLUE, RED]);
    }
    let ran = colours(&builder, &["cut.avi"]);
    assert_eq!(ran.status, Some(1));
    assert_near(&ran.colours(1..=3), &[RED, GREEN, BLUE]);
    assert!(ran.said.contains("cut.avi, frame 4: the file ends within it"), "{}", ran.said);
    // Cut off in front of the first frame, behind its headers.
    let builder = builder.file("headers.avi", &whole[..movie + 4]);
    let ran = colours(&builder, &["headers.avi"]);
    assert_eq!((ran.status, ran.lines.len()), (Some(1), 0));
    assert!(ran.said.contains("headers.avi holds no frame; it was cut off, or is not complete"), "{}", ran.said);
}

#[test]
fn the_limits_of_the_configuration_hold() {
    let builder = builder()
        .setting("stream.max_frame_pixels", 1000)
        .setting("stream.max_frame_size_mb", "0.5")
        .file("large.jpg", solid(64, 48, RED))
        .file("large.png", make::png(&[9; 64 * 48], (64, 48), ColorType::Grayscale, BitDepth::Eight))
        .file("heavy.jpg", [solid(16, 8, RED), vec![0; 600_000]].concat())
        .file(
            "heavy.png",
            [make::png(&[9; 64], (8, 8), ColorType::Grayscale, BitDepth::Eight), vec![0; 600_000]].concat(),
        )
        .file("small.jpg", solid(16, 8, RED));
    let ran = colours(&builder, &["large.jpg", "large.png", "heavy.jpg", "heavy.png", "small.jpg"]);
    assert_eq!(ran.status, Some(1));
    assert_near(&ran.colours([5]), &[RED]);
    for sentence in [
        "large.jpg, frame 1: The frame announces 64x48 pixels, and at most 1000 pixels are accepted",
        "large.png, frame 1: it has 64x48 pixels, and at most 1000 are taken; raise stream.max_frame_pixels",
        "heavy.jpg, frame 1: the frame has more than 524288 bytes; raise stream.max_frame_size_mb",
        "heavy.png, frame 1: the frame has more than 524288 bytes; raise stream.max_frame_size_mb",
    ] {
        assert!(ran.said.contains(sentence), "{sentence}\n{}", ran.said);
    }
}
