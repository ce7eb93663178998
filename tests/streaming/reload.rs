//! What a reload keeps when something is missing, and what it says.

use std::fs;

use forgesyted_tests::{Daemon, frames, http, wait};
use serde_json::json;

#[test]
fn a_pipeline_folder_that_is_away_keeps_its_pipelines() {
    let daemon = Daemon::builder().start();
    fs::rename(daemon.file("pipelines"), daemon.file("away")).unwrap();
    let reloaded = daemon.reload("config_reloaded");
    let rejected = daemon.events().of_kind("pipeline_rejected").pop().unwrap();
    let message = rejected["message"].as_str().unwrap();
    assert!(message.contains("cannot be listed") && message.contains("until a restart"), "{message}");
    assert!(reloaded["message"].as_str().unwrap().contains("1 pipeline files refused"), "{reloaded}");
    assert_eq!(daemon.client("noop").ask(&frames::white()), json!({}));
    fs::rename(daemon.file("away"), daemon.file("pipelines")).unwrap();
    assert_eq!(daemon.reload("config_reloaded")["message"], "serving noop");
}

#[test]
fn the_list_says_which_files_were_refused_and_why_to_whoever_may_read_it() {
    const TOKEN: &str = "Authorization: Bearer s3cret\r\n";
    let lost = "[[node]]\nid = \"v\"\nkind = \"measure\"\nmodel = \"sub/lost.pt\"\n";
    let builder =
        || Daemon::builder().pipeline("lost", lost).pipeline("yard", "[[node]]\nid = \"n\"\nkind = \"noop\"\n");
    for daemon in [builder().start(), builder().env("FORGESYTED_TOKEN", "s3cret").start()] {
        let guarded = daemon.get("/v1/pipelines").status == 401;
        let list = || http::request(daemon.address(), "GET", "/v1/pipelines", if guarded { TOKEN } else { "" }).json();
        let logged = daemon.events().of_kind("pipeline_rejected").pop().unwrap();
        let (logged, folder) = (logged["err"].as_str().unwrap(), daemon.folder().path().to_str().unwrap());
        assert!(logged.contains(folder), "{logged}");
        let refusals = list();
        assert_eq!(refusals["rejected"], json!(["lost.toml"]));
        let refused = &refusals["rejections"][0];
        assert_eq!((&refused["file"], &refused["kept_previous"]), (&json!("lost.toml"), &json!(false)));
        let reason = refused["reason"].as_str().unwrap();
        if guarded {
            assert_eq!(reason, logged, "who has the token reads what the log says");
        } else {
            assert!(reason.starts_with("node \"v\": model \"lost.pt\" is not there"), "{reason}");
            assert!(!reason.contains('/'), "{reason}");
        }
        // A file that was good: its pipeline is served on.
        daemon.folder().write("pipelines/yard.toml", "id = \"yard\"\n");
        daemon.reload("config_reloaded");
        let refusals = list();
        assert_eq!(refusals["rejected"], json!(["lost.toml", "yard.toml"]));
        assert_eq!(refusals["rejections"][1]["file"], "yard.toml");
        assert_eq!(refusals["rejections"][1]["kept_previous"], true);
        assert!(
            refusals["pipelines"].as_array().unwrap().iter().any(|pipeline| pipeline["id"] == "yard"),
            "{refusals}"
        );
        fs::remove_file(daemon.file("pipelines/lost.toml")).unwrap();
        fs::remove_file(daemon.file("pipelines/yard.toml")).unwrap();
        daemon.reload("config_reloaded");
        assert_eq!(list()["rejections"], json!([]));
    }
}

