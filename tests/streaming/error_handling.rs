//! Every way in which a session, a pipeline file or a start can fail: the right words to the right reader, and everyone else
//! served.

use std::net::TcpListener;

use forgesyted_tests::builder::measure_node;
use forgesyted_tests::client::{Received, outcomes};
use forgesyted_tests::modules::{self, module};
use forgesyted_tests::raw::{Raw, announce};
use forgesyted_tests::{Daemon, frames, wait};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

#[test]
fn an_error_comes_after_the_answers_and_is_the_last() {
    let (builder, gate) = Daemon::builder().env("STREAM_MAX_FRAME_SIZE_MB", "0.01").held();
    let daemon = builder.start();
    let too_large = vec![0xFF; 20_000];
    for (round, message, code, close_code) in [
        (1, Message::text("{}"), "invalid_message", 1003),
        (2, Message::binary(&b"no JPEG"[..]), "invalid_frame", 1007),
        (3, Message::binary(too_large), "frame_too_large", 1009),
    ] {
        let errors = daemon.metrics().errors(code);
        let mut client = gate.three_frames(&daemon, "held");
        client.send_message(message);
        // The session is ending, and waits for the frame that runs; frames sent after the error are answered by nothing.
        client.try_send(&frames::black());
        wait::until("the waiting frames to be given up", || daemon.sessions()[0]["waiting_frames"] == 0);
        gate.open();
        let (before, _) = client.ends_in(code, close_code);
        assert_eq!(outcomes(&before), [(1, true), (2, false), (3, false)], "{code}");
        drop(client);
        daemon.wait_sessions(0);
        assert_eq!(daemon.metrics().errors(code), errors + 1);
        let logged = |event| daemon.events().wait_count(event, round).pop().unwrap();
        assert_eq!(logged("stream_disconnect")["close_code"], close_code);
        assert_eq!(logged("stream_error")["code"], code);
    }
}

#[test]
fn a_module_that_raises_ends_its_session_and_no_other() {
    let (builder, gate) = Daemon::builder().model("raises", &modules::raises_on_bright()).held();
    let held = std::fs::read_to_string(builder.path().join("pipelines/held.toml")).unwrap();
    let daemon = builder
        .file(
            "pipelines/both.toml",
            held.replace("id = \"held\"\n[[", "id = \"both\"\n[[") + &measure_node("raises", "inputs = [\"held\"]"),
        )
        .start();
    let mut bystander = daemon.client("both");
    bystander.ask(&frames::black());

    let mut client = daemon.client("both");
    client.ask(&frames::black());
    gate.close();
    let started = gate.started();
    client.send(&frames::white());
    gate.wait_started(started, 1);
    (0..3).for_each(|_| client.send(&frames::black()));
    wait::until("three frames to wait", || daemon.sessions()[1]["waiting_frames"] == 3);
    gate.open();
    let (before, detail) = client.ends_in("pipeline_failure", 1011);
    assert!(before.is_empty(), "frames after the one that failed are answered by nothing: {before:?}");
    assert!(detail.contains("\"raises\""), "it names the node: {detail}");
    assert!(!detail.contains("secret") && !detail.contains("too bright"), "{detail}");

    let failure = daemon.events().wait_for("pipeline_failure");
    assert_eq!(
        (&failure["node"], &failure["frame_index"], &failure["pipeline_id"]),
        (&json!("raises"), &json!(2), &json!("both"))
    );
    let logged = failure["err"].as_str().unwrap();
    assert!(logged.contains("too bright") && logged.chars().count() <= 400 && !logged.contains('\n'), "{logged}");
    drop(client);
    daemon.wait_sessions(1);
    let metrics = daemon.metrics();
    assert_eq!(
        (metrics.frames("received", "both"), metrics.frames("processed", "both"), metrics.frames("discarded", "both")),
        (6, 2, 4)
    );
    bystander.ask(&frames::black());
    daemon.client("both").ask(&frames::black());
}

