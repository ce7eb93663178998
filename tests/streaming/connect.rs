//! Getting a session, or the reason why not.

use std::io::{Read, Write};
use std::net::TcpStream;

use forgesyted_tests::raw::Raw;
use forgesyted_tests::{Client, Daemon, frames, http};
use serde_json::Value;

/// A client that is refused: its error is all it gets.
fn refused(daemon: &Daemon, query: &str, code: &str, close_code: u16) -> String {
    let (before, detail) = Client::connect(daemon.address(), query).ends_in(code, close_code);
    assert!(before.is_empty(), "{before:?}");
    detail
}

#[test]
fn a_client_names_a_pipeline_and_streams() {
    let daemon = Daemon::builder().pipeline("yard-2.b", "[[node]]\nid = \"n\"\nkind = \"noop\"\n").start();
    let mut client = daemon.client("noop");
    assert_eq!(client.ask(&frames::camera()), serde_json::json!({}));
    // The query may hold more, and escapes.
    let mut other = Client::connect(daemon.address(), "x=1&pipeline_id=yard%2D2.b&pipeline_id=no");
    assert_eq!(other.ask(&frames::camera()), serde_json::json!({}));
    assert_eq!(daemon.sessions().len(), 2);
    drop((client, other));
    daemon.wait_sessions(0);
}

#[test]
fn an_unknown_pipeline_is_refused_after_the_upgrade() {
    let daemon = Daemon::builder().start();
    let queries =
        ["", "pipeline_id", "pipeline_id=", "pipeline_id=nosuch", "pipeline_id=%FF%00", "pipeline_id=NOOP", "id=noop"];
    for query in queries {
        let detail = refused(&daemon, query, "invalid_pipeline", 1008);
        assert!(detail.contains("noop"), "it says what there is: {detail}");
        assert!(!detail.contains("nosuch"), "a client's own text is not repeated: {detail}");
    }
    assert_eq!(daemon.metrics().errors("invalid_pipeline"), queries.len() as u64);
    assert!(daemon.sessions().is_empty());
}

#[test]
fn sessions_are_counted_and_given_back() {
    let daemon = Daemon::builder().env("STREAM_MAX_SESSIONS", 1).start();
    for round in 1..=3 {
        let mut first = daemon.client("noop");
        first.ask(&frames::camera());
        // An unknown pipeline is that first, whoever is there.
        refused(&daemon, "pipeline_id=nosuch", "invalid_pipeline", 1008);
        refused(&daemon, "pipeline_id=noop", "too_many_sessions", 1013);
        first.ask(&frames::camera());
        assert_eq!(daemon.metrics().errors("too_many_sessions"), round);
        match round {
            1 => assert_eq!(first.close(1000), 1000),
            2 => drop(first),
            _ => {
                first.send(b"no JPEG");
                first.ends_in("invalid_frame", 1007);
            }
        }
        daemon.wait_sessions(0);
    }
}

#[test]
fn a_token_is_asked_for_where_one_is_set() {
    let daemon = Daemon::builder().env("FORGESYTED_TOKEN", "s3cret+/=").start();
    let address = daemon.address();
    for query in ["pipeline_id=noop", "pipeline_id=noop&token=", "pipeline_id=noop&token=wrong", "pipeline_id=nosuch"] {
        let detail = refused(&daemon, query, "unauthorized", 1008);
        assert!(!detail.contains("noop"), "what there is, is no stranger's business: {detail}");
    }
    let mut wrong = Client::connect_with(address, "pipeline_id=noop", &[("Authorization", "Bearer wrong")]);
    wrong.ends_in("unauthorized", 1008);

    let mut header = Client::connect_with(address, "pipeline_id=noop", &[("Authorization", "Bearer s3cret+/=")]);
    header.ask(&frames::camera());
    let mut query = Client::connect(address, "pipeline_id=noop&token=s3cret%2B%2F%3D");
    query.ask(&frames::camera());

    // The lists are the owner's too; health and metrics are not secret.
    assert_eq!(daemon.get("/v1/sessions").status, 401);
    assert_eq!(daemon.get("/v1/sessions?token=s3cret%2B%2F%3D").json()["sessions"].as_array().unwrap().len(), 2);
    assert_eq!([daemon.get("/healthz").status, daemon.get("/readyz").status, daemon.get("/metrics").status], [200; 3]);
    assert!(daemon.events().lines().iter().all(|line| !line.contains("s3cret")));
}

