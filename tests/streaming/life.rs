//! Start, reload, watchdog and stop.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use forgesyted_tests::client::{Received, outcomes};
use forgesyted_tests::modules::{self, module};
use forgesyted_tests::notify::NotifySocket;
use forgesyted_tests::{Builder, Client, Daemon, Gate, Signal, frames, wait};
use serde_json::{Value, json};

/// A client whose first frame runs and whose second and third wait.
fn three_frames(daemon: &Daemon, gate: &Gate) -> Client {
    let client = gate.three_frames(daemon, "held");
    wait::until("two frames to wait", || daemon.sessions()[0]["waiting_frames"] == 2);
    client
}

#[test]
fn a_stop_answers_what_runs_and_exits_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let (builder, gate) = Daemon::builder().held();
        let daemon = builder.start();
        let mut idle = daemon.client("noop");
        idle.ask(&frames::white());
        wait::until("one session", || daemon.sessions().len() == 1);
        drop(idle);
        daemon.wait_sessions(0);
        let mut client = three_frames(&daemon, &gate);
        let mut idle = daemon.client("noop");
        daemon.wait_sessions(2);
        daemon.signal(signal);
        daemon.events().wait_for("stopping");
        idle.ends_in("shutting_down", 1001);
        gate.open();
        let (before, _) = client.ends_in("shutting_down", 1001);
        assert_eq!(outcomes(&before), [(1, true), (2, false), (3, false)]);
        drop((client, idle));
        assert_eq!(daemon.wait_exit(), 0);
        let ends = daemon.events().of_kind("stream_disconnect");
        assert_eq!(ends.iter().filter(|end| end["close_code"] == 1001).count(), 2);
        assert_eq!(daemon.events().of_kind("stopped")[0]["all_ended"], true);
    }
}

#[test]
fn a_stop_answers_who_has_connected_and_waits_for_nobody_long() {
    let daemon = Daemon::builder().start();
    let connect = || TcpStream::connect(daemon.address()).unwrap();
    let (mut late, mut halfway, silent) = (connect(), connect(), connect());
    halfway.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    // Connections are accepted in their order.
    assert_eq!(daemon.get("/healthz").status, 200);
    daemon.signal(Signal::TERM);
    daemon.events().wait_for("stopping");
    late.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    for stream in [&mut late, &mut halfway] {
        stream.write_all(b"Host: test\r\n\r\n").unwrap();
        let mut answer = String::new();
        // Nothing asks for that, but the connection ends with the answer.
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok\n"), "{answer}");
    }
    assert_eq!(daemon.wait_exit(), 0);
    assert_eq!(daemon.events().of_kind("stopped")[0]["all_ended"], true);
    drop(silent);
}

#[test]
fn a_frame_that_runs_too_long_does_not_hold_up_the_exit() {
    let daemon = Daemon::builder().measure("hangs", &modules::hangs_on_white()).start();
    let mut client = daemon.client("hangs");
    client.send(&frames::black());
    client.recv();
    (0..3).for_each(|_| client.send(&frames::white()));
    wait::until("a frame to run", || {
        let session = &daemon.sessions()[0];
        session["frame_index"] == 4 && session["waiting_frames"] == 2
    });
    daemon.signal(Signal::TERM);
    // The frame that hangs gets no answer, so those behind it get none: the error is all that comes.
    let (before, _) = client.ends_in("shutting_down", 1001);
    assert!(before.is_empty(), "{before:?}");
    drop(client);
    assert_eq!(daemon.wait_exit(), 0);
    assert_eq!(daemon.events().of_kind("stopped")[0]["all_ended"], false);
}

#[test]
fn a_second_signal_exits_at_once() {
    let (builder, gate) = Daemon::builder().held();
    let daemon = builder.start();
    let client = three_frames(&daemon, &gate);
    daemon.signal(Signal::TERM);
    daemon.events().wait_for("stopping");
    daemon.signal(Signal::INT);
    assert_eq!(daemon.wait_exit(), 128 + 2);
    assert!(daemon.events().of_kind("stopped").is_empty(), "it did not wait for the frame");
    drop(client);
}

