//! `track`: ids stay with objects, sessions have their own.

use forgesyted_tests::modules::detector;
use forgesyted_tests::{Daemon, frames};
use serde_json::{Value, json};

use super::{find, node};

/// A person as far to the right as the frame is red, with a score as high as it is green, and a car at a fixed place in a
/// frame that is blue.
fn street() -> String {
    detector(
        "x1 = red * 400.0\n\
         if green > 0.05:\n  \
           _0 = torch.append(found, self.found_one(x1, 100.0, x1 + 60.0, 220.0, green, \"person\", 0))\n\
         if blue > 0.5:\n  \
           _1 = torch.append(found, self.found_one(300.0, 300.0, 400.0, 350.0, 0.9, \"car\", 2))",
    )
}

fn daemon(settings: &str) -> Daemon {
    Daemon::builder()
        .model("find", &street())
        .pipeline(
            "yard",
            &format!("{}{}", find(), node("follow", "track", &format!("inputs = [\"find\"]\n{settings}"))),
        )
        .start()
}

fn frame(red: u8, green: u8, blue: u8) -> Vec<u8> {
    frames::solid(64, 64, [red, green, blue])
}

/// Labels and ids of a result.
fn ids(result: &Value) -> Vec<(String, u64)> {
    let of =
        |detection: &Value| (detection["label"].as_str().unwrap().to_owned(), detection["track_id"].as_u64().unwrap());
    result["detections"].as_array().unwrap().iter().map(of).collect()
}

fn person(id: u64) -> (String, u64) {
    ("person".to_owned(), id)
}

#[test]
fn ids_stay_with_objects_and_sessions_have_their_own() {
    let daemon = daemon("");
    let (mut yard, mut gate) = (daemon.client("yard"), daemon.client("yard"));
    for step in 0..10 {
        let result = yard.ask(&frame(step * 8, 220, 0));
        assert_eq!(ids(&result), [person(1)], "step {step}");
    }
    // The car is there from now on, and followed from its second frame.
    assert_eq!(ids(&yard.ask(&frame(80, 220, 200))), [person(1)]);
    assert_eq!(ids(&yard.ask(&frame(88, 220, 200))), [person(1), ("car".to_owned(), 2)]);
    // Another session knows nothing of it, and this one nothing of the other.
    assert_eq!(ids(&gate.ask(&frame(200, 220, 0))), [person(1)]);
    assert_eq!(ids(&yard.ask(&frame(96, 220, 200))), [person(1), ("car".to_owned(), 2)]);
}

#[test]
fn a_low_score_goes_on_and_a_lost_object_comes_back_for_as_long_as_is_set() {
    let daemon = daemon("max_lost_frames = 3");
    let mut client = daemon.client("yard");
    let (clear, blurred, gone) = (frame(50, 220, 0), frame(50, 60, 0), frame(50, 0, 0));
    assert_eq!(ids(&client.ask(&clear)), [person(1)]);
    for _ in 0..6 {
        assert_eq!(ids(&client.ask(&blurred)), [person(1)], "a score of 0.24");
    }
    for _ in 0..3 {
        assert_eq!(client.ask(&gone), json!({"detections": []}));
    }
    assert_eq!(ids(&client.ask(&clear)), [person(1)]);
    for _ in 0..4 {
        assert_eq!(client.ask(&gone), json!({"detections": []}));
    }
    assert_eq!(ids(&client.ask(&clear)), [], "seen for the first time");
    assert_eq!(ids(&client.ask(&clear)), [person(2)]);
}
