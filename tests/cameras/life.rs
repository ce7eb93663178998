//! A camera with no client at all: state, session, list and series.

use forgesyted_tests::{Daemon, frames, wait};

use super::BRIGHTNESS;

#[test]
fn a_camera_streams_with_no_client() {
    let clip = [frames::white(), frames::black()];
    let daemon = Daemon::builder().measure("light", BRIGHTNESS).replay("yard", &clip, "pipeline = \"light\"").start();
    let up = daemon.events().wait_for("camera_up");
    assert_eq!((up["camera"].as_str(), up["format"].as_str()), (Some("yard"), Some("MJPG")));
    let connected = daemon.events().wait_for("stream_connect");
    assert_eq!((connected["camera"].as_str(), connected["pipeline_id"].as_str()), (Some("yard"), Some("light")));
    let session = wait::until_some("the camera's session", || daemon.sessions().pop());
    assert_eq!((session["source"].as_str(), session["camera"].as_str()), (Some("camera"), Some("yard")));
    assert_eq!(session["session_id"], connected["session_id"]);
    wait::until("frames that ran", || daemon.sessions()[0]["last_processed_ts"].is_u64());
    let camera = wait::until_some("a measured rate", || {
        Some(daemon.camera("yard")).filter(|camera| camera["fps"].as_f64().unwrap() > 25.0)
    });
    assert!(["up", "slowed"].contains(&camera["state"].as_str().unwrap()), "{camera}");
    assert_eq!(camera["session_id"], connected["session_id"]);
    assert_eq!((&camera["agreed"]["width"], &camera["agreed"]["height"]), (&32.into(), &32.into()));
    assert_eq!(camera["agreed"]["driver"], "replay");
    assert!(camera["frames"].as_u64().unwrap() > 0 && camera["last_frame_ts"].as_u64().unwrap() > 1_600_000_000_000);
    assert!(camera["last_error"].is_null() && camera["pipeline_error"].is_null(), "{camera}");
}

#[test]
fn the_books_of_a_camera_balance() {
    let daemon = Daemon::builder().replay("yard", &[frames::white()], "pipeline = \"noop\"").start();
    let series = |what: &str| format!("stream_frames_{what}_total{{pipeline=\"noop\",source=\"camera\"}}");
    wait::until("fifty frames that ran", || daemon.metrics().value(&series("processed")) >= 50.0);
    let metrics = daemon.metrics();
    assert_eq!(metrics.value("camera_up{camera=\"yard\"}"), 1.0);
    let captured = metrics.value("camera_frames_total{camera=\"yard\"}");
    let skipped = metrics.value("camera_skipped_frames_total{camera=\"yard\"}");
    let received = metrics.value(&series("received"));
    // One scrape reads them one after the other, while frames come: a frame may be between two counters.
    assert!((captured - skipped - received).abs() <= 2.0, "{captured} = {skipped} + {received}");
    let outcomes: f64 = ["processed", "dropped", "discarded"].iter().map(|what| metrics.value(&series(what))).sum();
    assert!((0.0..=6.0).contains(&(received - outcomes)), "{received} = {outcomes} + a few that wait");
    for counter in ["camera_lost_frames_total", "camera_bad_frames_total"] {
        assert_eq!(metrics.value(&format!("{counter}{{camera=\"yard\"}}")), 0.0);
    }
    assert_eq!(metrics.value("stream_sessions_active{pipeline=\"noop\",source=\"camera\"}"), 1.0);
    for reason in ["no_such_device", "disconnected", "usb_bandwidth", "io_error"] {
        assert_eq!(metrics.value(&format!("camera_reconnects_total{{camera=\"yard\",reason=\"{reason}\"}}")), 0.0);
    }
}

#[test]
fn a_camera_without_a_pipeline_gives_pictures_only() {
    let daemon = Daemon::builder().replay("yard", &[frames::white()], "").start();
    daemon.wait_camera("yard", "up");
    assert!(daemon.sessions().is_empty());
    assert_eq!(daemon.get("/v1/cameras/yard/snapshot.jpg").bytes, frames::white());
    assert_eq!(daemon.get("/v1/cameras/yard/snapshot.jpg?overlay=1").status, 409);
    let (_, detail) = daemon.watch("camera=yard").ends_in("not_found", 1008);
    assert!(detail.contains("no pipeline"), "{detail}");
}

#[test]
fn a_camera_that_is_not_always_on_is_open_only_while_somebody_watches() {
    let daemon = Daemon::builder().replay("yard", &[frames::white()], "pipeline = \"noop\"\nalways_on = false").start();
    // It was never opened, so it agreed to nothing yet.
    let never_opened = daemon.wait_camera("yard", "idle");
    assert!(never_opened["agreed"].is_null());
    assert!(daemon.sessions().is_empty());
    assert_eq!(daemon.metrics().value("camera_up{camera=\"yard\"}"), 1.0);
    let mut watcher = daemon.watch("camera=yard");
    assert_eq!(watcher.recv()["camera"], "yard");
    assert_eq!(daemon.sessions().len(), 1);
    drop(watcher);
    let idle = daemon.wait_camera("yard", "idle");
    assert_eq!(idle["fps"], 0.0);
    daemon.wait_sessions(0);
    assert_eq!(daemon.metrics().value("camera_up{camera=\"yard\"}"), 1.0, "nothing is wrong with it");
    assert_eq!(daemon.get("/v1/cameras/yard/snapshot.jpg").status, 200, "a look opens it again");
}

#[test]
fn a_look_opens_a_camera_that_was_down_when_it_was_last_wanted() {
    let daemon = Daemon::builder().camera("yard", "replay:yard", "always_on = false").start();
    let snapshot = || daemon.get("/v1/cameras/yard/snapshot.jpg");
    let refused = snapshot();
    assert!(refused.status == 503 && refused.body.contains("no_such_device"), "{}", refused.body);
    daemon.wait_camera("yard", "idle");
    std::fs::create_dir(daemon.file("yard")).unwrap();
    std::fs::write(daemon.file("yard/0.jpg"), frames::white()).unwrap();
    assert_eq!(snapshot().bytes, frames::white(), "the first look after it is back");
}

#[test]
fn a_stop_ends_cameras_and_their_sessions() {
    let daemon = Daemon::builder().replay("yard", &[frames::white()], "pipeline = \"noop\"").start();
    daemon.events().wait_for("stream_connect");
    assert_eq!(daemon.stop(), 0);
    let ended = daemon.events().of_kind("stream_disconnect");
    assert_eq!((ended.len(), ended[0]["camera"].as_str()), (1, Some("yard")));
    assert!(daemon.events().of_kind("stream_error").is_empty() && daemon.events().of_kind("camera_down").is_empty());
}

#[test]
fn check_refuses_a_camera_on_a_pipeline_that_is_not_there() {
    let builder = Daemon::builder().replay("yard", &[frames::white()], "pipeline = \"nosuch\"");
    let output = builder.run("check");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("error    camera \"yard\"") && text.contains("nosuch"), "{text}");
}
