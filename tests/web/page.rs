//! The page in a headless Chromium, on real daemons. What it must do stands in `page/*.test.mjs`, which Node runs; here is
//! what it runs on, and what only this side can do.

mod control;
mod models;

use std::env;
use std::fmt::Display;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use forgesyted_tests::builder::measure_node;
use forgesyted_tests::folder::Folder;
use forgesyted_tests::proxy::{Kind, Proxy};
use forgesyted_tests::{Builder, Daemon, Signal, frames, sources};
use serde_json::{Value, json};

use crate::node;
use control::Control;
use models::square;

/// One browser at a time: two would only slow each other down.
static TURN: Mutex<()> = Mutex::new(());

/// A Chromium; none where there is none, which is an error on CI.
fn chromium() -> Option<PathBuf> {
    let found = env::var_os("FORGESYTED_TEST_CHROMIUM").map(PathBuf::from).or_else(xtask::packages::chromium);
    if found.is_none() {
        assert_ne!(env::var("CI").as_deref(), Ok("true"), "CI needs a Chromium");
        eprintln!("skipped: there is no Chromium on this machine");
    }
    found
}

/// Runs the tests of a file on the page of a board. `answer` does what they ask for.
fn run(file: &str, board: impl Display, files: &Folder, answer: impl FnMut(&str) -> Value + Send + 'static) {
    let Some(chromium) = chromium() else { return };
    run_in(("CHROMIUM", chromium), file, board, files, answer);
}

/// The same in a browser that the file finds in this variable.
fn run_in(
    (variable, browser): (&str, PathBuf),
    file: &str,
    board: impl Display,
    files: &Folder,
    answer: impl FnMut(&str) -> Value + Send + 'static,
) {
    let Some(mut runner) = node::runner() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let control = Control::listen(answer);
    let output = runner
        .arg(node::path("page").join(file))
        .env("BASE", format!("http://{board}"))
        .env("CONTROL", format!("http://{}", control.address()))
        .env(variable, browser)
        .env("FILES", files.path())
        .env("SHOTS", sources::root().join("target/page"))
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {said}", output.status);
    println!("{said}");
}

/// Pictures and clips for the browser.
fn files() -> Folder {
    let files = Folder::new();
    files.write("square.jpg", square(100, 60, 120));
    files.write("huge.jpg", frames::announcing(12_000, 9_000));
    // A square that moves 12 pixels a frame, as the browser's camera.
    let moving: Vec<u8> = (0..20).chain((0..20).rev()).flat_map(|at| square(20 + at * 12, 80, 40)).collect();
    files.write("moving.mjpeg", moving);
    files.write("demo.mjpeg", shipped("replay", "demo.mjpeg"));
    files
}

fn shipped(kind: &str, name: &str) -> Vec<u8> {
    fs::read(sources::root().join("config").join(kind).join(name)).unwrap()
}

/// A board with the pipelines `finder` and `scene`.
fn board() -> Builder {
    Daemon::builder()
        .measure("finder", &models::finder(1))
        .file("models/scene.pt", shipped("models", "scene.pt"))
        .file("pipelines/scene.toml", shipped("pipelines", "scene.toml"))
}

/// A stock Firefox, where there is one: Debian's is `firefox-esr`.
fn firefox() -> Option<PathBuf> {
    let found = ["firefox-esr", "firefox"].into_iter().find_map(xtask::shell::on_path);
    if found.is_none() {
        assert_ne!(env::var("CI").as_deref(), Ok("true"), "CI needs a Firefox");
        eprintln!("skipped: there is no Firefox on this machine; Debian has it as firefox-esr");
    }
    found
}

/// Nothing is asked of this side.
fn nothing(command: &str) -> Value {
    panic!("nobody answers {command}");
}

#[test]
fn its_parts_compute_what_they_should() {
    node::run_tests(&["page/units.test.mjs"]);
}

#[test]
fn it_streams_every_source_and_draws_each_result_on_its_frame() {
    let daemon = board()
        .measure("slow-finder", &models::finder(3000))
        .replay("yard", &[square(40, 60, 80)], "pipeline = \"finder\"")
        .replay("zone", &[square(40, 60, 80)], "")
        .start();
    run("sources.test.mjs", daemon.address(), &files(), nothing);
}

#[test]
fn it_works_in_firefox() {
    let Some(firefox) = firefox() else { return };
    let daemon = board().start();
    run_in(("FIREFOX", firefox), "firefox.test.mjs", daemon.address(), &files(), nothing);
}