#[test]
fn a_picture_that_is_posted_is_told_where_pictures_go() {
    let daemon = Daemon::builder().start();
    let address = daemon.address();
    // More than fits into the buffers between, so that an answer before the last byte would be lost with the connection.
    let picture = vec![0xD8; 3 << 20];
    for (method, path, more) in [
        ("POST", "/ws/video/stream?pipeline_id=noop", ""),
        ("POST", "/v1/pipelines/noop/infer", ""),
        ("PUT", "/", ""),
        ("POST", "/ws/video/stream", "Expect: 100-continue\r\n"),
    ] {
        let mut connection = TcpStream::connect(address).unwrap();
        let length = picture.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: image/jpeg\r\n{more}Content-Length: {length}\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).unwrap();
        if more.is_empty() {
            connection.write_all(&picture).unwrap();
        }
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
        let head = head.to_lowercase();
        assert!(
            head.contains("allow: get, head, options") && head.contains("content-type: application/json"),
            "{head}"
        );
        let error: Value = serde_json::from_str(body).unwrap();
        let keys: Vec<&str> = error.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!((keys, &error["error"]), (vec!["detail", "error"], &"invalid_message".into()));
        let detail = error["detail"].as_str().unwrap();
        let stream = format!("ws://{address}/ws/video/stream?pipeline_id=ID");
        assert!(detail.contains(&stream) && detail.contains("`forgesyted run`"), "{detail}");
    }
    // A client that announces a picture and sends nothing more holds up nobody else.
    let mut silent = TcpStream::connect(address).unwrap();
    silent.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n").unwrap();
    assert_eq!(daemon.get("/healthz").status, 200);
}

#[test]
fn paths_and_methods() {
    let daemon = Daemon::builder().start();
    let address = daemon.address();
    for (method, path, status) in [
        ("GET", "/", 200),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/v1/pipelines", 200),
        ("GET", "/v1/sessions", 200),
        ("GET", "/v1/cameras", 200),
        ("HEAD", "/healthz", 200),
        ("GET", "/ws/video/stream?pipeline_id=noop", 426),
        ("GET", "/ws/video", 404),
        ("GET", "/nosuch", 404),
        ("GET", "/v1/nosuch", 404),
        ("OPTIONS", "/", 204),
        ("OPTIONS", "/v1/pipelines", 204),
        ("POST", "/ws/video/stream?pipeline_id=noop", 405),
        ("PUT", "/metrics", 405),
        ("DELETE", "/nosuch", 405),
    ] {
        let answer = http::request(address, method, path, "Content-Length: 0\r\n");
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
    let upgrade = http::get(address, "/ws/video/stream?pipeline_id=noop");
    assert!(upgrade.head.contains("upgrade: websocket"), "{}", upgrade.head);
    let asked = http::request(address, "OPTIONS", "/", "");
    assert!(asked.head.contains("allow: get, head, options"), "{}", asked.head);
    let refused = http::request(address, "DELETE", "/metrics", "");
    assert!(refused.head.contains("allow: get, head, options"), "{}", refused.head);
    // An upgrade that lacks its key, or is of another version, is none.
    for headers in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ] {
        let refused = http::request(address, "GET", "/ws/video/stream?pipeline_id=noop", headers);
        assert_eq!(refused.status, 426, "{headers}");
        assert!(refused.head.contains("sec-websocket-version: 13"), "{}", refused.head);
    }
}

#[test]
fn lists_in_headers_are_read_over_lines_and_commas() {
    let daemon = Daemon::builder().start();
    let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let upgrade = |headers: &str| {
        let mut raw = Raw::connect(daemon.address());
        let path = "/ws/video/stream?pipeline_id=noop";
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: board\r\n{headers}{key}\r\n").as_bytes());
        raw.read_head().to_ascii_lowercase()
    };
    for headers in [
        "Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: keep-alive, upgrade\r\nUpgrade: websocket, h2c\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nUpgrade: WebSocket\r\n",
    ] {
        let head = upgrade(headers);
        assert!(head.starts_with("http/1.1 101") && !head.contains("sec-websocket-protocol"), "{headers}: {head}");
    }
    let plain = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    for offered in ["forgesyte.v1", "other, forgesyte.v1", "other\r\nSec-WebSocket-Protocol: forgesyte.v1"] {
        let head = upgrade(&format!("{plain}Sec-WebSocket-Protocol: {offered}\r\n"));
        assert!(head.contains("sec-websocket-protocol: forgesyte.v1\r\n"), "{offered}: {head}");
    }
    let head = upgrade(&format!("{plain}Sec-WebSocket-Protocol: other\r\n"));
    assert!(head.starts_with("http/1.1 101") && !head.contains("sec-websocket-protocol"), "{head}");
}

