//! Validation before cost: what is refused, with which error, and that it cost nothing.

use base::frame::validator::{FrameError, FrameLimits, FrameSize, validate};
use base::protocol::{ErrorCode, StreamError};
use forgesyted_tests::raw::{Raw, announce};
use forgesyted_tests::{Daemon, frames, modules};

const LIMITS: FrameLimits = FrameLimits { max_bytes: 1 << 20, max_pixels: 1 << 20 };

#[test]
fn real_jpegs_pass_with_their_size() {
    for (width, height) in [(1, 1), (640, 480), (17, 333), (1024, 1024)] {
        let jpeg = frames::synthetic(width.into(), height.into());
        assert_eq!(validate(&jpeg, LIMITS), Ok(FrameSize { width, height }));
    }
    // A limit is the largest that passes.
    let jpeg = frames::synthetic(640, 480);
    let exact = FrameLimits { max_bytes: jpeg.len(), max_pixels: 640 * 480 };
    assert!(validate(&jpeg, exact).is_ok());
    let smaller = FrameLimits { max_bytes: jpeg.len() - 1, ..exact };
    assert!(matches!(validate(&jpeg, smaller), Err(FrameError::TooLarge { .. })));
    let fewer = FrameLimits { max_pixels: 640 * 480 - 1, ..exact };
    assert!(matches!(validate(&jpeg, fewer), Err(FrameError::TooManyPixels { width: 640, height: 480, .. })));
}

#[test]
fn every_cut_of_a_real_jpeg_is_refused() {
    let jpeg = frames::camera();
    for length in 0..jpeg.len() {
        // A cut may by chance fall behind two bytes of picture data; FF D9 is no such pair.
        assert!(validate(&jpeg[..length], LIMITS).is_err(), "{length} of {} bytes", jpeg.len());
    }
}

#[test]
fn a_refusal_is_an_error_of_the_contract() {
    for (frame, code) in [
        (Vec::new(), ErrorCode::InvalidFrame),
        (vec![0; (1 << 20) + 1], ErrorCode::FrameTooLarge),
        (b"\x89PNG\r\n".to_vec(), ErrorCode::InvalidFrame),
        (frames::announcing(60_000, 60_000), ErrorCode::InvalidFrame),
    ] {
        let error = StreamError::from(validate(&frame, LIMITS).unwrap_err());
        assert_eq!(error.code, code);
        assert!(error.detail.ends_with('.'), "{}", error.detail);
    }
}

/// Sends a good frame and then a bad one, which ends the session; the detail.
fn refused(daemon: &Daemon, pipeline: &str, frame: &[u8], code: &str, close_code: u16) -> String {
    let mut client = daemon.client(pipeline);
    client.ask(&frames::camera());
    client.send(frame);
    let (before, detail) = client.ends_in(code, close_code);
    assert!(before.is_empty(), "the bad frame itself gets no reply: {before:?}");
    drop(client);
    daemon.wait_sessions(0);
    detail
}

#[test]
fn a_bad_frame_ends_its_session_with_its_error() {
    let daemon = Daemon::builder().measure("mean", &modules::module("Tensor", "return torch.mean(x)")).start();
    let mut bystander = daemon.client("mean");
    bystander.ask(&frames::camera());
    bystander.close(1000);
    let good = frames::camera();
    let no_end = &good[..good.len() - 2];
    let garbage = [&[0xFF, 0xD8][..], &[0x55; 500], &[0xFF, 0xD9]].concat();
    for (frame, part) in [
        (&b""[..], "empty"),
        (&good[2..], "FF D8"),
        (no_end, "FF D9"),
        (&garbage, "header"),
        (&frames::announcing(60_000, 60_000), "60000x60000"),
        (&frames::damaged(), "decoded"),
        // More lines than there is data for.
        (&frames::announcing(32, 4000), "decoded"),
    ] {
        let detail = refused(&daemon, "mean", frame, "invalid_frame", 1007);
        assert!(detail.contains(part), "{part}: {detail}");
    }
    assert_eq!(daemon.metrics().errors("invalid_frame"), 7);
    // Without a decoder nobody looks at the picture.
    assert_eq!(daemon.client("noop").ask(&frames::damaged()), serde_json::json!({}));
}

#[test]
fn too_many_pixels_never_reach_the_decoder() {
    let daemon = Daemon::builder()
        .setting("stream.max_frame_pixels", 96 * 64)
        .measure("mean", &modules::module("Tensor", "return torch.mean(x)"))
        .start();
    refused(&daemon, "mean", &frames::synthetic(97, 64), "invalid_frame", 1007);
    refused(&daemon, "mean", &frames::announcing(65_535, 65_535), "invalid_frame", 1007);
    let metrics = daemon.metrics();
    for stage in ["wait", "decode", "mean", "total"] {
        assert_eq!(metrics.stage_count("mean", stage), 2, "{stage}: only the two good frames");
    }
    assert_eq!((metrics.frames("received", "mean"), metrics.frames("discarded", "mean")), (4, 2));
}

