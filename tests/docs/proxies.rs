//! The configurations of `docs/behind-a-proxy.md`, each in the real proxy, in front of a real daemon.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use forgesyted_tests::proxy::{Kind, Proxy};
use forgesyted_tests::raw::{Raw, WireFrame};
use forgesyted_tests::wait::PATIENCE;
use forgesyted_tests::{Daemon, frames, http};

use crate::markdown;

const TEXT: u8 = 1;
const PING: u8 = 9;
const PONG: u8 = 0x8A;
const BINARY: u8 = 0x82;

/// The proxies' timeouts, far shorter than the documents have them, and still longer than the pings are apart.
const TIMEOUT: (&str, &str) = ("60s", "4s");
const PINGS_APART_S: f64 = 1.0;
/// Answered pings of a connection on which nothing else passes, for some twice the timeout.
const PINGS: usize = 8;

/// Starts each documented configuration of a kind, and gives its address and the path that the board is below.
fn each(kind: Kind, check: impl Fn(&Daemon, SocketAddr, &str)) {
    let blocks = markdown::page("docs/behind-a-proxy.md").blocks(kind.name());
    assert_eq!(blocks.len(), 2, "a host of its own, and a path");
    for (block, below) in blocks.iter().zip(["", "/board7"]) {
        let daemon = Daemon::builder()
            .setting("server.ping_interval_s", PINGS_APART_S)
            .setting("server.trusted_proxies", r#"["127.0.0.9"]"#)
            .replay("yard", &[frames::white(), frames::black()], "pipeline = \"noop\"\n")
            .camera("gone", "replay:nothing", "pipeline = \"noop\"\n")
            .start();
        assert!(block.contains(TIMEOUT.0), "{block}");
        let Some(proxy) = Proxy::start(kind, &from_elsewhere(kind, block), daemon.address()) else { return };
        check(&daemon, proxy.address(), below);
    }
}

/// The proxy as on a machine of its own: it calls the board from another address than the tests have.
fn from_elsewhere(kind: Kind, block: &str) -> String {
    let block = block.replace(TIMEOUT.0, TIMEOUT.1);
    let (before, with) = match kind {
        Kind::Nginx => ("proxy_http_version 1.1;", "proxy_http_version 1.1; proxy_bind 127.0.0.9;"),
        Kind::Haproxy => (" check\n", " check source 127.0.0.9\n"),
    };
    assert!(block.contains(before), "{block}");
    block.replace(before, with)
}

/// Answers pings until something else comes.
fn next(raw: &mut Raw) -> WireFrame {
    loop {
        let frame = raw.next_frame().expect("the connection stays");
        if frame.opcode != PING {
            return frame;
        }
        raw.send_frame(PONG, &frame.payload);
    }
}

fn idle(raw: &mut Raw) {
    for _ in 0..PINGS {
        let frame = raw.next_frame().expect("the connection stays");
        assert_eq!(frame.opcode, PING, "{frame:?}");
        raw.send_frame(PONG, &frame.payload);
    }
}

/// Everything that the page promises of a configuration.
fn holds(daemon: &Daemon, proxy: SocketAddr, below: &str) {
    let mut stream = Raw::upgrade_at(proxy, &format!("{below}/ws/video/stream?pipeline_id=noop"));
    let listed = daemon.sessions().into_iter().find(|session| session["source"] == "websocket").unwrap();
    assert_eq!(listed["peer"], "127.0.0.1", "the client's address, not the proxy's");
    idle(&mut stream);
    stream.send_frame(BINARY, &frames::camera());
    let reply = next(&mut stream);
    assert!(reply.opcode == TEXT && reply.payload == br#"{"frame_index":1,"result":{}}"#, "{reply:?}");

    idle(&mut Raw::upgrade_at(proxy, &format!("{below}/ws/watch?camera=gone")));
    for path in ["/healthz", "/readyz", "/v1/cameras", "/v1/cameras/yard/snapshot.jpg", "/client/forgesyte.js"] {
        assert_eq!(http::get(proxy, &format!("{below}{path}")).status, 200, "{below}{path}");
    }
    let mut pictures = TcpStream::connect(proxy).unwrap();
    pictures.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(pictures, "GET {below}/v1/cameras/yard/stream.mjpeg HTTP/1.1\r\nHost: board\r\n\r\n").unwrap();
    let (mut came, mut piece) = (Vec::new(), [0; 4096]);
    while count(&came, b"image/jpeg") < 20 {
        let more = pictures.read(&mut piece).expect("the next picture comes");
        assert_ne!(more, 0, "{}", String::from_utf8_lossy(&came));
        came.extend(&piece[..more]);
    }
}

fn count(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).filter(|window| *window == what).count()
}

/// Whatever the page's first file names is there, relative to where it came from.
fn page_is_there(_: &Daemon, proxy: SocketAddr, below: &str) {
    let page = http::get(proxy, &format!("{below}/"));
    assert_eq!(page.status, 200);
    let names: Vec<&str> = ["href=\"", "src=\""].iter().flat_map(|key| page.body.split(key).skip(1)).collect();
    let names: Vec<&str> = names.iter().filter_map(|rest| rest.split('"').next()).collect();
    assert!(names.len() > 4, "{names:?}");
    for name in names.iter().filter(|name| !name.starts_with('#')) {
        assert!(!name.starts_with('/') && !name.contains("://"), "{name} is not relative");
        assert_eq!(http::get(proxy, &format!("{below}/{name}")).status, 200, "{below}/{name}");
    }
    if !below.is_empty() {
        let moved = http::get(proxy, below);
        assert!(moved.status == 301 && moved.head.contains("board7/"), "{moved:?}");
    }
}

#[test]
fn each_configuration_of_nginx_holds() {
    each(Kind::Nginx, holds);
}

#[test]
fn each_configuration_of_haproxy_holds() {
    each(Kind::Haproxy, holds);
}

#[test]
fn the_page_is_found_through_each_of_them() {
    each(Kind::Nginx, page_is_there);
    each(Kind::Haproxy, page_is_there);
}
