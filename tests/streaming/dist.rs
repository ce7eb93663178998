//! The tree that `cargo xtask dist` leaves runs from anywhere, with an empty environment.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use forgesyted_tests::folder::Folder;
use forgesyted_tests::{Daemon, frames};

/// A copy of the tree; files are linked, since libtorch is large.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        if from.is_dir() {
            copy(&from, &to);
        } else if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).unwrap();
        }
    }
}

#[test]
fn the_tree_runs_wherever_it_lies_and_finds_its_own_parts() {
    let Some(tree) = std::env::var_os("FORGESYTED_TEST_DIST") else {
        assert!(std::env::var_os("CI").is_none(), "FORGESYTED_TEST_DIST is not set; run cargo xtask test");
        println!("skipped: cargo xtask test lays out the tree");
        return;
    };
    let folder = Folder::new();
    let moved = folder.path().join("anywhere else");
    copy(Path::new(&tree), &moved);
    let config = folder.write("any-port.toml", "[server]\nlisten = \"127.0.0.1:0\"\n");
    let mut serve = Command::new(moved.join("bin/forgesyted"));
    serve.args(["serve", "--config"]).arg(config).env_clear().current_dir("/");
    let child = serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let maps = format!("/proc/{}/maps", child.id());
    let daemon = Daemon::new(folder, child);
    assert_eq!(daemon.wait_ready()["message"], "serving noop, scene, text_regions, yolo_ocr");
    let libraries = fs::read_to_string(maps).unwrap();
    let libtorch = libraries.lines().find(|line| line.ends_with("libtorch_cpu.so")).expect("libtorch is loaded");
    assert!(libtorch.contains("anywhere else/"), "its own libtorch, and not {libtorch}");
    let result = daemon.client("scene").ask(&frames::camera());
    assert!(result["verdict"].is_string(), "{result}");
    assert_eq!(daemon.stop(), 0);
}
