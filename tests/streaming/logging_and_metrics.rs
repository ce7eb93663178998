//! What the operator sees: events and their fields, series and their values, and that the books balance.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Instant;

use forgesyted_tests::builder::measure_node;
use forgesyted_tests::folder::Folder;
use forgesyted_tests::metrics::Metrics;
use forgesyted_tests::modules::module;
use forgesyted_tests::notify::NotifySocket;
use forgesyted_tests::{Builder, Client, Daemon, frames, http, wait};
use rustix::process::{Pid, kill_process};
use serde_json::{Value, json};
use uuid::Uuid;

fn keys(event: &Value) -> Vec<&str> {
    event.as_object().unwrap().keys().map(String::as_str).collect()
}

fn mean(builder: Builder) -> Builder {
    builder.measure("mean", &module("Tensor", "return torch.mean(x)"))
}

#[test]
fn sessions_that_come_and_go_without_number_are_a_limited_number_of_lines() {
    let daemon = Daemon::builder().start();
    let since = Instant::now();
    (0..200).for_each(|_| drop(daemon.client("noop")));
    daemon.wait_sessions(0);
    let intervals = since.elapsed().as_secs() / 10 + 1;
    assert_eq!(daemon.stop(), 0);
    for event in ["stream_connect", "stream_disconnect"] {
        let logged = daemon.events().of_kind(event);
        assert!((50..=50 * intervals).contains(&(logged.len() as u64)), "{} times {event}", logged.len());
        assert_eq!(logged[0]["suppressed"], 0);
    }
}

