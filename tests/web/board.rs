//! `GET /v1/board` on a real daemon.

use forgesyted_tests::{Daemon, frames};
use serde_json::{Value, json};

#[test]
fn the_board_tells_what_runs_and_how_the_machine_is() {
    let daemon = Daemon::builder().env("STREAM_MAX_SESSIONS", 1).replay("yard", &[frames::white()], "").start();
    daemon.wait_camera("yard", "up");
    let board = daemon.get("/v1/board").json();
    assert_eq!(board["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(board["libtorch"], daemon.wait_ready()["torch"]);
    assert_eq!(board["device"], "cpu");
    assert_eq!((&board["ready"], &board["reason"]), (&json!(true), &Value::Null));
    assert_eq!(board["sessions"], json!({ "clients": 0, "limit": 1 }));
    assert_eq!(board["cameras"], json!({ "up": 1, "total": 1 }));
    let (total, available) = (board["memory"]["total_bytes"].as_u64(), board["memory"]["available_bytes"].as_u64());
    assert!(total > available && available > Some(0), "{board}");
    assert!(board["cpu"]["cores"].as_u64() >= Some(1) && board["cpu"]["load1"].is_number(), "{board}");
    assert!(board["temperatures"].is_array() && (board["gpu"].is_null() || board["gpu"]["load_ratio"].is_number()));
    assert!(!board.to_string().contains('/'), "no path: {board}");

    let mut client = daemon.client("noop");
    client.ask(&frames::camera());
    let later = daemon.get("/v1/board").json();
    assert_eq!((&later["ready"], &later["sessions"]["clients"]), (&json!(false), &json!(1)));
    assert!(later["reason"].as_str().unwrap().contains("stream.max_sessions"), "{later}");
    assert!(later["uptime_s"].as_f64() > board["uptime_s"].as_f64());
}
