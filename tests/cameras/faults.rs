//! What goes wrong with a camera stays with that camera, is told in words, and heals by itself.

use std::fs;

use forgesyted_tests::{Daemon, frames, wait};

use super::NO_DARKNESS;

#[test]
fn a_camera_that_is_not_there_is_down_and_comes_up_when_it_is() {
    let daemon = Daemon::builder()
        .replay("there", &[frames::white()], "pipeline = \"noop\"")
        .camera("late", "replay:late", "pipeline = \"noop\"")
        .start();
    let down = daemon.events().wait_for("camera_down");
    assert_eq!((down["camera"].as_str(), down["reason"].as_str()), (Some("late"), Some("no_such_device")), "{down}");
    let camera = daemon.wait_camera("late", "down");
    assert_eq!(camera["last_error"]["reason"], "no_such_device");
    let answer = daemon.get("/v1/cameras/late/snapshot.jpg");
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("the camera is down: "), "{}", answer.body);
    assert_eq!(daemon.metrics().value("camera_up{camera=\"late\"}"), 0.0);
    fs::create_dir(daemon.file("late")).unwrap();
    fs::write(daemon.file("late/0.jpg"), frames::black()).unwrap();
    let camera = daemon.wait_camera("late", "up");
    assert!(camera["last_error"].is_null());
    assert_eq!(daemon.get("/v1/cameras/late/snapshot.jpg").bytes, frames::black());
    let metrics = daemon.metrics();
    assert_eq!(metrics.value("camera_up{camera=\"late\"}"), 1.0);
    let outages = "camera_reconnects_total{camera=\"late\",reason=\"no_such_device\"}";
    assert_eq!(metrics.value(outages), 1.0, "one outage, however often it was tried");
    assert_eq!(daemon.events().of_kind("camera_down").len(), 1, "and one line");
    let other = daemon.events().of_kind("stream_disconnect");
    assert!(other.is_empty(), "the other camera's session felt nothing: {other:?}");
}

#[test]
fn a_camera_that_goes_away_is_noticed() {
    let daemon = Daemon::builder()
        .replay("stays", &[frames::white()], "pipeline = \"noop\"")
        .replay("goes", &[frames::white()], "pipeline = \"noop\"")
        .start();
    daemon.wait_camera("goes", "up");
    let of_the_other = daemon.wait_camera("stays", "up")["session_id"].clone();
    let mut watcher = daemon.watch("camera=goes");
    watcher.recv();
    fs::rename(daemon.file("goes"), daemon.file("gone")).unwrap();
    daemon.wait_camera("goes", "down");
    assert!(daemon.camera("goes")["session_id"].is_null());
    fs::rename(daemon.file("gone"), daemon.file("goes")).unwrap();
    daemon.wait_camera("goes", "up");
    // The watcher is still there, and sees the new session's frames count from 1 again.
    let mut last = u64::MAX;
    wait::until("a new session's frames", || {
        let index = watcher.recv()["frame_index"].as_u64().unwrap();
        std::mem::replace(&mut last, index) > index && last < 1000 && daemon.sessions().len() == 2
    });
    assert_eq!(daemon.camera("stays")["session_id"], of_the_other);
}

#[test]
fn a_damaged_frame_costs_itself() {
    let cut = {
        let whole = frames::synthetic(160, 120);
        whole[..whole.len() / 2].to_vec()
    };
    // One is no whole JPEG, which the capture sees; the other's picture data is damaged, which only the decoder sees.
    let clip = [frames::white(), cut, frames::damaged(), frames::white()];
    let daemon =
        Daemon::builder().measure("light", super::BRIGHTNESS).replay("yard", &clip, "pipeline = \"light\"").start();
    let bad = || daemon.metrics().value("camera_bad_frames_total{camera=\"yard\"}");
    wait::until("bad frames", || bad() >= 6.0);
    // Both kinds are bad frames; the second has been received by the session, and is among its discarded ones.
    let metrics = daemon.metrics();
    let of_camera = |what: &str| metrics.value(&format!("camera_{what}frames_total{{camera=\"yard\"}}"));
    let outcomes = ["processed", "dropped"]
        .map(|what| format!("stream_frames_{what}_total{{pipeline=\"light\",source=\"camera\"}}"));
    let known =
        of_camera("bad_") + of_camera("skipped_") + outcomes.map(|series| metrics.value(&series)).iter().sum::<f64>();
    assert!((-2.0..=6.0).contains(&(of_camera("") - known)), "{metrics:?}");
    assert_eq!(daemon.events().of_kind("stream_connect").len(), 1, "one session through all of them");
    assert!(daemon.events().of_kind("stream_disconnect").is_empty());
    assert_eq!(daemon.metrics().errors("invalid_frame"), 0);
    assert_eq!(daemon.watch("camera=yard").recv()["camera"], "yard");
}

