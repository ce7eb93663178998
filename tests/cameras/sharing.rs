//! A camera and clients share the engine: fairly, and a camera that cannot be served is read less often.

use forgesyted_tests::client::outcomes;
use forgesyted_tests::{Daemon, frames, wait};

#[test]
fn a_camera_and_ten_clients_share_the_engine_fairly() {
    let (builder, gate) = Daemon::builder().held();
    let daemon = builder.replay("yard", &[frames::black()], "pipeline = \"held\"").start();
    let processed = || {
        let series = "stream_frames_processed_total{pipeline=\"held\",source=\"camera\"}";
        daemon.metrics().value(series) as u64
    };
    wait::until("the camera's first frames", || processed() > 0);
    gate.close();
    let mut clients: Vec<_> = (0..10).map(|_| daemon.client("held")).collect();
    for client in &mut clients {
        (0..3).for_each(|_| client.send(&frames::black()));
    }
    wait::until("everybody's frames", || {
        let sessions = daemon.sessions();
        sessions.len() == 11 && sessions.iter().all(|session| session["waiting_frames"].as_u64() > Some(0))
    });
    // One frame runs already. Two rounds of eleven: each client's two results, and about as many of the camera.
    let before = processed();
    gate.allow(22);
    for client in &mut clients {
        let results = (0..).map(|_| client.recv()).filter(|reply| reply.get("result").is_some()).take(2).count();
        assert_eq!(results, 2);
    }
    let of_camera = processed() - before;
    assert!((1..=3).contains(&of_camera), "{of_camera} of 22");
    gate.open();
}

#[test]
fn a_camera_takes_no_clients_place() {
    let daemon = Daemon::builder()
        .env("STREAM_MAX_SESSIONS", 1)
        .replay("one", &[frames::white()], "pipeline = \"noop\"")
        .replay("two", &[frames::white()], "pipeline = \"noop\"")
        .start();
    wait::until("both cameras' sessions", || daemon.sessions().len() == 2);
    let mut client = daemon.client("noop");
    client.send(&frames::white());
    assert_eq!(outcomes(&[client.recv()]), [(1, true)]);
    assert_eq!(daemon.get("/readyz").status, 503, "the only client's place is taken");
    daemon.client("noop").ends_in("too_many_sessions", 1013);
}

#[test]
fn a_camera_that_is_not_served_is_read_less_often() {
    let (builder, gate) = Daemon::builder().held();
    let daemon = builder.replay("yard", &[frames::black()], "pipeline = \"held\"").start();
    daemon.wait_camera("yard", "up");
    gate.close();
    let slowed = daemon.wait_camera("yard", "slowed");
    assert!(slowed["reading_fps"].as_f64().unwrap() < 50.0, "{slowed}");
    let told = daemon.events().wait_for("stream_slow_down");
    assert_eq!(told["session_id"], slowed["session_id"]);
    let metrics = daemon.metrics();
    assert_eq!(metrics.value("camera_up{camera=\"yard\"}"), 1.0);
    assert!(metrics.value("stream_slowdown_signals_total{pipeline=\"held\",source=\"camera\"}") >= 1.0);
    wait::until("frames that were not even offered", || {
        daemon.metrics().value("camera_skipped_frames_total{camera=\"yard\"}") > 0.0
    });
    gate.open();
    let first = daemon.camera("yard")["reading_fps"].as_f64();
    wait::until("a faster pace", || {
        let now = daemon.camera("yard");
        now["reading_fps"].is_null() || now["reading_fps"].as_f64() > first
    });
}