#[test]
fn an_announced_payload_over_the_limit_is_refused_before_it_comes() {
    let daemon = Daemon::builder().env("STREAM_MAX_FRAME_SIZE_MB", "0.5").start();
    daemon.client("noop").ask(&frames::camera());
    let before = daemon.resident_bytes();
    let over = (1 << 19) + 1;
    for length in [over, 100 << 20, 1 << 40, u64::MAX >> 1] {
        let mut raw = Raw::upgrade(daemon.address(), "pipeline_id=noop");
        raw.send_frame(0x82, &frames::camera());
        assert_eq!(raw.next_frame().unwrap().payload, br#"{"frame_index":1,"result":{}}"#);
        raw.send(&announce(0x82, length, true));
        raw.send(&[0; 20]);
        let error = raw.next_frame().unwrap();
        let text = String::from_utf8(error.payload).unwrap();
        assert!(error.opcode == 1 && text.starts_with(r#"{"error":"frame_too_large","detail":""#), "{length}: {text}");
        assert_eq!(raw.next_frame().unwrap().close_code(), 1009);
        assert!(raw.next_frame().is_none());
    }
    assert_eq!(daemon.metrics().errors("frame_too_large"), 4);
    let grown = daemon.resident_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "100 MB was announced, and memory grew by {grown} bytes");
}

#[test]
fn fragments_add_up_to_the_limit() {
    let daemon = Daemon::builder().env("STREAM_MAX_FRAME_SIZE_MB", "0.01").start();
    let mut raw = Raw::upgrade(daemon.address(), "pipeline_id=noop");
    raw.send_frame(0x02, &[0xFF, 0xD8]);
    let mut sent = 2;
    while sent <= 10_485 {
        raw.send_frame(0x00, &[0; 1000]);
        sent += 1000;
    }
    let error = raw.next_frame().unwrap();
    assert!(error.payload.starts_with(br#"{"error":"frame_too_large""#), "{error:?}");
    assert_eq!(raw.next_frame().unwrap().close_code(), 1009);
    // One byte below the limit is a frame like any other.
    let jpeg = frames::camera();
    let mut padded = jpeg[..jpeg.len() - 2].to_vec();
    padded.resize(10_485 - 2, 0);
    padded.extend([0xFF, 0xD9]);
    daemon.client("noop").ask(&padded);
}

#[test]
fn a_header_that_libjpeg_refuses_costs_its_session_and_nobody_elses_frames() {
    let daemon = Daemon::builder().measure("mean", &modules::module("Tensor", "return torch.mean(x)")).start();
    let expected = daemon.client("mean").ask(&frames::camera());
    let header = &frames::camera()[..2];
    let frame_header = [0xFF, 0xC0, 0, 17, 8, 0, 8, 0, 8, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];
    for (what, segment) in [
        ("a reserved marker", &[0xFF, 0x02, 0, 2][..]),
        ("two frame headers", &frame_header),
        ("a Huffman table of no class", &[0xFF, 0xC4, 0, 4, 0x77, 0x77]),
        ("SOF15", &[0xFF, 0xCF, 0, 2]),
    ] {
        // As many as reach every worker.
        for _ in 0..4 {
            let hostile = [header, &frame_header, segment, &[0xFF, 0xD9]].concat();
            let mut client = daemon.client("mean");
            client.send(&hostile);
            client.ends_in("invalid_frame", 1007);
        }
        let mut sound: Vec<_> = (0..4).map(|_| daemon.client("mean")).collect();
        sound.iter_mut().for_each(|client| client.send(&frames::camera()));
        for client in &mut sound {
            assert_eq!(client.recv()["result"], expected, "after {what}");
        }
    }
}

#[test]
fn tables_of_another_clients_frame_are_not_used() {
    let daemon = Daemon::builder().measure("mean", &modules::module("Tensor", "return torch.mean(x)")).start();
    let mut bystander = daemon.client("mean");
    let jpeg = frames::camera();
    let table = jpeg.windows(2).position(|bytes| bytes == [0xFF, 0xDB]).unwrap();
    let length = usize::from(u16::from_be_bytes([jpeg[table + 2], jpeg[table + 3]]));
    let without = [&jpeg[..table], &jpeg[table + 2 + length..]].concat();
    for _ in 0..4 {
        bystander.ask(&jpeg);
        let mut client = daemon.client("mean");
        client.send(&without);
        client.ends_in("invalid_frame", 1007);
    }
}

#[test]
fn odd_pictures_and_bytes_behind_the_end_give_the_pictures_result() {
    let daemon = Daemon::builder().measure("mean", &modules::module("Tensor", "return torch.mean(x)")).start();
    let mut client = daemon.client("mean");
    let jpeg = frames::camera();
    let expected = client.ask(&jpeg);
    let scan = jpeg.windows(2).position(|bytes| bytes == [0xFF, 0xDA]).unwrap();
    let parameters = scan + 2 + usize::from(u16::from_be_bytes([jpeg[scan + 2], jpeg[scan + 3]])) - 3;
    let with = |at: usize, byte: u8| {
        let mut odd = jpeg.clone();
        odd[at] = byte;
        odd
    };
    assert_eq!(&jpeg[6..10], b"JFIF");
    for (what, odd) in [
        ("an old revision of JFIF", with(11, 0)),
        ("no spectral selection", with(parameters + 1, 0)),
        ("approximation", with(parameters + 2, 1)),
        ("zeros behind the end", [&jpeg[..], &[0; 511]].concat()),
        ("a newline behind the end", [&jpeg[..], b"\n"].concat()),
        ("FF behind the end", [&jpeg[..], b"\xFF"].concat()),
        ("another file behind the end", [&jpeg[..], b"\0\0\0\x18ftypmp42\0\0\0\0"].concat()),
    ] {
        assert_eq!(client.ask(&odd), expected, "{what}");
    }
}