#[test]
fn a_camera_that_gives_nothing_but_refused_frames_is_down_and_says_why() {
    for (setting, value, word) in [("max_frame_pixels", "1023", "pixels"), ("max_frame_size_mb", "0.0001", "bytes")] {
        let daemon = Daemon::builder()
            .setting(&format!("stream.{setting}"), value)
            .replay("yard", &[frames::white()], "pipeline = \"noop\"")
            .start();
        let down = daemon.events().wait_for("camera_down");
        assert_eq!(down["reason"], "bad_format", "{down}");
        assert!(down["err"].as_str().unwrap().contains(word), "{down}");
        assert!(daemon.events().of_kind("camera_up").is_empty());
        assert!(daemon.camera("yard")["session_id"].is_null());
    }
}

#[test]
fn a_camera_of_which_no_frame_can_be_decoded_says_so() {
    let daemon = Daemon::builder()
        .measure("light", super::BRIGHTNESS)
        .replay("yard", &[frames::damaged()], "pipeline = \"light\"")
        .start();
    let error = daemon.events().wait_for("stream_error");
    assert_eq!((error["camera"].as_str(), error["code"].as_str()), (Some("yard"), Some("invalid_frame")));
    let camera = daemon.camera("yard");
    assert!(camera["pipeline_error"].as_str().unwrap().contains("decoded"), "{camera}");
    assert!(camera["bad_frames"].as_u64().unwrap() >= 30, "{camera}");
    assert_eq!(camera["state"], "up");
}

#[test]
fn a_pipeline_that_fails_ends_the_session_and_not_the_camera() {
    let daemon = Daemon::builder()
        .measure("picky", NO_DARKNESS)
        .replay("yard", &[frames::white(), frames::white(), frames::black()], "pipeline = \"picky\"")
        .start();
    let failed = daemon.events().wait_for("pipeline_failure");
    assert_eq!(failed["pipeline_id"], "picky");
    let error = daemon.events().wait_for("stream_error");
    assert_eq!((error["camera"].as_str(), error["code"].as_str()), (Some("yard"), Some("pipeline_failure")));
    daemon.events().wait_count("stream_connect", 2);
    assert!(daemon.events().of_kind("camera_down").is_empty());
    assert_eq!(daemon.get("/v1/cameras/yard/snapshot.jpg").status, 200);
    assert!(daemon.metrics().errors("pipeline_failure") >= 1);
}

#[test]
fn a_pipeline_that_is_missing_is_said_and_waited_for() {
    let daemon = Daemon::builder().replay("yard", &[frames::white()], "pipeline = \"later\"").start();
    let missing = daemon.events().wait_for("camera_pipeline_missing");
    assert_eq!((missing["camera"].as_str(), missing["pipeline_id"].as_str()), (Some("yard"), Some("later")));
    let camera = daemon.wait_camera("yard", "up");
    assert!(camera["pipeline_error"].as_str().unwrap().contains("later"), "{camera}");
    daemon.folder().write("pipelines/later.toml", "id = \"later\"\n[[node]]\nid = \"n\"\nkind = \"noop\"\n");
    daemon.reload("config_reloaded");
    daemon.events().wait_for("stream_connect");
    wait::until("no error any more", || daemon.camera("yard")["pipeline_error"].is_null());
    // What a reload takes away ends the session, and the camera says so again.
    std::fs::remove_file(daemon.file("pipelines/later.toml")).unwrap();
    daemon.reload("config_reloaded");
    daemon.events().wait_for("stream_disconnect");
    daemon.events().wait_count("camera_pipeline_missing", 2);
}