#[test]
fn every_line_is_json_with_its_event() {
    let daemon = mean(Daemon::builder()).file("pipelines/broken.toml", "x").start();
    let mut client = daemon.client("mean");
    client.ask(&frames::camera());
    client.send_message(tokio_tungstenite::tungstenite::Message::text("hello"));
    client.ends_in("invalid_message", 1003);
    drop(client);
    daemon.wait_sessions(0);
    daemon.client("nosuch").ends_in("invalid_pipeline", 1008);
    daemon.signal(forgesyted_tests::Signal::HUP);
    daemon.events().wait_for("config_reloaded");
    assert_eq!(daemon.stop(), 0);
    let all = daemon.events().all();
    for line in &all {
        for key in ["ts", "level", "event", "message", "target"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        let ts = line["ts"].as_str().unwrap();
        assert!(ts.len() == 24 && ts.ends_with('Z') && ts.contains('T'), "{ts}");
        assert!(["error", "warn", "info"].contains(&line["level"].as_str().unwrap()), "{line}");
    }
    for (event, level, fields) in [
        ("ready", "info", &["listen", "device", "workers", "threads_per_worker", "torch", "took_ms"][..]),
        ("pipeline_loaded", "info", &["pipeline_id", "file"]),
        ("pipeline_rejected", "error", &["file", "err"]),
        ("stream_connect", "info", &["session_id", "pipeline_id", "peer"]),
        ("stream_error", "warn", &["session_id", "pipeline_id", "code"]),
        (
            "stream_disconnect",
            "info",
            &["session_id", "pipeline_id", "frame_index", "dropped_frames", "drop_rate", "duration_s", "close_code"],
        ),
        ("config_reloaded", "info", &["took_ms"]),
        ("stopping", "info", &[]),
    ] {
        let line = all.iter().find(|line| line["event"] == event).unwrap_or_else(|| panic!("no {event}"));
        assert_eq!(line["level"], level, "{line}");
        assert!(fields.iter().all(|field| keys(line).contains(field)), "{event} lacks a field of {fields:?}: {line}");
    }
    let connect = daemon.events().of_kind("stream_connect").remove(0);
    let disconnect = daemon.events().of_kind("stream_disconnect").remove(0);
    assert_eq!(connect["session_id"], disconnect["session_id"]);
    let id: Uuid = connect["session_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(id.get_version_num(), 4);
    let expected =
        json!({"pipeline_id": "mean", "frame_index": 1, "dropped_frames": 0, "drop_rate": 0, "close_code": 1003});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(disconnect[key].as_f64(), value.as_f64(), "{key}: {disconnect}");
    }
    assert!(disconnect["duration_s"].as_f64().unwrap() > 0.0);
}

#[test]
fn nothing_is_logged_per_frame_at_the_default_level() {
    let daemon = mean(Daemon::builder()).start();
    let mut clients = [daemon.client("mean"), daemon.client("noop")];
    clients.iter_mut().for_each(|client| drop(client.ask(&frames::camera())));
    daemon.events().wait_count("stream_connect", 2);
    let before = daemon.events().lines().len();
    for client in &mut clients {
        (0..200).for_each(|_| drop(client.ask(&frames::camera())));
    }
    // A line that comes for sure, and only now.
    drop(clients);
    daemon.events().wait_count("stream_disconnect", 2);
    assert_eq!(daemon.events().lines().len(), before + 2);
}

#[test]
fn every_level_is_json_and_error_is_quiet() {
    let daemon = mean(Daemon::builder()).env("FORGESYTED_LOG", "trace").start();
    daemon.client("mean").ask(&frames::camera());
    daemon.wait_sessions(0);
    daemon.stop();
    assert!(!daemon.events().all().is_empty());
    let builder = Daemon::builder().env("FORGESYTED_LOG", "error");
    let socket = builder.path().join("notify");
    let mut manager = NotifySocket::bind(&socket);
    let daemon = builder.env("NOTIFY_SOCKET", socket.display()).spawn();
    manager.wait_for("READY=1", 1);
    assert_eq!(daemon.stop(), 0);
    assert_eq!(daemon.events().lines(), Vec::<String>::new());
}

#[test]
fn series_of_known_pipelines_are_there_before_the_first_frame() {
    let daemon = mean(Daemon::builder())
        .pipeline(
            "two",
            &format!("{}[[node]]\nid = \"end\"\nkind = \"noop\"\ninputs = [\"mean\"]\n", measure_node("mean", "")),
        )
        .start();
    let metrics = daemon.metrics();
    for source in ["websocket", "camera"] {
        for pipeline in ["mean", "noop", "two"] {
            for name in [
                "stream_sessions_active",
                "stream_frames_received_total",
                "stream_frames_processed_total",
                "stream_frames_dropped_total",
                "stream_frames_discarded_total",
                "stream_slowdown_signals_total",
            ] {
                assert_eq!(metrics.value(&format!("{name}{{pipeline=\"{pipeline}\",source=\"{source}\"}}")), 0.0);
            }
        }
        assert_eq!(metrics.value(&format!("stream_frame_bytes_count{{source=\"{source}\"}}")), 0.0);
    }
    for (pipeline, nodes) in [("mean", &["mean"][..]), ("noop", &["noop"]), ("two", &["mean", "end"])] {
        for stage in ["wait", "decode", "total"].iter().chain(nodes) {
            assert_eq!(metrics.stage_count(pipeline, stage), 0, "trial runs at load do not count");
        }
    }
    for code in base::protocol::ErrorCode::ALL {
        assert_eq!(metrics.errors(code.as_str()), 0);
    }
    assert_eq!(metrics.value("forgesyted_ready"), 1.0);
    assert!(metrics.series().any(|(series, value)| series.starts_with("forgesyted_build_info{") && value == 1.0));
    assert!(metrics.value("process_resident_memory_bytes") > 1e6);

    let mut client = daemon.client("two");
    client.ask(&frames::camera());
    let metrics = daemon.metrics();
    for stage in ["wait", "decode", "mean", "end", "total"] {
        assert_eq!(metrics.stage_count("two", stage), 1, "{stage}");
    }
    assert_eq!(metrics.value("stream_frame_bytes_sum{source=\"websocket\"}"), frames::camera().len() as f64);
    assert_eq!(metrics.value("stream_sessions_active{pipeline=\"two\",source=\"websocket\"}"), 1.0);
}

#[test]
fn no_label_is_a_clients_own_word() {
    let daemon = Daemon::builder().start();
    let before = daemon.metrics().series().count();
    for word in ["chosen-1", "chosen-2", "noop%00"] {
        Client::connect(daemon.address(), &format!("pipeline_id={word}")).ends_in("invalid_pipeline", 1008);
    }
    assert_eq!(daemon.metrics().series().count(), before);
    // What anyone can cause is logged at a limited rate.
    for _ in 0..30 {
        daemon.client("chosen").ends_in("invalid_pipeline", 1008);
    }
    assert_eq!(daemon.metrics().errors("invalid_pipeline"), 33);
    let logged = daemon.events().of_kind("stream_error");
    assert!(logged.len() < 33, "{} lines", logged.len());
    assert!(logged.iter().all(|line| !line.to_string().contains("chosen")), "{logged:?}");
}

/// A cheap source of numbers, the same on every run.
fn numbers(mut seed: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    }
}

