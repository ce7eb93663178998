//! A reload starts, stops and changes cameras, and leaves the others alone.

use forgesyted_tests::builder::camera_table;
use forgesyted_tests::{Daemon, frames, wait};

fn config(cameras: &[String]) -> String {
    format!(
        "[pipelines]\ndirs = [\"pipelines\"]\nmodel_dirs = [\"models\"]\n[engine]\ndevice = \"cpu\"\nworkers = 1\n{}",
        cameras.concat()
    )
}

fn camera(name: &str, more: &str) -> String {
    camera_table(name, &format!("replay:{name}"), &format!("pipeline = \"noop\"\nfps = 20\n{more}"))
}

#[test]
fn cameras_come_and_go_with_a_reload() {
    let daemon = ["one", "two", "three"]
        .iter()
        .fold(Daemon::builder(), |builder, name| builder.file(&format!("{name}/0.jpg"), frames::white()))
        .config(&config(&[camera("one", ""), camera("two", "")]))
        .start();
    daemon.wait_camera("one", "up");
    daemon.wait_camera("two", "up");
    wait::until("both sessions", || daemon.sessions().len() == 2);
    let stays = daemon.camera("one")["session_id"].clone();
    let mut watcher = daemon.watch("camera=two");
    watcher.recv();
    daemon.folder().write("forgesyted.toml", config(&[camera("one", ""), camera("three", "")]));
    daemon.reload("config_reloaded");
    daemon.wait_camera("three", "up");
    assert_eq!(daemon.camera("one")["session_id"], stays, "what did not change was not touched");
    assert_eq!(watcher.rest().1, 1000, "whoever watched the one that is gone is told so");
    assert_eq!(daemon.get("/v1/cameras/two/snapshot.jpg").status, 404);
    assert!(!daemon.get("/metrics").body.contains("camera=\"two\""), "its series are gone with it");
    // The same name with another setting is a new camera.
    daemon.folder().write("forgesyted.toml", config(&[camera("one", "rotate = 180"), camera("three", "")]));
    daemon.reload("config_reloaded");
    wait::until("a new session", || {
        let now = daemon.camera("one")["session_id"].clone();
        now.is_string() && now != stays
    });
    // A configuration that is broken changes nothing.
    let before = daemon.camera("one")["session_id"].clone();
    daemon.folder().write("forgesyted.toml", config(&[camera("one", "rotate = 45")]));
    let rejected = daemon.reload("config_rejected");
    assert!(rejected["message"].as_str().unwrap().contains("rotate"), "{rejected}");
    assert_eq!(daemon.camera("one")["session_id"], before);
    assert_eq!(daemon.camera("three")["state"], "up");
}

#[test]
fn a_camera_takes_the_new_pipeline() {
    let daemon = Daemon::builder().replay("yard", &[frames::white()], "pipeline = \"noop\"").start();
    let first = daemon.events().wait_for("stream_connect");
    daemon.reload("config_reloaded");
    assert_eq!(daemon.camera("yard")["session_id"], first["session_id"], "an unchanged file is no new pipeline");
    daemon
        .folder()
        .write("pipelines/noop.toml", "id = \"noop\"\nname = \"anew\"\n[[node]]\nid = \"n\"\nkind = \"noop\"\n");
    daemon.reload("config_reloaded");
    let second = daemon.events().wait_count("stream_connect", 2).pop().unwrap();
    assert_ne!(first["session_id"], second["session_id"]);
    let ended = daemon.events().wait_for("stream_disconnect");
    assert_eq!(ended["session_id"], first["session_id"]);
}