#[test]
fn a_stop_while_models_load_is_a_stop() {
    let (builder, gate) = Daemon::builder().held();
    gate.close();
    let daemon = builder.spawn();
    gate.wait_started(0, 1);
    daemon.address();
    wait::until("health", || daemon.get("/healthz").status == 200);
    assert_eq!(daemon.stop(), 0);
    assert!(daemon.events().of_kind("ready").is_empty());
}

#[test]
fn a_sensor_that_hangs_holds_up_neither_a_reload_nor_a_stop() {
    let builder = Daemon::builder().file("zones/thermal_zone0/type", "stuck\n");
    let zones = builder.path().join("zones");
    // Whoever opens the pipe waits for somebody to write to it.
    let hidden = format!(
        "exec unshare --map-root-user --mount sh -c 'cd {0}/thermal_zone0; test -p temp || mkfifo temp; mount --bind {0} /sys/class/thermal && \
         exec \"$0\" \"$@\"'",
        zones.display()
    );
    let allowed = Command::new("sh").args(["-c", &format!("{hidden} true")]).status().unwrap();
    if !allowed.success() {
        println!("skipped: this system lets no test put a sensor into /sys");
        return;
    }
    let daemon = builder.wrapped(&format!("{hidden} \"$@\"")).start();
    for path in ["/metrics", "/v1/board"].repeat(4) {
        let mut impatient = TcpStream::connect(daemon.address()).unwrap();
        impatient.write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes()).unwrap();
        // Connections are served in their order, and so are their ends.
        assert_eq!(daemon.get("/healthz").status, 200);
        drop(impatient);
        assert_eq!(daemon.get("/healthz").status, 200);
    }
    daemon.reload("config_reloaded");
    daemon.client("noop").ask(&frames::white());
    assert_eq!(daemon.stop(), 0);
    assert_eq!(daemon.events().of_kind("stopped")[0]["all_ended"], true);
}

/// Rewrites a file of the daemon and has it read again.
fn reload(daemon: &Daemon, event: &str, name: &str, content: impl AsRef<[u8]>) -> Value {
    daemon.folder().write(name, content);
    daemon.reload(event)
}

fn config_of(daemon: &Daemon) -> String {
    fs::read_to_string(daemon.file("forgesyted.toml")).unwrap()
}

#[test]
fn a_reload_applies_thresholds_to_live_sessions_too() {
    let daemon = Daemon::builder().setting("stream.drop_threshold", 0.2).start();
    let mut client = daemon.client("noop");
    client.ask(&frames::white());
    assert_eq!(daemon.sessions()[0]["drop_threshold"], 0.2);
    let config = config_of(&daemon);
    let reloaded = reload(
        &daemon,
        "config_reloaded",
        "forgesyted.toml",
        config.replace("0.2", "0.25").replace("[server]", "[server]\nmax_connections = 77"),
    );
    assert_eq!(daemon.sessions()[0]["drop_threshold"], 0.25);
    assert_eq!(reloaded["restart_needed"], "server.max_connections", "it says what waits for a restart");
    client.ask(&frames::white());
    // A limit for new sessions.
    reload(
        &daemon,
        "config_reloaded",
        "forgesyted.toml",
        config.replace("drop_threshold", "max_sessions = 1\ndrop_threshold"),
    );
    daemon.client("noop").ends_in("too_many_sessions", 1013);
    client.ask(&frames::white());
}

#[test]
fn a_reload_of_a_broken_configuration_changes_nothing() {
    let daemon = Daemon::builder().setting("stream.drop_threshold", 0.2).start();
    let mut client = daemon.client("noop");
    let good = config_of(&daemon);
    let bad = good.replace("drop_threshold = 0.2", "drop_threshold = 0.25\nslowdown_threshold = 7");
    daemon.folder().write("pipelines/new.toml", "id = \"new\"\n[[node]]\nid = \"n\"\nkind = \"noop\"\n");
    let rejected = reload(&daemon, "config_rejected", "forgesyted.toml", bad);
    let message = rejected["message"].as_str().unwrap();
    assert!(message.contains("slowdown_threshold") && message.contains("forgesyted.toml:"), "{message}");
    assert_eq!(daemon.sessions()[0]["drop_threshold"], 0.2);
    client.ask(&frames::white());
    daemon.client("new").ends_in("invalid_pipeline", 1008);
    // And it recovers.
    reload(&daemon, "config_reloaded", "forgesyted.toml", good);
    daemon.client("new").ask(&frames::white());
}