#[test]
fn the_books_balance_however_sessions_end() {
    let raises = forgesyted_tests::modules::raises_on_bright();
    let daemon = mean(Daemon::builder()).measure("raises", &raises).setting("engine.workers", 2).start();
    let address = daemon.address();
    let clients: Vec<_> = (0..4)
        .map(|seed| {
            std::thread::spawn(move || {
                let mut random = numbers(seed);
                let camera = frames::camera();
                let bad = [frames::white(), frames::damaged(), b"no JPEG".to_vec(), Vec::new()];
                for _ in 0..12 {
                    let pipeline = ["mean", "raises", "noop"][random(3) as usize];
                    let mut client = Client::connect(address, &format!("pipeline_id={pipeline}"));
                    for _ in 0..random(40) {
                        client.try_send(&camera);
                    }
                    match random(4) {
                        0 => drop(client),
                        1 => drop(client.close(1000)),
                        _ => {
                            client.try_send(&bad[random(4) as usize]);
                            for _ in 0..random(10) {
                                client.try_send(&camera);
                            }
                        }
                    }
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    daemon.wait_sessions(0);
    // A frame of a session that is gone may still run.
    let books = || {
        let metrics = daemon.metrics();
        ["mean", "raises", "noop"].map(|pipeline| {
            let of = |what| metrics.frames(what, pipeline);
            (of("received"), of("processed") + of("dropped") + of("discarded"))
        })
    };
    wait::until("the books to balance", || books().iter().all(|(received, outcomes)| received == outcomes));
    assert!(books().iter().all(|(received, _)| *received > 0), "{:?}", books());
    let metrics = daemon.metrics();
    for pipeline in ["mean", "raises", "noop"] {
        assert_eq!(
            metrics.value(&format!("stream_sessions_active{{pipeline=\"{pipeline}\",source=\"websocket\"}}")),
            0.0
        );
    }
    assert_eq!(metrics.value("stream_panics_total"), 0.0);
    let ends = daemon.events().wait_count("stream_disconnect", 4 * 12);
    let logged = |key: &str| ends.iter().map(|end| end[key].as_u64().unwrap()).sum::<u64>();
    let counted = |what| ["mean", "raises", "noop"].iter().map(|pipeline| metrics.frames(what, pipeline)).sum::<u64>();
    assert_eq!(logged("frame_index"), counted("received"));
    assert_eq!(logged("dropped_frames"), counted("dropped"), "log and metrics say the same");
}

#[test]
fn the_sessions_list_shows_the_contracts_fields() {
    let daemon = Daemon::builder().start();
    let mut client = daemon.client("noop");
    let fresh = daemon.sessions().remove(0);
    assert_eq!(
        (&fresh["last_processed_ts"], &fresh["frame_index"], &fresh["drop_rate"]),
        (&Value::Null, &json!(0), &json!(0.0))
    );
    client.ask(&frames::camera());
    let session = daemon.sessions().remove(0);
    for key in [
        "session_id",
        "pipeline_id",
        "frame_index",
        "dropped_frames",
        "last_processed_ts",
        "backpressure_state",
        "drop_threshold",
        "slowdown_threshold",
    ] {
        assert!(keys(&session).contains(&key), "{key}: {session}");
    }
    assert_eq!((&session["pipeline_id"], &session["backpressure_state"]), (&json!("noop"), &json!("normal")));
    assert!(session["last_processed_ts"].as_u64().unwrap() > 1_600_000_000_000);
    let started = daemon.events().wait_for("stream_connect");
    assert_eq!(session["session_id"], started["session_id"]);
    assert_eq!(daemon.get("/v1/cameras").json(), json!({"cameras": []}));
}

#[test]
fn promtool_finds_nothing_to_object_to() {
    let named = std::env::var_os("FORGESYTED_TEST_PROMTOOL").map(std::path::PathBuf::from);
    let cached = || {
        let folders = std::fs::read_dir(xtask::paths::cache().ok()?).ok()?;
        folders.filter_map(|entry| Some(entry.ok()?.path().join("promtool"))).find(|program| program.is_file())
    };
    let Some(promtool) = named.or_else(|| xtask::shell::on_path("promtool")).or_else(cached) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "promtool is missing; `cargo xtask test` gets it");
        eprintln!("not run: promtool is missing; `cargo xtask test` gets it");
        return;
    };
    let daemon = mean(Daemon::builder()).start();
    daemon.client("mean").ask(&frames::camera());
    let metrics = daemon.get("/metrics");
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4"), "{}", metrics.head);
    let file = daemon.folder().write("metrics.txt", &metrics.body);
    let check =
        Command::new(promtool).args(["check", "metrics"]).stdin(std::fs::File::open(file).unwrap()).output().unwrap();
    let said = [check.stdout, check.stderr].concat();
    assert!(check.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

/// Series that counts lost lines.
const LOST: &str = "forgesyted_log_lines_lost_total";

/// A daemon whose log goes where the line of shell says, at an address that is known all the same.
fn with_log_at(line: &str) -> (Builder, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let line = format!("exec 3<&0 </dev/null; {line}; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"");
    (Daemon::builder().env("FORGESYTED_LOG", "debug").pass(socket, 1).wrapped(&line), address)
}

/// Sends what is no HTTP, each of which is a line at the level `debug`, until lines of the log were lost.
fn lose_lines(address: SocketAddr) {
    wait::until("lines of the log to be lost", || {
        for _ in 0..50 {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"no HTTP\r\n\r\n").unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        }
        Metrics::parse(&http::get(address, "/metrics").body).value(LOST) > 0.0
    });
}

#[test]
fn a_log_that_nobody_reads_stalls_nothing_and_says_what_is_missing() {
    for read_again in [true, false] {
        let (builder, address) = with_log_at(":");
        let (reader, writer) = std::io::pipe().unwrap();
        let mut child = builder.words("serve", &[]).stderr(writer).spawn().unwrap();
        lose_lines(address);
        assert_eq!(http::get(address, "/readyz").status, 200);
        let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
        if read_again {
            let lost = |line: &String| line.contains(r#""event":"log_lines_lost""#);
            let line: Value = serde_json::from_str(&lines.by_ref().find(lost).unwrap()).unwrap();
            assert!(line["lines"].as_u64().unwrap() > 0 && line["level"] == "warn", "{line}");
        }
        kill_process(Pid::from_child(&child), forgesyted_tests::Signal::TERM).unwrap();
        if read_again {
            assert!(lines.any(|line| line.contains(r#""event":"stopped""#)), "the last lines are written");
        }
        let status = wait::until_some("the daemon's end", || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "read again: {read_again}");
    }
}

#[test]
fn a_log_file_at_its_size_limit_costs_lines_only() {
    let folder = Folder::new();
    let file = folder.path().join("log");
    // Blocks of 512 bytes.
    let (builder, address) = with_log_at(&format!("exec 2>>{}; ulimit -f 8", file.display()));
    let daemon = builder.spawn();
    lose_lines(address);
    assert!(std::fs::metadata(&file).unwrap().len() <= 8 * 512);
    // There is room again.
    std::fs::OpenOptions::new().write(true).truncate(true).open(&file).unwrap();
    Client::connect(address, "pipeline_id=noop").ask(&frames::white());
    wait::until("the line that says what is missing", || {
        std::fs::read_to_string(&file).unwrap().contains(r#""event":"log_lines_lost""#)
    });
    assert_eq!(daemon.stop(), 0);
}
