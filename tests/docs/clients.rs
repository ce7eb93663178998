//! The clients of the guide and of README, run as they stand there: against the real daemon, and against a played one
//! that says everything a daemon can say.

use std::env;
use std::process::{Command, Output};

use base::protocol::ErrorCode;
use forgesyted_tests::builder::Builder;
use forgesyted_tests::folder::Folder;
use forgesyted_tests::{Daemon, frames, sources};
use serde_json::Value;

use crate::browser::{self, Browser};
use crate::markdown::page;
use crate::scripted;

/// Pictures of the series that the Python client sends.
const PICTURES: usize = 12;

/// A daemon with the shipped pipelines, to be started.
pub fn with_shipped() -> Builder {
    let share = |folder: &str| sources::root().join("config").join(folder).display().to_string();
    Daemon::builder().env("FORGESYTED_PIPELINE_DIRS", share("pipelines")).env("FORGESYTED_MODEL_DIRS", share("models"))
}

fn shipped() -> Daemon {
    with_shipped().start()
}

/// The address of the stream.
pub fn url(server: impl std::fmt::Display) -> String {
    format!("ws://{server}/ws/video/stream?pipeline_id=scene")
}

/// `program` with the guide's Python packages; none where they are missing, which is an error on CI.
pub fn with_packages(program: &str) -> Option<Command> {
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

/// The guide's Python client on a series of pictures, and the folder that they lie in; none where it cannot be run.
pub fn guide_client(server: impl std::fmt::Display, pictures: usize, fps: &str) -> Option<(Command, Folder)> {
    let mut python = with_packages("python3")?;
    let folder = Folder::new();
    let client = folder.write("stream.py", page("docs/client-guide.md").block("python"));
    let picture = frames::synthetic(320, 240);
    for number in 1..=pictures {
        folder.write(format!("frame_{number:03}.jpg"), &picture);
    }
    let source = folder.path().join("frame_%03d.jpg");
    python.args(["-W", "error"]).arg(client).arg(url(server)).arg(source).arg(fps);
    Some((python, folder))
}

/// Runs the guide's Python client on a series of pictures; none where it cannot be run.
fn run_python(server: impl std::fmt::Display, pictures: usize) -> Option<Output> {
    let (mut python, _folder) = guide_client(server, pictures, "50")?;
    Some(python.output().unwrap())
}

/// The files of the page with the whole Python client, and what runs them; none where they cannot be run.
fn python_client() -> Option<(Command, Folder)> {
    let python = with_packages("python3")?;
    let folder = Folder::new();
    let [stream, client] = <[String; 2]>::try_from(page("docs/client-python.md").blocks("python")).unwrap();
    folder.write("stream.py", stream);
    folder.write("forgesyte.py", client);
    Some((python, folder))
}

/// The whole Python client with so many pictures; none where it cannot be run.
pub fn whole_client(server: impl std::fmt::Display, pictures: usize) -> Option<(Command, Folder)> {
    let (mut python, folder) = python_client()?;
    let names: Vec<String> = (1..=pictures).map(|number| format!("{number}.jpg")).collect();
    let picture = frames::synthetic(320, 240);
    names.iter().for_each(|name| drop(folder.write(name, &picture)));
    let server = format!("http://{server}");
    python.current_dir(folder.path()).args(["-W", "error", "stream.py", &server, "scene"]).args(names);
    Some((python, folder))
}

/// Has the whole Python client stream so many pictures.
fn run_whole_client(server: impl std::fmt::Display, pictures: usize) -> Option<Output> {
    let (mut python, _folder) = whole_client(server, pictures)?;
    Some(python.output().unwrap())
}

/// The README's Python, with a picture in the folder it is run in; none where it cannot be run.
pub fn readme_client(server: impl std::fmt::Display) -> Option<(Command, Folder)> {
    let mut shell = with_packages("sh")?;
    let blocks = page("README.md").blocks("sh");
    let snippet = blocks.iter().find(|block| block.contains("<<'END'")).expect("README has the Python snippet");
    let snippet = snippet.replace("venv/bin/python3", "python3").replace("127.0.0.1:8000", &server.to_string());
    let folder = Folder::new();
    folder.write("photo.jpg", frames::synthetic(640, 480));
    shell.current_dir(folder.path()).args(["-c", &snippet]);
    Some((shell, folder))
}

/// The lines of what a program printed.
pub fn lines(bytes: &[u8]) -> Vec<String> {
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
        player.end(ErrorCode::InvalidFrame);
    });
    let Some(output) = run_python(address, 1000) else { return };
    assert_eq!(lines(&output.stdout), ["1 {'verdict': 'ok'}", "2 dropped"]);
    assert_eq!(lines(&output.stderr), ["invalid_frame: A test says so."]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn python_says_when_its_source_cannot_be_opened() {
    let Some(output) = run_python("127.0.0.1:1", 0) else { return };
    assert_eq!(output.status.code(), Some(1));
    assert!(lines(&output.stderr).last().is_some_and(|line| line.starts_with("cannot open ")), "{output:?}");
}

#[test]
fn the_whole_python_client_gets_a_reply_for_every_picture() {
    let daemon = shipped();
    let Some(output) = run_whole_client(daemon.address(), PICTURES) else { return };
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let printed = lines(&output.stdout);
    assert_eq!(printed.len(), PICTURES, "{printed:?}");
    for (number, line) in (1..).zip(&printed) {
        assert!(line.starts_with(&format!("{number} {{")) || *line == format!("{number} dropped"), "{line}");
    }
    assert_eq!(daemon.events().wait_for("stream_disconnect")["close_code"], 1000);
}

#[test]
fn the_whole_python_client_slows_down_connects_anew_and_ends_in_the_error() {
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
    let Some(output) = run_whole_client(address, 30) else { return };
    assert_eq!(lines(&output.stdout), ["1 {'verdict': 'ok'}", "2 dropped"]);
    assert_eq!(
        lines(&output.stderr),
        ["shutting_down: A test says so. Trying again.", "slow_down: now 5 a second", "invalid_frame: A test says so.",]
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_whole_python_client_gives_up_where_nothing_like_the_daemon_answers() {
    let daemon = shipped();
    let Some(output) = run_whole_client(format!("{}/elsewhere", daemon.address()), 1) else { return };
    assert_eq!(lines(&output.stderr), [format!("protocol_error: The answer of {} was status 404.", daemon.address())]);
}

#[test]
fn the_whole_python_client_keeps_to_its_rate() {
    let Some((mut python, folder)) = python_client() else { return };
    let check = r#"
import asyncio
from forgesyte import FPSThrottler, StreamClient, StreamError

def sent_at(fps, moments):
    now = [0]
    throttler, sent = FPSThrottler(fps, lambda: now[0]), []
    for now[0] in moments:
        throttler.throttle(lambda: sent.append(now[0]))
    return sent

assert sent_at(2, [0, .25, .49, .5, .75, 1]) == [0, .5, 1]
assert sent_at(2, [0, 5.25, 5.5, 5.74, 5.75]) == [0, 5.25, 5.75], "no burst after a pause"
assert sent_at(2, [0, .6, 1]) == [0, .6, 1], "a little late puts off nothing"
assert sent_at(2, [5, 5.25, .5, .75, 1]) == [5, .5, 1], "a clock that is set back"
for wrong in (0, -1, float("nan"), float("inf")):
    try:
        FPSThrottler(wrong)
    except ValueError:
        continue
    assert False, wrong

async def main():
    client = StreamClient("http://127.0.0.1:1", "scene")
    assert not await client.ready()
    try:
        await client.send_frame(b"")
    except StreamError as error:
        assert error.code == "not_connected"
    for wrong in ("board:8000", "ftp://board", ""):
        try:
            StreamClient(wrong, "scene")
        except ValueError:
            continue
        assert False, wrong
    again = asyncio.get_running_loop().create_future()
    client.on("reconnecting", lambda error: again.done() or again.set_result(error.code))
    connecting = asyncio.create_task(client.connect())
    assert await again == "connection_lost"
    await client.close()
    try:
        await connecting
    except StreamError as error:
        assert (error.code, client.state) == ("closed", "closed")
    print("well")

asyncio.run(main())
"#;
    let output = python.current_dir(folder.path()).args(["-W", "error", "-c", check]).output().unwrap();
    assert_eq!(lines(&output.stdout), ["well"], "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_readme_streams_a_picture() {
    let daemon = shipped();
    let Some((mut shell, _folder)) = readme_client(daemon.address()) else { return };
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
    let shown: Value = serde_json::from_str(&page("README.md").block("json")).unwrap();
    assert_eq!(reply["frame_index"], 1);
    let keys = |reply: &Value| reply["result"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&reply), keys(&shown));
}

/// The guide's page, with the module of this board, streaming to that server.
pub fn guide_page(board: impl std::fmt::Display, server: impl std::fmt::Display) -> String {
    let page = page("docs/client-guide.md").block("html");
    let constant = "const board = \"http://localhost:8000\"";
    let url = "url: board";
    assert!(page.contains(constant) && page.contains(url));
    page.replace(constant, &format!("const board = \"http://{board}\""))
        .replace(url, &format!("url: \"http://{server}\""))
}

#[test]
fn the_browser_shows_results_in_order() {
    let Some(program) = browser::program() else { return };
    let daemon = shipped();
    let browser = Browser::open(program, &guide_page(daemon.address(), daemon.address()), "");
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
    // The module comes from a real daemon.
    let daemon = shipped();
    let browser = Browser::open(program, &guide_page(daemon.address(), address), "");
    let mut shown =
        browser.wait_for("the last close", |lines| lines.first() == Some(&"invalid_frame: A test says so."));
    shown.reverse();
    assert_eq!(
        shown,
        [
            "shutting_down: A test says so. Trying again.",
            "slow_down: now 5 a second",
            "1 {\"verdict\":\"ok\"}",
            "2 dropped",
            "invalid_frame: A test says so.",
        ]
    );
}