#[test]
fn text_that_is_no_text_is_a_text_message_too() {
    let daemon = Daemon::builder().start();
    let mut raw = Raw::upgrade(daemon.address(), "pipeline_id=noop");
    raw.send_frame(0x81, &[0xFF, 0xFE]);
    assert!(raw.next_frame().unwrap().payload.starts_with(br#"{"error":"invalid_message""#));
    assert_eq!(raw.next_frame().unwrap().close_code(), 1003);
}

#[test]
fn breaking_the_websocket_protocol_is_closed_as_such() {
    let daemon = Daemon::builder().start();
    let mut bystander = daemon.client("noop");
    let masked = |first: u8, payload: &[u8]| {
        [announce(first, payload.len() as u64, true), vec![0; 4], payload.to_vec()].concat()
    };
    let violations = [
        ("not masked", [announce(0x82, 4, false), vec![0xFF, 0xD8, 0xFF, 0xD9]].concat()),
        ("reserved bit", masked(0xC2, b"x")),
        ("reserved opcode", masked(0x83, b"x")),
        ("continuation of nothing", masked(0x80, b"x")),
        ("a message within a message", [masked(0x02, b"x"), masked(0x82, b"x")].concat()),
        ("a ping in fragments", masked(0x09, b"x")),
        ("a ping too long", masked(0x89, &[0; 126])),
        ("a close code of one byte", masked(0x88, &[3])),
    ];
    let count = violations.len();
    for (what, bytes) in violations {
        let mut raw = Raw::upgrade(daemon.address(), "pipeline_id=noop");
        raw.send(&bytes);
        let close = raw.next_frame().unwrap_or_else(|| panic!("{what}: no close frame"));
        assert_eq!(close.close_code(), 1002, "{what}");
        assert!(raw.next_frame().is_none());
    }
    bystander.ask(&frames::camera());
    let ends = daemon.events().wait_count("stream_disconnect", count);
    assert!(ends.iter().all(|end| end["close_code"] == 1002), "{ends:?}");
}

#[test]
fn a_close_whose_reason_is_no_text_is_answered_so() {
    let daemon = Daemon::builder().replay("yard", &[frames::white()], "pipeline = \"noop\"\n").start();
    for path in ["/ws/video/stream?pipeline_id=noop", "/ws/watch?camera=yard"] {
        for reason in [&[0xFF, 0xFE][..], b"cut \xE2\x82"] {
            let mut raw = Raw::upgrade_at(daemon.address(), path);
            raw.send_frame(0x88, &[&1000_u16.to_be_bytes(), reason].concat());
            let close = std::iter::from_fn(|| raw.next_frame()).find(|frame| frame.opcode == 8);
            assert_eq!(close.map(|frame| frame.close_code()), Some(1007), "{path} {reason:?}");
        }
    }
    let ends = daemon.events().wait_count("stream_disconnect", 2);
    assert!(ends.iter().all(|end| end["close_code"] == 1007), "{ends:?}");
}

#[test]
fn a_watcher_that_breaks_rules_is_told() {
    let daemon = Daemon::builder().camera("yard", "replay:nothing", "pipeline = \"noop\"\n").start();
    for (first, payload, code) in
        [(0x83, &b"x"[..], 1002), (0x81, b"hello", 1003), (0x81, &[0xFF], 1003), (0x82, &[0; 5000], 1003)]
    {
        let mut raw = Raw::upgrade_at(daemon.address(), "/ws/watch?camera=yard");
        raw.send_frame(first, payload);
        let close = std::iter::from_fn(|| raw.next_frame()).find(|frame| frame.opcode == 8);
        assert_eq!(close.map(|frame| frame.close_code()), Some(code), "{first:#x}");
    }
}

#[test]
fn fragments_pings_and_the_closing_handshake() {
    let daemon = Daemon::builder().start();
    let mut raw = Raw::upgrade(daemon.address(), "pipeline_id=noop");
    let jpeg = frames::camera();
    let (start, rest) = jpeg.split_at(10);
    let (middle, end) = rest.split_at(300);
    raw.send_frame(0x02, start);
    raw.send_frame(0x89, b"between fragments");
    raw.send_frame(0x00, middle);
    raw.send_frame(0x00, b"");
    raw.send_frame(0x80, end);
    let pong = raw.next_frame().unwrap();
    assert_eq!((pong.opcode, &pong.payload[..]), (10, &b"between fragments"[..]));
    assert_eq!(raw.next_frame().unwrap().payload, br#"{"frame_index":1,"result":{}}"#);
    raw.send_frame(0x8A, b"a pong that nobody asked for");
    raw.send_frame(0x82, &jpeg);
    assert_eq!(raw.next_frame().unwrap().payload, br#"{"frame_index":2,"result":{}}"#);
    raw.send_frame(0x88, &[]);
    let close = raw.next_frame().unwrap();
    assert_eq!((close.opcode, close.payload.len()), (8, 0), "no code is echoed as no code");
    assert!(raw.next_frame().is_none());

    for code in [1000, 1001, 4321] {
        let mut client = daemon.client("noop");
        client.ask(&jpeg);
        assert_eq!(client.close(code), code);
        wait::until("the end in the log", || {
            daemon.events().of_kind("stream_disconnect").last().is_some_and(|end| end["close_code"] == code)
        });
    }
    assert_eq!(daemon.events().of_kind("stream_error"), Vec::<Value>::new(), "a client may leave");
    let mut client = daemon.client("noop");
    client.send_message(Message::Ping(vec![7; 125].into()));
    assert_eq!(client.receive(), Received::Pong(vec![7; 125]));
}

#[test]
fn a_client_that_vanishes_leaves_nothing_behind() {
    let (builder, gate) = Daemon::builder().held();
    let daemon = builder.start();
    let mut raw = Raw::upgrade(daemon.address(), "pipeline_id=held");
    raw.send(&announce(0x82, 5000, true));
    raw.send(&[0; 100]);
    drop(raw);
    let end = daemon.events().wait_for("stream_disconnect");
    assert_eq!((&end["close_code"], &end["frame_index"]), (&json!(1006), &json!(0)));
    // With a frame running, and others waiting.
    drop(gate.three_frames(&daemon, "held"));
    daemon.wait_sessions(0);
    let mut next = daemon.client("held");
    next.send(&frames::white());
    gate.open();
    assert_eq!(next.recv()["result"]["brightness"], 1.0, "the next session gets its own result");
    let metrics = daemon.metrics();
    let [received, processed, discarded] =
        ["received", "processed", "discarded"].map(|what| metrics.frames(what, "held"));
    assert_eq!((received, processed + discarded, metrics.frames("dropped", "held")), (4, 4, 0));
    assert_eq!(metrics.value("stream_sessions_active{pipeline=\"held\",source=\"websocket\"}"), 1.0);
}

#[test]
fn a_client_that_never_reads_is_closed() {
    let many = module("Tensor", "return torch.rand([4096], dtype=7)");
    let daemon = Daemon::builder().setting("stream.send_timeout_s", 1).measure("many", &many).start();
    let mut bystander = daemon.client("noop");
    bystander.ask(&frames::white());
    let before = daemon.resident_bytes();
    let mut deaf = daemon.client("many");
    let sender = std::thread::spawn(move || {
        let jpeg = frames::white();
        while deaf.try_send(&jpeg) {}
    });
    let end = wait::until_some("the deaf client's end", || {
        bystander.ask(&frames::white());
        daemon.events().of_kind("stream_disconnect").pop()
    });
    assert_eq!((&end["close_code"], &end["pipeline_id"]), (&json!(1006), &json!("many")));
    sender.join().unwrap();
    bystander.ask(&frames::white());
    let grown = daemon.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "memory grew by {grown} bytes");
    daemon.client("many").ask(&frames::white());
}

#[test]
fn a_client_that_does_not_read_is_held_back() {
    let many = module("Tensor", "return torch.rand([4096], dtype=7)");
    let daemon = Daemon::builder().setting("stream.send_timeout_s", 3600).measure("many", &many).start();
    let before = daemon.resident_bytes();
    let mut deaf = daemon.client("many");
    deaf.stream().set_write_timeout(Some(std::time::Duration::from_secs(1))).unwrap();
    let jpeg = frames::white();
    let sent = (0..300_000).take_while(|_| deaf.try_send(&jpeg)).count();
    assert!(sent < 300_000, "the daemon reads on and on");
    let grown = daemon.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "memory grew by {grown} bytes");
    let mut other = daemon.client("many");
    other.ask(&jpeg);
    assert_eq!(daemon.sessions().len(), 2, "it is held back, not closed");
}

#[test]
fn a_slow_reader_loses_nothing() {
    // 6000 replies are owed before the first is read: more than may be owed at once, so the daemon reads on as room comes.
    let daemon = Daemon::builder().start();
    let address = daemon.address();
    let mut writer = Raw::upgrade(address, "pipeline_id=noop");
    let jpeg = frames::solid(8, 8, [9; 3]);
    (0..6000).for_each(|_| writer.send_frame(0x82, &jpeg));
    let mut messages = Vec::new();
    while outcomes(&messages).len() < 6000 {
        messages.push(serde_json::from_slice(&writer.next_frame().unwrap().payload).unwrap());
    }
    let replies = outcomes(&messages);
    assert!(replies.iter().zip(1..).all(|((index, _), expected)| *index == expected), "no gap, no repeat");
    assert!(replies[5999].1, "the newest has a result");
}

#[test]
fn a_broken_pipeline_file_is_left_out_and_said_to_be() {
    let good = module("float", "return 1.0");
    let measure = |id: &str, node: &str| format!("id = \"{id}\"\n[[node]]\nid = \"n\"\nkind = \"measure\"\n{node}\n");
    let noop = |id: &str, more: &str| format!("id = \"{id}\"\n[[node]]\nid = \"n\"\nkind = \"noop\"\n{more}\n");
    let cases: Vec<(&str, String, Vec<&str>)> = vec![
        ("no-toml", "id = \"a\"\nid".to_owned(), vec!["line 2"]),
        ("unknown-key", format!("idd = \"x\"\n{}", noop("a", "")), vec!["line 1", "idd"]),
        ("unknown-node-key", noop("a", "modle = \"x.pt\""), vec!["\"n\"", "modle"]),
        ("wrong-type", noop("a", "inputs = \"n\""), vec!["line 5"]),
        ("wrong-setting-type", measure("a", "model = \"good.pt\"\ninput_size = \"big\""), vec!["\"n\""]),
        ("out-of-range", measure("a", "model = \"good.pt\"\ninput_size = [0, 10]"), vec!["\"n\"", "input_size"]),
        ("negative", measure("a", "model = \"good.pt\"\ninput_size = [-1, 10]"), vec!["\"n\""]),
        ("no-nodes", "id = \"a\"\n".to_owned(), vec!["[[node]]"]),
        ("no-id", "name = \"a\"\n".to_owned(), vec!["id"]),
        ("bad-id", noop("a b", ""), vec!["a b"]),
        ("reserved-id", "id = \"a\"\n[[node]]\nid = \"total\"\nkind = \"noop\"\n".to_owned(), vec!["\"total\""]),
        (
            "unknown-kind",
            "id = \"a\"\n[[node]]\nid = \"n\"\nkind = \"dance\"\n".to_owned(),
            vec!["\"n\"", "dance", "measure", "noop"],
        ),
        ("unknown-input", noop("a", "inputs = [\"ghost\"]"), vec!["\"n\"", "ghost"]),
        ("self-cycle", noop("a", "inputs = [\"n\"]"), vec!["cycle", "n → n"]),
        (
            "cycle",
            format!("{}inputs = [\"m\"]\n[[node]]\nid = \"m\"\nkind = \"noop\"\ninputs = [\"n\"]\n", noop("a", "")),
            vec!["cycle", "n", "m"],
        ),
        ("twice", format!("{}[[node]]\nid = \"n\"\nkind = \"noop\"\n", noop("a", "")), vec!["\"n\"", "twice"]),
        ("no-model", measure("a", ""), vec!["\"n\"", "model"]),
        ("missing-model", measure("a", "model = \"gone.pt\""), vec!["\"n\"", "gone.pt", "models"]),
        ("corrupt-model", measure("a", "model = \"corrupt.pt\""), vec!["\"n\"", "corrupt.pt", "TorchScript"]),
        ("cut-model", measure("a", "model = \"cut.pt\""), vec!["\"n\"", "cut.pt"]),
        ("bad-source", measure("a", "model = \"source.pt\""), vec!["\"n\"", "source.pt"]),
        ("fails", measure("a", "model = \"fails.pt\""), vec!["\"n\"", "sample frame", "never works"]),
        ("same-id", noop("noop", ""), vec!["noop"]),
    ];
    let archive = modules::archive("good", &good);
    let mut builder = Daemon::builder()
        .measure("good", &good)
        .file("models/corrupt.pt", b"not a zip at all")
        .file("models/cut.pt", &archive[..archive.len() / 2])
        .model("source", &module("float", "return torch.nonsense(x)"))
        .model("fails", &module("float", "ops.prim.RaiseException(\"never works\")\nreturn 1.0"));
    for (name, text, _) in &cases {
        // Each of its own: in one folder, the first of an id is the only one.
        let text = text.replacen("id = \"a\"", &format!("id = \"{name}\""), 1);
        builder = builder.file(&format!("pipelines/zz-{name}.toml"), text);
    }
    let check = builder.run("check");
    let said = String::from_utf8(check.stdout).unwrap();
    assert_eq!(check.status.code(), Some(1), "{said}");
    assert!(said.contains("pipeline good (") && said.contains("pipeline noop ("), "{said}");

    let daemon = builder.start();
    let rejected = daemon.events().of_kind("pipeline_rejected");
    assert_eq!(rejected.len(), cases.len(), "{rejected:#?}");
    for (name, _, parts) in &cases {
        let file = format!("zz-{name}.toml");
        let event = rejected.iter().find(|event| event["file"].as_str().unwrap().ends_with(&file));
        let reason = event.unwrap_or_else(|| panic!("{file} is not reported"))["err"].as_str().unwrap();
        assert!(!reason.is_empty() && !reason.contains('\n') && reason.len() < 1000, "{file}: {reason}");
        for part in parts {
            assert!(reason.contains(part), "{file} does not say {part}: {reason}");
        }
        assert!(said.contains(&format!("{file}: {reason}")), "check does not say the same of {file}: {said}");
    }
    assert_eq!(daemon.get("/v1/pipelines").json()["rejected"].as_array().unwrap().len(), cases.len());
    daemon.client("good").ask(&frames::camera());
    daemon.client("noop").ask(&frames::camera());
    daemon.client("fails").ends_in("invalid_pipeline", 1008);
}

#[test]
fn a_bad_configuration_names_every_problem_and_does_not_start() {
    let config =
        "[stream]\ndrop_threshold = 1.5\nmax_waiting_frames = \"four\"\n\n[sream]\nx = 1\n[server]\nport = 1\n";
    let builder = || Daemon::builder().config(config).env("STREAM_MAX_SESSIONS", "-1").env("FORGESYTED_DEVICE", "tpu");
    let parts = [
        ("forgesyted.toml:2", "stream.drop_threshold"),
        ("forgesyted.toml:3", "stream.max_waiting_frames"),
        ("forgesyted.toml:5", "sream"),
        ("forgesyted.toml:8", "server.port"),
        ("environment variable STREAM_MAX_SESSIONS", "-1"),
        ("environment variable FORGESYTED_DEVICE", "tpu"),
    ];
    let daemon = builder().spawn();
    assert_eq!(daemon.wait_exit(), 78);
    let problems = daemon.events().of_kind("config_rejected");
    assert_eq!(problems.len(), parts.len(), "{problems:#?}");
    let check = builder().run("check");
    let said = String::from_utf8(check.stdout).unwrap();
    assert_eq!(check.status.code(), Some(1));
    for (place, part) in parts {
        let is_said = |text: &str| text.contains(place) && text.contains(part);
        assert!(problems.iter().any(|problem| is_said(problem["message"].as_str().unwrap())), "{place}: {problems:#?}");
        assert!(said.lines().any(is_said), "{place}: {said}");
    }
    let daemon = Daemon::builder().config("= no TOML").spawn();
    assert_eq!(daemon.wait_exit(), 78);
}

#[test]
fn a_port_in_use_is_said_in_a_sentence() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let daemon = Daemon::builder().env("FORGESYTED_LISTEN", address).spawn();
    assert_eq!(daemon.wait_exit(), 1);
    let failed = daemon.events().wait_for("start_failed");
    let sentence = failed["message"].as_str().unwrap();
    assert!(sentence.contains(&address.to_string()) && sentence.contains("Another program"), "{sentence}");
}