#[test]
fn a_folder_that_was_never_there_is_named_when_nothing_is_loaded() {
    let daemon = Daemon::builder().setting("pipelines.dirs", r#"["no-such-folder"]"#).start();
    let missing = daemon.events().of_kind("pipeline_dir_missing").pop().unwrap();
    assert!(missing["message"].as_str().unwrap().contains("no-such-folder"), "{missing}");
    let ready = daemon.get("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("no pipeline is loaded"), "{}", ready.body);
}

#[test]
fn what_needs_a_restart_is_said_at_every_reload_until_then() {
    let daemon = Daemon::builder().start();
    let config = fs::read_to_string(daemon.file("forgesyted.toml")).unwrap();
    daemon.folder().write("forgesyted.toml", config.replace("workers = 1", "workers = 2"));
    for _ in 0..2 {
        let reloaded = daemon.reload("config_reloaded");
        assert_eq!(reloaded["restart_needed"], "engine.workers");
        assert!(reloaded["message"].as_str().unwrap().contains("a restart is needed for engine.workers"), "{reloaded}");
    }
}

#[test]
fn the_series_of_a_pipeline_that_is_gone_go_with_its_last_session() {
    let noop = "[[node]]\nid = \"n\"\nkind = \"noop\"\n";
    let daemon = Daemon::builder().pipeline("yard", noop).start();
    let text = fs::read_to_string(daemon.file("pipelines/yard.toml")).unwrap();
    let mut client = daemon.client("yard");
    client.ask(&frames::white());
    fs::remove_file(daemon.file("pipelines/yard.toml")).unwrap();
    daemon.reload("config_reloaded");
    client.ask(&frames::white());
    wait::until("both frames", || daemon.metrics().frames("processed", "yard") == 2);
    drop(client);
    let is_known = || daemon.get("/metrics").body.contains("pipeline=\"yard\"");
    wait::until("no series", || !is_known());
    daemon.folder().write("pipelines/yard.toml", &text);
    daemon.reload("config_reloaded");
    assert_eq!(daemon.metrics().frames("processed", "yard"), 0);
    // A node goes as soon as nobody runs it.
    daemon.folder().write("pipelines/yard.toml", text.replace("id = \"n\"", "id = \"m\""));
    daemon.reload("config_reloaded");
    let metrics = daemon.get("/metrics").body;
    assert!(metrics.contains("stage=\"m\"") && !metrics.contains("stage=\"n\""), "{metrics}");
}

#[test]
fn a_full_daemon_is_not_ready() {
    let daemon = Daemon::builder().setting("stream.max_sessions", 1).start();
    assert_eq!(daemon.get("/readyz").status, 200);
    let client = daemon.client("noop");
    daemon.wait_sessions(1);
    let ready = daemon.get("/readyz");
    assert_eq!((ready.status, ready.body.as_str()), (503, "all 1 sessions of stream.max_sessions are taken\n"));
    assert_eq!(daemon.metrics().value("forgesyted_ready"), 0.0);
    drop(client);
    daemon.wait_sessions(0);
    assert_eq!(daemon.get("/readyz").status, 200);
}

#[test]
fn a_reload_takes_the_token_away_only_where_the_file_says_so() {
    let daemon = Daemon::builder().setting("server.token", "\"s3cret\"").start();
    let config = fs::read_to_string(daemon.file("forgesyted.toml")).unwrap();
    let (address, open) = (daemon.address(), || daemon.get("/v1/pipelines").status == 200);
    assert!(!open());
    for text in ["", "[server]\nopen = false\n"] {
        daemon.folder().write("forgesyted.toml", text);
        let rejected = daemon.reload("config_rejected");
        let message = rejected["message"].as_str().unwrap();
        assert!(message.contains("forgesyted.toml: there is no server.token any more"), "{message}");
        assert!(!open());
        assert_eq!(http::status(address, "GET", "/v1/pipelines", "Authorization: Bearer s3cret\r\n"), 200);
    }
    // Another token is no opening.
    daemon.folder().write("forgesyted.toml", config.replace("s3cret", "other"));
    daemon.reload("config_reloaded");
    assert!(!open());
    daemon.folder().write("forgesyted.toml", "[server]\nopen = true\n");
    daemon.reload("config_reloaded");
    assert!(open());
}