#[test]
fn it_works_below_a_path_of_a_proxy() {
    let documented = fs::read_to_string(sources::root().join("docs/behind-a-proxy.md")).unwrap();
    let blocks = documented.split("```nginx\n").skip(1).filter_map(|rest| rest.split("```").next());
    let below = blocks.last().unwrap();
    let daemon = board()
        .env("FORGESYTED_TOKEN", "s3cret+/=")
        .replay("yard", &[square(40, 60, 80)], "pipeline = \"finder\"")
        .start();
    let Some(proxy) = Proxy::start(Kind::Nginx, below, daemon.address()) else { return };
    run("below.test.mjs", format!("{}/board7/", proxy.address()), &files(), nothing);
}

#[test]
fn it_says_what_is_wrong_and_comes_back_by_itself() {
    let passing = measure_node("finder", "");
    let daemon = board().pipeline("passing", &passing).pipeline("spare", &passing).start();
    let address = daemon.address();
    let guarded = board().env("FORGESYTED_TOKEN", "s3cret+/=").start();
    let full = board().setting("stream.max_sessions", 1).start();
    let mut guest = Some(full.client("noop"));
    let mut daemon = Some(daemon);
    run("errors.test.mjs", address, &files(), move |command| {
        match command {
            "take-away-passing" | "take-away-spare" => {
                let daemon = daemon.as_ref().unwrap();
                let name = command.trim_start_matches("take-away-");
                fs::remove_file(daemon.file(&format!("pipelines/{name}.toml"))).unwrap();
                daemon.reload("config_reloaded");
            }
            "break-finder" | "mend-finder" => {
                let daemon = daemon.as_ref().unwrap();
                let file = daemon.file("pipelines/finder.toml");
                let [mended, broken] = ["kind = \"measure\"", "kind = \"guess\""];
                let [from, to] = if command == "mend-finder" { [broken, mended] } else { [mended, broken] };
                fs::write(&file, fs::read_to_string(&file).unwrap().replace(from, to)).unwrap();
                daemon.reload("config_reloaded");
            }
            "kill" => {
                let daemon = daemon.take().unwrap();
                daemon.signal(Signal::KILL);
                daemon.wait_exit();
            }
            "stop" => drop(daemon.take().map(|daemon| daemon.stop())),
            "start" => daemon = Some(board().env("FORGESYTED_LISTEN", address).start()),
            "guarded" => return json!(format!("http://{}", guarded.address())),
            "full" => return json!(format!("http://{}", full.address())),
            "make-room" => drop(guest.take()),
            unknown => panic!("nobody answers {unknown}"),
        }
        json!(true)
    });
}

#[test]
fn under_overload_it_slows_down_and_recovers() {
    let (builder, gate) = board().setting("stream.drop_window_frames", 20).held();
    let daemon = builder.start();
    run("overload.test.mjs", daemon.address(), &files(), move |command| {
        match command {
            "hold" => gate.close(),
            "let-one-through" => gate.allow(1),
            "open" => gate.open(),
            unknown => panic!("nobody answers {unknown}"),
        }
        json!(true)
    });
}

#[test]
fn it_bears_whatever_it_is_given() {
    let named = format!("name = \"<i>bold</i>\"\n{}", measure_node("html", ""));
    let daemon = board()
        .model("html", models::HTML)
        .pipeline("html", &named)
        .measure("crowd", models::CROWD)
        .measure("odd", models::ODD)
        .replay("yard", &[square(40, 60, 80)], "pipeline = \"finder\"")
        .start();
    run("bad-input.test.mjs", daemon.address(), &files(), nothing);
}

#[test]
fn everybody_can_use_it_in_light_dark_and_on_a_phone() {
    let files = files();
    // What is pictured in docs/web-page.md: the shipped clip and the shipped pipeline that reads it.
    let daemon = board()
        .file("models/text_detector.pt", shipped("models", "text_detector.pt"))
        .file("models/text_reader.pt", shipped("models", "text_reader.pt"))
        .file("pipelines/yolo_ocr.toml", shipped("pipelines", "yolo_ocr.toml"))
        .file("demo.mjpeg", shipped("replay", "demo.mjpeg"))
        .camera("demo", "replay:demo.mjpeg", "fps = 10\npipeline = \"yolo_ocr\"")
        .start();
    let noop = daemon.file("pipelines/noop.toml");
    let broken = daemon.file("pipelines/yard.toml");
    let kept = fs::read(&noop).unwrap();
    let address = daemon.address();
    run("looks.test.mjs", address, &files, move |command| {
        match command {
            "take-away-noop" => fs::remove_file(&noop).unwrap(),
            "give-back-noop" => fs::write(&noop, &kept).unwrap(),
            "break-yard" => fs::write(&broken, "id = \"yard\"\n").unwrap(),
            "remove-yard" => fs::remove_file(&broken).unwrap(),
            unknown => panic!("nobody answers {unknown}"),
        }
        daemon.reload("config_reloaded");
        json!(true)
    });
}