#[test]
fn a_trusted_proxy_says_whose_request_it_is() {
    let said = [("X-Forwarded-For", "198.51.100.1, 192.0.2.7")];
    let peer = |trusted: &str| {
        let daemon = Daemon::builder().setting("server.trusted_proxies", trusted).start();
        let _client = Client::connect_with(daemon.address(), "pipeline_id=noop", &said);
        daemon.wait_sessions(1);
        let listed = daemon.sessions()[0]["peer"].clone();
        assert_eq!(daemon.events().wait_for("stream_connect")["peer"], listed);
        listed.as_str().unwrap().to_owned()
    };
    assert_eq!(peer("[\"127.0.0.0/8\"]"), "192.0.2.7");
    let ignored = peer("[\"10.0.0.1\"]");
    assert!(ignored.starts_with("127.0.0.1:"), "{ignored}");
}

#[test]
fn a_request_has_one_host() {
    let daemon = Daemon::builder().start();
    for (version, hosts, status) in [
        ("1.1", "Host: board\r\n", "200"),
        ("1.1", "", "400"),
        ("1.1", "Host: board\r\nHost: other\r\n", "400"),
        ("1.0", "", "200"),
    ] {
        let mut raw = Raw::connect(daemon.address());
        raw.send(format!("GET /healthz HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n").as_bytes());
        let head = raw.read_head();
        assert_eq!(head.split(' ').nth(1), Some(status), "HTTP/{version} {hosts:?}: {head}");
    }
}

#[test]
fn silent_connections_harm_nobody_and_are_closed() {
    let daemon = Daemon::builder().setting("server.header_timeout_s", 1).start();
    let address = daemon.address();
    let mut client = daemon.client("noop");
    let mut silent: Vec<Raw> = (0..200).map(|_| Raw::connect(address)).collect();
    for (number, connection) in silent.iter_mut().enumerate() {
        if number % 2 == 0 {
            connection.send(b"GET /healthz HTT");
        }
    }
    for _ in 0..20 {
        client.ask(&frames::camera());
    }
    daemon.client("noop").ask(&frames::camera());
    silent.iter_mut().for_each(|connection| drop(connection.read_to_close()));
    client.ask(&frames::camera());
}

#[test]
fn more_connections_than_allowed_are_closed_at_once() {
    let daemon = Daemon::builder().setting("server.max_connections", 3).start();
    let address = daemon.address();
    let mut client = daemon.client("noop");
    client.ask(&frames::camera());
    let kept = [Raw::connect(address), Raw::connect(address)];
    let refused = Raw::connect(address).read_to_close();
    assert!(refused.is_empty());
    daemon.events().wait_for("connection_refused");
    client.ask(&frames::camera());
    drop(kept);
    forgesyted_tests::wait::until("room for a connection", || {
        let mut raw = Raw::connect(address);
        raw.try_send(b"GET /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
        String::from_utf8_lossy(&raw.read_to_close()).contains("stream_connections_refused_total")
    });
}

#[test]
fn a_huge_header_is_refused() {
    let daemon = Daemon::builder().start();
    let mut client = daemon.client("noop");
    let mut raw = Raw::connect(daemon.address());
    raw.try_send(format!("GET /healthz HTTP/1.1\r\nHost: t\r\nX-Large: {}\r\n\r\n", "a".repeat(200_000)).as_bytes());
    let answer = String::from_utf8_lossy(&raw.read_to_close()).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let mut raw = Raw::connect(daemon.address());
    raw.try_send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS, not HTTP\r\n\r\n");
    let answer = String::from_utf8_lossy(&raw.read_to_close()).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    client.ask(&frames::camera());
}

#[test]
fn not_ready_is_said_as_such() {
    // No pipeline loads: the daemon lives, and would serve nobody.
    let daemon = Daemon::builder().setting("pipelines.dirs", r#"["nothing"]"#).start();
    assert_eq!(daemon.get("/healthz").status, 200);
    let ready = daemon.get("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("no pipeline"), "{}", ready.body);
    assert_eq!(daemon.metrics().value("forgesyted_ready"), 0.0);
    refused(&daemon, "pipeline_id=noop", "invalid_pipeline", 1008);
}

#[test]
fn while_models_load_sessions_wait_and_health_answers() {
    // The gate is closed before the trial runs at load come to it.
    let (builder, gate) = Daemon::builder().held();
    gate.close();
    let daemon = builder.spawn();
    gate.wait_started(0, 1);
    assert_eq!((daemon.get("/healthz").status, daemon.get("/readyz").status), (200, 503));
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let early = http::request(daemon.address(), "GET", "/ws/video/stream?pipeline_id=noop", upgrade);
    assert_eq!(early.status, 503);
    assert!(early.head.contains("retry-after"), "{}", early.head);
    gate.open();
    daemon.wait_ready();
    assert_eq!(daemon.get("/readyz").status, 200);
    daemon.client("held").ask(&frames::white());
}
