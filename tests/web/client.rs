//! The client module: its unit tests by Node's own runner, and a client of it on real daemons.

use std::cell::Cell;

use base::protocol::ErrorCode;
use forgesyted_tests::folder::Folder;
use forgesyted_tests::{Builder, Daemon, Signal, frames};
use serde_json::{Value, json};

use crate::node::{self, Script};

/// A client in Node that streams a picture until it has so many replies; 0: until it is dropped.
fn stream(server: impl std::fmt::Display, pipeline: &str, replies: usize, more: Value) -> Option<(Script, Folder)> {
    let folder = Folder::new();
    let picture = folder.write("picture.jpg", frames::white());
    let mut options = json!({ "url": format!("http://{server}"), "pipeline": pipeline });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let arguments = [picture.display().to_string(), replies.to_string(), options.to_string()];
    Some((Script::start("client/live.mjs", arguments)?, folder))
}

/// A daemon at the address of one that is gone.
fn at(address: std::net::SocketAddr) -> Builder {
    Daemon::builder().env("FORGESYTED_LISTEN", address)
}

#[test]
fn its_unit_tests_pass() {
    node::run_tests(&[
        "client/throttle.test.mjs",
        "client/rate.test.mjs",
        "client/replies.test.mjs",
        "client/reconnect.test.mjs",
    ]);
}

#[test]
fn its_types_are_those_of_its_code() {
    node::run_tests(&["client/types.test.mjs"]);
}

#[test]
fn it_knows_every_error_of_the_protocol() {
    let Some(mut node) = node::node() else { return };
    let module = node::path("../../daemon/web/client/forgesyte.js");
    let print = "import(process.argv[1]).then(({ StreamClient }) => console.log(JSON.stringify(StreamClient.errors)))";
    let output = node.args(["--eval", print]).arg(module).output().unwrap();
    let known: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    for code in ErrorCode::ALL {
        // What passes by itself closes with one of these; the guide's advice is the same.
        let passing = matches!(code.close_code(), 1001 | 1011 | 1013);
        assert_eq!(known[code.as_str()]["retry"], passing, "{}", code.as_str());
        assert!(known[code.as_str()]["meaning"].as_str().is_some_and(|meaning| meaning.ends_with('.')));
    }
}

#[test]
fn it_streams_and_gets_a_reply_for_each_frame_in_order() {
    let daemon = Daemon::builder().env("FORGESYTED_TOKEN", "s3cret+/=").start();
    let Some((script, _folder)) = stream(daemon.address(), "noop", 20, json!({ "token": "s3cret+/=", "maxFps": 200 }))
    else {
        return;
    };
    let lines = script.finish();
    let replies: Vec<&Value> = lines.iter().filter(|line| line[0] == "reply").map(|line| &line[1]).collect();
    assert_eq!(replies.len(), 20, "{lines:#?}");
    for (index, reply) in (1..).zip(&replies) {
        assert_eq!(**reply, json!({ "frameIndex": index, "result": {} }));
    }
    let bytes = 20 * frames::white().len();
    let counts = json!(["counts", { "sent": 20, "answered": 20, "dropped": 0, "bytesSent": bytes, "waiting": 0 }]);
    assert_eq!(lines.last(), Some(&counts));
    assert_eq!(daemon.events().wait_for("stream_disconnect")["close_code"], 1000);
}

#[test]
fn it_gives_up_where_another_try_cannot_help() {
    let daemon = Daemon::builder().env("FORGESYTED_TOKEN", "s3cret").start();
    let refused = |pipeline: &str, more: Value| {
        let (mut script, _folder) = stream(daemon.address(), pipeline, 0, more)?;
        let error = script.event("error");
        assert_eq!(script.event("close")["final"], true);
        Some(error)
    };
    let Some(error) = refused("nosuch", json!({ "token": "s3cret" })) else { return };
    assert_eq!((&error["code"], &error["closeCode"]), (&json!("invalid_pipeline"), &json!(1008)));
    assert!(error["detail"].as_str().unwrap().contains("noop"), "{error}");
    assert_eq!(refused("noop", json!({ "token": "wrong" })).unwrap()["code"], "unauthorized");
}

#[test]
fn it_slows_down_under_overload_and_recovers() {
    let (builder, gate) = Daemon::builder().setting("stream.slow_down_interval_ms", 100).held();
    let daemon = builder.start();
    let started = gate.started();
    gate.close();
    let Some((mut script, _folder)) = stream(daemon.address(), "held", 0, json!({ "maxFps": 50, "maxWaiting": 500 }))
    else {
        return;
    };
    gate.wait_started(started, 1);
    assert_eq!(script.event("slowdown")["fps"], 25.0);
    assert_eq!(script.event("ratechange")["fps"], 25.0);
    gate.open();
    script.event("dropped");
    // How far it climbs, and how often it is cut again, is the machine's matter.
    let lowest = Cell::new(f64::INFINITY);
    script.wait_for("a rate above the lowest one", |line| {
        let Some(fps) = line[1]["fps"].as_f64().filter(|_| line[0] == "ratechange") else { return false };
        lowest.set(lowest.get().min(fps));
        fps > lowest.get()
    });
    assert_eq!(daemon.sessions().len(), 1, "all in one session");
}

#[test]
fn it_comes_back_when_the_daemon_does() {
    let daemon = Daemon::builder().start();
    let address = daemon.address();
    let Some((mut script, _folder)) = stream(address, "noop", 0, json!({ "maxFps": 100 })) else { return };
    script.event("result");
    assert_eq!(daemon.stop(), 0);
    assert_eq!(script.event("error")["code"], "shutting_down");
    assert_eq!(script.event("reconnecting")["attempt"], 1);
    let daemon = at(address).start();
    script.event("open");
    assert_eq!(script.event("result")["frameIndex"], 1);

    daemon.signal(Signal::KILL);
    assert_eq!(script.event("error")["code"], "connection_lost");
    drop(daemon);
    let _daemon = at(address).start();
    script.event("open");
    script.event("result");
}
