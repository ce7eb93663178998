//! Connections on which nothing passes: the daemon pings them, which keeps them open in proxies, and drops those that do not answer.

use forgesyted_tests::builder::Builder;
use forgesyted_tests::raw::{Raw, WireFrame, announce};
use forgesyted_tests::{Daemon, frames};
use serde_json::{Value, json};

const TEXT: u8 = 1;
const PING: u8 = 9;
const PONG: u8 = 0x8A;
const BINARY: u8 = 0x82;
/// More frames than a session takes in while none of its replies can be sent.
const MANY: usize = 4110;
const STREAM: &str = "/ws/video/stream?pipeline_id=noop";
const WATCH: &str = "/ws/watch?camera=yard";

/// Pings often; the camera `yard` is down, so there is nothing to tell whoever watches it.
fn pinging() -> Builder {
    Daemon::builder().setting("server.ping_interval_s", 1).camera("yard", "replay:nothing", "pipeline = \"noop\"\n")
}

fn ping(raw: &mut Raw) -> WireFrame {
    let frame = raw.next_frame().expect("the connection stays");
    assert_eq!(frame.opcode, PING, "{frame:?}");
    frame
}

#[test]
fn an_idle_connection_is_pinged_and_stays_while_it_answers() {
    let daemon = pinging().start();
    for path in [STREAM, WATCH] {
        let mut raw = Raw::upgrade_at(daemon.address(), path);
        // Far more than an unanswered one would see.
        for _ in 0..5 {
            let frame = ping(&mut raw);
            raw.send_frame(PONG, &frame.payload);
        }
        if path == STREAM {
            raw.send_frame(BINARY, &frames::white());
            let reply = std::iter::from_fn(|| raw.next_frame()).find(|frame| frame.opcode == TEXT).unwrap();
            let reply: Value = serde_json::from_slice(&reply.payload).unwrap();
            assert_eq!(reply, json!({ "frame_index": 1, "result": {} }));
        }
    }
}

#[test]
fn one_that_does_not_answer_is_dropped() {
    let daemon = pinging().start();
    for path in [STREAM, WATCH] {
        let mut raw = Raw::upgrade_at(daemon.address(), path);
        let seen: Vec<WireFrame> = std::iter::from_fn(|| raw.next_frame()).collect();
        assert!(!seen.is_empty() && seen.iter().all(|frame| frame.opcode == PING), "{path}: {seen:?}");
    }
    let end = daemon.events().wait_for("stream_disconnect");
    assert_eq!(end["close_code"], 1006, "{end}");
    assert!(end["reason"].as_str().unwrap().contains("server.ping_interval_s"), "{end}");
    daemon.wait_sessions(0);
}

#[test]
fn a_frame_is_an_answer() {
    let daemon = pinging().start();
    let mut raw = Raw::upgrade_at(daemon.address(), STREAM);
    for index in 1..=5 {
        ping(&mut raw);
        raw.send_frame(BINARY, &frames::white());
        let reply = std::iter::from_fn(|| raw.next_frame()).find(|frame| frame.opcode == TEXT).unwrap();
        assert!(reply.payload.starts_with(format!(r#"{{"frame_index":{index},"#).as_bytes()), "{reply:?}");
    }
}

#[test]
fn a_frame_that_comes_slowly_is_an_answer() {
    let daemon = pinging().start();
    let mut raw = Raw::upgrade_at(daemon.address(), STREAM);
    let jpeg = frames::white();
    let frame = [announce(BINARY, jpeg.len() as u64, true), vec![0; 4], jpeg].concat();
    // Over more pings than a silent client sees; no pong can stand inside a frame.
    for piece in frame.chunks(frame.len().div_ceil(6)) {
        ping(&mut raw);
        raw.send(piece);
    }
    assert!(std::iter::from_fn(|| raw.next_frame()).any(|frame| frame.opcode == TEXT), "it is answered");
}

/// What it sends is not read while its replies wait for a slow pipeline, so its answers are not seen: no reason to drop it.
#[test]
fn a_client_that_is_not_read_is_not_dropped() {
    let (builder, gate) = pinging().held();
    let daemon = builder.start();
    let started = gate.started();
    gate.close();
    let mut raw = Raw::upgrade_at(daemon.address(), "/ws/video/stream?pipeline_id=held");
    raw.send_frame(BINARY, &frames::white());
    gate.wait_started(started, 1);
    for _ in 1..MANY {
        raw.send_frame(BINARY, &frames::white());
    }
    for _ in 0..4 {
        std::iter::from_fn(|| raw.next_frame()).find(|frame| frame.opcode == PING).expect("the connection stays");
    }
    gate.open();
    let mut replies = 0;
    while replies < MANY {
        let frame = raw.next_frame().expect("the connection stays");
        replies += usize::from(frame.payload.starts_with(b"{\"frame_index\""));
        if frame.opcode == PING {
            raw.send_frame(PONG, &frame.payload);
        }
    }
}