#[test]
fn a_reload_swaps_pipelines_and_sessions_keep_theirs() {
    let value = |value: f64| module("float", &format!("return {value:?}"));
    let archive = |v: f64| modules::archive("yard", &value(v));
    let daemon = Daemon::builder().measure("yard", &value(1.0)).start();
    let mut old = daemon.client("yard");
    assert_eq!(old.ask(&frames::white()), json!({"yard": 1.0}));
    let toml = fs::read_to_string(daemon.file("pipelines/yard.toml")).unwrap();

    // A new model under the same name.
    reload(&daemon, "config_reloaded", "models/yard.pt", archive(2.0));
    assert_eq!(daemon.client("yard").ask(&frames::white()), json!({"yard": 2.0}));
    assert_eq!(old.ask(&frames::white()), json!({"yard": 1.0}), "a session keeps what it started with");

    // A broken file keeps the pipeline that served; so does a broken model.
    let rejected = reload(&daemon, "pipeline_rejected", "pipelines/yard.toml", "id = \"yard\"\nkind = 1\n");
    assert!(rejected["file"].as_str().unwrap().ends_with("yard.toml"));
    daemon.events().wait_count("config_reloaded", 2);
    assert_eq!(daemon.client("yard").ask(&frames::white()), json!({"yard": 2.0}));
    assert_eq!(daemon.get("/v1/pipelines").json()["rejected"], json!(["yard.toml"]));
    reload(&daemon, "config_reloaded", "pipelines/yard.toml", &toml);
    reload(&daemon, "config_reloaded", "models/yard.pt", b"garbage");
    assert_eq!(daemon.client("yard").ask(&frames::white()), json!({"yard": 2.0}));

    // A file that is gone takes its pipeline with it; live sessions go on.
    daemon.folder().write("models/yard.pt", archive(3.0));
    reload(&daemon, "config_reloaded", "pipelines/other.toml", toml.replace("id = \"yard\"\n[[", "id = \"other\"\n[["));
    fs::remove_file(daemon.file("pipelines/yard.toml")).unwrap();
    reload(&daemon, "config_reloaded", "pipelines/readme.txt", "");
    daemon.client("yard").ends_in("invalid_pipeline", 1008);
    assert_eq!(daemon.client("other").ask(&frames::white()), json!({"yard": 3.0}));
    assert_eq!(old.ask(&frames::white()), json!({"yard": 1.0}));
}

#[test]
fn sessions_are_served_while_models_load_again() {
    let (builder, gate) = Daemon::builder().held();
    let daemon = builder.start();
    let mut client = daemon.client("noop");
    gate.close();
    let started = gate.started();
    let toml = fs::read_to_string(daemon.file("pipelines/held.toml")).unwrap();
    daemon.folder().write("pipelines/held.toml", toml + "\n# changed\n");
    daemon.signal(Signal::HUP);
    gate.wait_started(started, 1);
    client.ask(&frames::white());
    daemon.client("noop").ask(&frames::white());
    assert_eq!(daemon.get("/readyz").status, 200);
    gate.open();
    daemon.events().wait_for("config_reloaded");
}

/// A builder whose daemon tells a fake service manager.
fn notifying(builder: Builder) -> (Builder, NotifySocket) {
    let path = builder.path().join("notify");
    let socket = NotifySocket::bind(&path);
    (builder.env("NOTIFY_SOCKET", path.display()), socket)
}

#[test]
fn the_service_manager_is_told_of_each_step() {
    let (builder, gate) = Daemon::builder().held();
    let (builder, mut manager) = notifying(builder);
    gate.close();
    let daemon = builder.spawn();
    gate.wait_started(0, 1);
    assert_eq!(manager.count("READY=1"), 0, "not before models are warm");
    gate.open();
    manager.wait_for("READY=1", 1);
    assert!(manager.seen().iter().any(|line| line == "STATUS=serving held, noop"), "{:?}", manager.seen());
    daemon.signal(Signal::HUP);
    manager.wait_for("READY=1", 2);
    assert_eq!(manager.count("RELOADING=1"), 1);
    assert!(manager.seen().iter().any(|line| line.starts_with("MONOTONIC_USEC=")), "{:?}", manager.seen());
    daemon.folder().write("forgesyted.toml", "broken");
    daemon.signal(Signal::HUP);
    manager.wait_for("READY=1", 3);
    let said = manager.seen().iter().rfind(|line| line.starts_with("STATUS=")).unwrap();
    assert!(said.contains("refused"), "{said}");
    assert_eq!(daemon.stop(), 0);
    assert_eq!(manager.count("STOPPING=1"), 1);
    assert_eq!(manager.seen().iter().filter(|line| *line == "READY=1").count(), 3);
}

