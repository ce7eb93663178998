//! The installed daemon does its work on another architecture.

use forgesyted_tests::frames;
use serde_json::Value;

use crate::board::{Board, words};

#[test]
#[ignore = "needs the installed packages: cargo xtask test-arm64"]
fn check_loads_every_shipped_pipeline() {
    let checked = Board::installed().run(&["forgesyted", "check"]);
    let words = words(&checked);
    assert!(checked.status.success(), "{words}");
    for pipeline in ["pipeline scene ", "pipeline noop "] {
        assert!(words.lines().any(|line| line.starts_with(pipeline)), "{pipeline}: {words}");
    }
    assert!(words.contains(&format!("libtorch {}", xtask::libtorch::TORCH_VERSION)), "{words}");
}

#[test]
#[ignore = "needs the installed packages: cargo xtask test-arm64"]
fn doctor_finds_the_installation_good() {
    let examined = Board::installed().run(&["forgesyted", "doctor", "--json"]);
    let report: Value = serde_json::from_slice(&examined.stdout).unwrap_or_else(|_| panic!("{}", words(&examined)));
    let checks = report["checks"].as_array().unwrap();
    let errors: Vec<_> = checks.iter().filter(|check| check["status"] == "error").collect();
    assert!(errors.is_empty() && examined.status.success(), "{errors:?}: {}", examined.status);
    for (name, found) in [
        ("configuration", ""),
        ("libtorch", "2.11.0 from /usr/lib/forgesyted/"),
        ("device", "cpu"),
        ("pipelines", "noop, scene, text_regions, yolo_ocr"),
    ] {
        let check =
            checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no {name} in {report}"));
        assert_eq!(check["status"], "ok", "{check}");
        assert!(check["found"].as_str().unwrap().starts_with(found), "{check}");
    }
}

#[test]
#[ignore = "needs the installed packages: cargo xtask test-arm64"]
fn frames_go_through_scene() {
    let daemon = Board::installed().serve("scene");
    daemon.wait_ready();
    let mut client = daemon.client("scene");
    for (frame, brightness) in [(frames::white(), 1.0), (frames::black(), 0.0)] {
        let result = client.ask(&frame);
        assert_eq!(result["brightness"].as_f64(), Some(brightness), "{result}");
    }
    assert_eq!(daemon.stop(), 0);
}
