//! MP4 with H.264: order, colours, and what is refused.

use crate::ran::{assert_near, builder, colours, video};

/// The colours of `colours.mp4`, two frames each.
const COLOURS: [[u8; 3]; 8] =
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255; 3], [0; 3], [255, 255, 0], [128; 3], [0, 255, 255]];

#[test]
fn the_frames_of_a_video_come_in_the_order_in_which_they_are_shown() {
    // It has B frames, which are stored in another order, and sound.
    let ran = colours(&builder(), &[&video("colours.mp4")]);
    assert_eq!((ran.status, ran.said.as_str()), (Some(0), ""));
    let expected: Vec<[u8; 3]> = COLOURS.iter().flat_map(|colour| [*colour; 2]).collect();
    assert_near(&ran.colours(1..=16), &expected);
}

#[test]
fn a_stride_and_a_most_are_kept_and_frames_keep_their_numbers() {
    let ran = colours(&builder(), &["--stride", "4", &video("colours.mp4")]);
    assert_eq!(ran.status, Some(0));
    assert_near(&ran.colours([1, 5, 9, 13]), &[COLOURS[0], COLOURS[2], COLOURS[4], COLOURS[6]]);
    let ran = colours(&builder(), &["--stride", "4", "--max-frames", "2", &video("colours.mp4")]);
    assert_near(&ran.colours([1, 5]), &[COLOURS[0], COLOURS[2]]);
    // Every video begins anew.
    let ran = colours(&builder(), &["--stride", "10", &video("colours.mp4"), &video("fragments-full-range.mp4")]);
    assert_near(&ran.colours([1, 11, 17]), &[COLOURS[0], COLOURS[5], [255, 128, 0]]);
}

#[test]
fn colours_are_those_that_the_video_says() {
    // Orange in BT.709 with the full range, in fragments; taken for the usual colours it would be off by tens.
    let ran = colours(&builder(), &[&video("fragments-full-range.mp4")]);
    assert_eq!((ran.status, ran.said.as_str()), (Some(0), ""));
    assert_near(&ran.colours(1..=3), &[[255, 128, 0]; 3]);
}

#[test]
fn what_cannot_be_decoded_is_named() {
    let mut old = std::fs::read(video("colours.mp4")).unwrap();
    old[4..8].copy_from_slice(b"free");
    let fragments = std::fs::read(video("fragments-full-range.mp4")).unwrap();
    let at = |name: &[u8; 4]| fragments.windows(4).position(|found| found == name).unwrap();
    // One fragment of as many frames as there can be, none of which has a byte.
    let mut endless = fragments.clone();
    endless[at(b"trun") + 4..][..4].fill(0);
    endless[at(b"trun") + 8..][..4].fill(0xFF);
    endless[at(b"tfhd") + 16..][..4].fill(0);
    let builder = builder()
        .file("old.mov", &old)
        .file("headers.mp4", &fragments[..at(b"moof") - 4])
        .file("endless.mp4", &endless)
        .file("cut.mp4", &std::fs::read(video("colours.mp4")).unwrap()[..700])
        .file("other.avi", crate::make::avi(b"H264", &[b"x".to_vec(), b"y".to_vec()]));
    for (name, words) in [
        (video("interlaced.mp4"), "is H.264 that is not decoded here: it is interlaced; convert it: ffmpeg "),
        (video("ten-bit.mp4"), "is H.264 that is not decoded here: it has 10 bits a colour, and 8 are wanted"),
        (video("hevc.mp4"), "holds video that is not H.264; convert it: ffmpeg "),
        (video("mpeg4-part2.mp4"), "holds video that is not H.264"),
        (video("sound.mp4"), "has no video that can be read; H.264 is: ffmpeg "),
        ("old.mov".to_owned(), "is a QuickTime file of the old form; rewrap it: ffmpeg -i IN.mov -c copy OUT.mp4"),
        ("headers.mp4".to_owned(), "holds no frame; it was cut off, or is not complete"),
        ("endless.mp4".to_owned(), "is damaged: over 100000 empty frames follow each other"),
        ("cut.mp4".to_owned(), "it is damaged, or holds no H.264"),
        ("other.avi".to_owned(), "is an AVI whose video is H264, and only MJPG is read; convert it: ffmpeg "),
    ] {
        let ran = colours(&builder, &[&name]);
        assert_eq!((ran.status, ran.lines.len()), (Some(1), 0), "{ran:?}");
        let first = ran.said()[0];
        assert!(first.starts_with(&format!("forgesyted: {name} ")) && first.contains(words), "{name}: {}", ran.said);
    }
}

#[test]
fn a_frame_of_more_bytes_than_the_configuration_allows_is_passed_over() {
    // 524 bytes: the first frame has more, the others fewer.
    let builder = builder().setting("stream.max_frame_size_mb", "0.0005");
    let ran = colours(&builder, &[&video("fragments-full-range.mp4")]);
    assert_eq!(ran.status, Some(1));
    let words = "fragments-full-range.mp4, frame 1: the frame has more than 524 bytes; raise stream.max_frame_size_mb";
    assert!(ran.said()[0].ends_with(words), "{}", ran.said);
}

#[test]
fn a_damaged_video_gives_what_it_has_and_says_so() {
    let whole = std::fs::read(video("colours.mp4")).unwrap();
    let media = whole.windows(4).position(|name| name == b"mdat").unwrap();
    // Bytes of the pictures, with the lengths around them as they were.
    let mut spoiled = whole.clone();
    for byte in spoiled[media + 2600..].iter_mut().step_by(7) {
        *byte = !*byte;
    }
    let builder = builder().file("spoiled.mp4", &spoiled);
    let ran = colours(&builder, &[&"spoiled.mp4", &video("colours.mp4").as_str()].map(|word| *word));
    assert_eq!(ran.status, Some(1));
    assert!(ran.said.contains("spoiled.mp4") && ran.said.contains("damaged"), "{}", ran.said);
    assert!(ran.lines.len() >= 16, "the whole one behind it runs: {ran:?}");
}
