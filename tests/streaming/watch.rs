//! Hot swap: with `pipelines.watch = true`, files that come, change and go are taken in without a signal.

use std::fs;

use forgesyted_tests::builder::{Builder, measure_node};
use forgesyted_tests::modules::{archive, module};
use forgesyted_tests::{Daemon, frames, wait};
use serde_json::{Value, json};

/// A module that gives this number for every frame.
fn constant(number: u32) -> Vec<u8> {
    archive("model", &module("Dict[str, int]", &format!("return annotate(Dict[str, int], {{\"number\": {number}}})")))
}

fn pipeline(id: &str, model: &str) -> String {
    format!("id = \"{id}\"\n{}", measure_node(model, ""))
}

fn watching() -> Builder {
    Daemon::builder().setting("pipelines.watch", true)
}

/// Waits until `/v1/pipelines` says this.
fn wait_list(daemon: &Daemon, ids: &[&str], rejected: &[&str]) {
    wait::until(&format!("pipelines {ids:?}, rejected {rejected:?}"), || {
        let list = daemon.get("/v1/pipelines").json();
        let found: Vec<&Value> = list["pipelines"].as_array().unwrap().iter().map(|pipeline| &pipeline["id"]).collect();
        found == ids && list["rejected"] == json!(rejected)
    });
}

/// Waits until a new session gets this number.
fn wait_number(daemon: &Daemon, id: &str, number: u32) {
    wait::until(&format!("{id} to give {number}"), || {
        daemon.client(id).ask(&frames::black()) == json!({ "number": number })
    });
}

#[test]
fn a_pipeline_comes_changes_and_goes() {
    let daemon = watching().file("models/one.pt", constant(1)).file("models/two.pt", constant(2)).start();
    daemon.folder().write("pipelines/yard.toml", pipeline("yard", "one"));
    wait_list(&daemon, &["noop", "yard"], &[]);
    let mut old = daemon.client("yard");
    assert_eq!(old.ask(&frames::black()), json!({"number": 1}));
    daemon.folder().write("pipelines/yard.toml", pipeline("yard", "two"));
    wait_number(&daemon, "yard", 2);
    assert_eq!(old.ask(&frames::black()), json!({"number": 1}), "a session keeps the pipeline it began with");
    fs::remove_file(daemon.file("pipelines/yard.toml")).unwrap();
    wait_list(&daemon, &["noop"], &[]);
    assert_eq!(old.ask(&frames::black()), json!({"number": 1}), "also when it is gone");
    assert_eq!(daemon.events().of_kind("config_reloaded").len(), 0, "nobody asked for a reload");
}

#[test]
fn a_replaced_model_is_taken_in_and_a_broken_one_changes_nothing() {
    let daemon =
        watching().file("models/one.pt", constant(1)).file("pipelines/yard.toml", pipeline("yard", "one")).start();
    let mut old = daemon.client("yard");
    assert_eq!(old.ask(&frames::black()), json!({"number": 1}));
    daemon.folder().write("models/one.pt", constant(2));
    wait_number(&daemon, "yard", 2);

    // Half of a copy: the beginning of a good file, written in place.
    let whole = constant(3);
    fs::write(daemon.file("models/one.pt"), &whole[..whole.len() / 2]).unwrap();
    wait_list(&daemon, &["noop", "yard"], &["yard.toml"]);
    let rejected = daemon.events().of_kind("pipeline_rejected").pop().unwrap();
    let message = rejected["message"].as_str().unwrap();
    assert!(message.contains("does not load") && message.contains("previous version serves"), "{message}");
    assert_eq!(daemon.client("yard").ask(&frames::black()), json!({"number": 2}));
    assert_eq!(old.ask(&frames::black()), json!({"number": 1}));

    // The rest of it.
    fs::write(daemon.file("models/one.pt"), &whole).unwrap();
    wait_list(&daemon, &["noop", "yard"], &[]);
    wait_number(&daemon, "yard", 3);
}

#[test]
fn what_was_missing_is_taken_in_when_it_comes() {
    let daemon = watching().file("pipelines/yard.toml", pipeline("yard", "late")).start();
    wait_list(&daemon, &["noop"], &["yard.toml"]);
    daemon.folder().write("models/late.pt", constant(7));
    wait_list(&daemon, &["noop", "yard"], &[]);
    wait_number(&daemon, "yard", 7);
}

#[test]
fn a_folder_that_is_removed_and_made_again_is_watched_on() {
    let daemon = watching().start();
    fs::rename(daemon.file("pipelines"), daemon.file("away")).unwrap();
    daemon.events().wait_for("pipeline_rejected");
    assert_eq!(daemon.client("noop").ask(&frames::black()), json!({}), "what was loaded serves on");
    daemon.folder().write("models/one.pt", constant(1));
    daemon.folder().write("pipelines/yard.toml", pipeline("yard", "one"));
    wait_list(&daemon, &["yard"], &[]);
    wait_number(&daemon, "yard", 1);
}

#[test]
fn nothing_is_taken_in_unless_it_is_asked_for_and_a_reload_switches_it() {
    let daemon = Daemon::builder().file("models/one.pt", constant(1)).start();
    daemon.folder().write("pipelines/yard.toml", pipeline("yard", "one"));
    let config = fs::read_to_string(daemon.file("forgesyted.toml")).unwrap();
    daemon.folder().write("forgesyted.toml", config.replace("[pipelines]", "[pipelines]\nwatch = true"));
    // Without `watch` nothing was looked at, so the reload is the first that finds the new file.
    assert_eq!(daemon.reload("config_reloaded")["message"], "serving noop, yard");
    assert_eq!(daemon.events().of_kind("pipelines_reloaded").len(), 0);
    daemon.folder().write("models/one.pt", constant(2));
    wait_number(&daemon, "yard", 2);
}
