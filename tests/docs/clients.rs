//! The clients of the guide and of README, run as they stand there: against the real daemon, and against a played one
//! that says everything a daemon can say.

use std::env;
use std::process::{Command, Output};

use forgesyted::protocol::ErrorCode;
use forgesyted_tests::folder::Folder;
use forgesyted_tests::{Daemon, frames, sources};
use serde_json::Value;

use crate::browser::{self, Browser};
use crate::markdown::page;
use crate::scripted;

/// Pictures of the series that the Python client sends.
const PICTURES: usize = 12;

/// A daemon with the shipped pipelines.
fn shipped() -> Daemon {
    let share = |folder: &str| sources::root().join("config").join(folder).display().to_string();
    Daemon::builder()
        .env("FORGESYTED_PIPELINE_DIRS", share("pipelines"))
        .env("FORGESYTED_MODEL_DIRS", share("models"))
        .start()
}

fn url(server: impl std::fmt::Display) -> String {
    format!("ws://{server}/ws/video/stream?pipeline_id=scene")
}

/// `program` with the guide's Python packages; none where they are missing, which is an error on CI.
fn with_packages(program: &str) -> Option<Command> {
    let Some(packages) = env::var_os("FORGESYTED_TEST_PYTHONPATH") else {
        assert_ne!(env::var("CI").as_deref(), Ok("true"), "CI needs the guide's Python packages");
        eprintln!("skipped: FORGESYTED_TEST_PYTHONPATH is unset; `cargo xtask test` sets it");
        return None;
    };
    // A client that never ends fails its test, in place of holding it up.
    let mut command = Command::new("timeout");
    command.args(["120", program]).env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    Some(command)
}

/// Runs the guide's Python client on a series of pictures; none where it cannot be run.
fn run_python(server: impl std::fmt::Display, pictures: usize) -> Option<Output> {
    let mut python = with_packages("python3")?;
    let folder = Folder::new();
    let client = folder.write("stream.py", page("docs/client-guide.md").block("python"));
    for number in 1..=pictures {
        folder.write(format!("frame_{number:03}.jpg"), frames::synthetic(320, 240));
    }
    let source = folder.path().join("frame_%03d.jpg");
    Some(python.arg(client).arg(url(server)).arg(source).arg("50").output().unwrap())
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
}

#[test]
fn python_prints_a_result_for_every_picture_in_order() {
    let daemon = shipped();
    let Some(output) = run_python(daemon.address(), PICTURES) else { return };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let printed = lines(&output.stdout);
    assert_eq!(printed.len(), PICTURES, "{printed:?}\n{errors}");
    for (number, line) in (1..).zip(&printed) {
        assert!(line.starts_with(&format!("{number} {{")) || *line == format!("{number} dropped"), "{line}");
    }
    assert!(printed.last().is_some_and(|newest| newest.contains("'verdict':")), "the newest frame always runs");
    assert_eq!(daemon.events().wait_for("stream_disconnect")["close_code"], 1000);
}

#[test]
fn python_tells_drops_and_ends_in_the_error() {
    let address = scripted::listen(|_, mut player| {
        player.frame();
        player.slow_down();
        player.result(1);
        player.frame();
        player.dropped(2);
        player.frame();
        player.end(ErrorCode::PipelineFailure);
    });
    let Some(output) = run_python(address, 1000) else { return };
    assert_eq!(lines(&output.stdout), ["1 {'verdict': 'ok'}", "2 dropped"]);
    assert_eq!(lines(&output.stderr), ["pipeline_failure: A test says so."]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn python_says_when_its_source_cannot_be_opened() {
    let Some(output) = run_python("127.0.0.1:1", 0) else { return };
    assert_eq!(output.status.code(), Some(1));
    assert!(lines(&output.stderr).last().is_some_and(|line| line.starts_with("cannot open ")), "{output:?}");
}

#[test]
fn the_readme_streams_a_picture() {
    let daemon = shipped();
    let Some(mut shell) = with_packages("sh") else { return };
    let blocks = page("README.md").blocks("sh");
    let snippet = blocks.iter().find(|block| block.contains("<<'END'")).expect("README has the Python snippet");
    let snippet =
        snippet.replace("venv/bin/python3", "python3").replace("127.0.0.1:8000", &daemon.address().to_string());
    let folder = Folder::new();
    folder.write("photo.jpg", frames::synthetic(640, 480));
    let output = shell.current_dir(folder.path()).args(["-c", &snippet]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
    let shown: Value = serde_json::from_str(&page("README.md").block("json")).unwrap();
    assert_eq!(reply["frame_index"], 1);
    let keys = |reply: &Value| reply["result"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&reply), keys(&shown));
}

#[test]
fn the_browser_shows_results_in_order() {
    let Some(program) = browser::program() else { return };
    let daemon = shipped();
    let page = page("docs/client-guide.md").block("html");
    let browser = Browser::open(program, &page, &format!("server={}", daemon.address()));
    let shown = browser.wait_for("ten answers", |lines| lines.len() >= 10);
    for (number, line) in (1..).zip(shown.iter().rev()) {
        let answered = line.starts_with(&format!("{number} {{")) || *line == format!("{number} dropped");
        assert!(answered || line.starts_with("slow_down"), "{shown:#?}");
    }
    assert!(shown.iter().any(|line| line.contains("\"verdict\":")), "{shown:#?}");
    drop(browser);
    daemon.events().wait_for("stream_disconnect");
}

#[test]
fn the_browser_slows_down_connects_anew_and_shows_the_error() {
    let Some(program) = browser::program() else { return };
    let address = scripted::listen(|connection, mut player| {
        player.frame();
        if connection == 0 {
            return player.end(ErrorCode::ShuttingDown);
        }
        player.slow_down();
        player.result(1);
        player.frame();
        player.dropped(2);
        player.end(ErrorCode::InvalidFrame);
    });
    let page = page("docs/client-guide.md").block("html");
    let browser = Browser::open(program, &page, &format!("server={address}"));
    let mut shown = browser.wait_for("the last close", |lines| lines.first() == Some(&"closed: 1007"));
    shown.reverse();
    let again = shown.remove(1);
    assert!(again.starts_with("closed: 1001; trying again in "), "{again}");
    assert_eq!(
        shown,
        [
            "shutting_down: A test says so.",
            "slow_down: now every 150 ms",
            "1 {\"verdict\":\"ok\"}",
            "2 dropped",
            "invalid_frame: A test says so.",
            "closed: 1007",
        ]
    );
}