#[test]
fn the_watchdog_is_fed_until_a_model_hangs() {
    for pid in ["WATCHDOG_PID=$$", "X=1"] {
        let builder = Daemon::builder().measure("hangs", &modules::hangs_on_white()).env("WATCHDOG_USEC", 2_000_000);
        let (builder, mut manager) = notifying(builder);
        // The manager's variable names the process itself.
        let daemon = builder.wrapped(&format!("{pid} exec \"$@\"")).start();
        manager.wait_for("WATCHDOG=1", 2);
        let mut client = daemon.client("hangs");
        client.send(&frames::white());
        wait::until("a frame to run", || {
            let session = &daemon.sessions()[0];
            session["frame_index"] == 1 && session["waiting_frames"] == 0
        });
        // At most one more: the round in which the frame was taken.
        let mut last = (manager.count("WATCHDOG=1"), std::time::Instant::now());
        wait::until("two seconds, the manager's limit, without a beat", || {
            let count = manager.count("WATCHDOG=1");
            if count != last.0 {
                last = (count, std::time::Instant::now());
            }
            last.1.elapsed().as_secs() >= 2
        });
        // Everything else still answers: only the beat is missing.
        assert_eq!(daemon.get("/healthz").status, 200);
    }
}

#[test]
fn a_closed_client_costs_no_time_at_the_stop() {
    let daemon = Daemon::builder().start();
    let mut clients: Vec<Client> = (0..20).map(|_| daemon.client("noop")).collect();
    clients.iter_mut().for_each(|client| drop(client.ask(&frames::white())));
    daemon.signal(Signal::TERM);
    for mut client in clients {
        client.ends_in("shutting_down", 1001);
        assert_eq!(client.receive(), Received::End);
    }
    assert_eq!(daemon.wait_exit(), 0);
}

/// What is said about how libtorch's threads wait, to the program that loads it.
fn waiting_policy(daemon: &Daemon) -> Vec<String> {
    let openmp = |entry: &String| ["OMP_", "GOMP_", "KMP_"].iter().any(|prefix| entry.starts_with(prefix));
    daemon.environment().into_iter().filter(openmp).collect()
}

#[test]
fn the_threads_of_libtorch_sleep_while_they_wait_and_a_reload_asked_for_meanwhile_ends_nothing() {
    let daemon = Daemon::builder().spawn();
    // It starts itself again for it, in the same process, and loads libtorch then.
    wait::until("a waiting policy", || waiting_policy(&daemon) == ["OMP_WAIT_POLICY=PASSIVE"]);
    daemon.signal(Signal::HUP);
    daemon.wait_ready();
    daemon.client("noop").ask(&frames::white());
    assert!(daemon.events().of_kind("waiting_policy").is_empty());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_operator_says_how_threads_wait() {
    for (name, value) in [("OMP_WAIT_POLICY", "ACTIVE"), ("GOMP_SPINCOUNT", "100")] {
        let daemon = Daemon::builder().env(name, value).start();
        assert_eq!(waiting_policy(&daemon), [format!("{name}={value}")]);
        assert_eq!(daemon.stop(), 0);
    }
}

#[test]
fn a_program_that_cannot_start_itself_again_goes_on_and_says_so() {
    let without_proc = "exec unshare --map-root-user --mount sh -c 'mount -t tmpfs none /proc && exec \"$0\" \"$@\"'";
    let allowed = Command::new("sh").args(["-c", &format!("{without_proc} true")]).status().unwrap();
    if !allowed.success() {
        println!("skipped: this system lets no test hide /proc");
        return;
    }
    let check = Daemon::builder().wrapped(&format!("{without_proc} \"$@\"")).run("check");
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(said.starts_with("forgesyted: libtorch's threads spin while they wait"), "{said}");
    assert_eq!(check.status.code(), Some(0), "{check:?}");
}
