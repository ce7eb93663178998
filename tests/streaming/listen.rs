//! Where the daemon listens: both families, several addresses, and what is said where one cannot be had.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use forgesyted_tests::{Client, Daemon, frames, http, wait};
use serde_json::json;

/// The same port on this machine's own address of the other family.
fn on(ip: impl Into<std::net::IpAddr>, address: SocketAddr) -> SocketAddr {
    SocketAddr::new(ip.into(), address.port())
}

/// Whether this machine has IPv6.
fn has_ipv6() -> bool {
    let has = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !has {
        println!("skipped in part: this machine has no IPv6");
    }
    has
}

#[test]
fn one_socket_serves_both_families_and_clients_of_ipv4_are_shown_as_such() {
    let daemon = Daemon::builder()
        .env("FORGESYTED_LISTEN", "[::]:0")
        .setting("server.max_connections", 3)
        .setting("server.trusted_proxies", r#"["127.0.0.1"]"#)
        .start();
    let address = daemon.address();
    let peer = |at: SocketAddr, headers: &[(&'static str, &str)]| {
        let mut client = Client::connect_with(at, "pipeline_id=noop", headers);
        client.ask(&frames::white());
        let sessions = http::get(at, "/v1/sessions").json();
        client.close(1000);
        wait::until("no session", || http::get(at, "/v1/sessions").json()["sessions"] == json!([]));
        sessions["sessions"][0]["peer"].as_str().unwrap().to_owned()
    };
    let four = on(Ipv4Addr::LOCALHOST, address);
    assert!(peer(four, &[]).starts_with("127.0.0.1:"));
    assert_eq!(peer(four, &[("x-forwarded-for", "192.0.2.7")]), "192.0.2.7");
    if has_ipv6() {
        assert!(peer(on(Ipv6Addr::LOCALHOST, address), &[]).starts_with("[::1]:"));
    }
    let open: Vec<_> = (0..3).map(|_| Client::connect(four, "pipeline_id=noop")).collect();
    std::net::TcpStream::connect(four).unwrap();
    let refused = daemon.events().wait_for("connection_refused");
    assert!(refused["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{refused}");
    drop(open);
}

#[test]
fn several_addresses_are_all_served_and_share_the_limit() {
    let daemon = Daemon::builder().env("FORGESYTED_LISTEN", "127.0.0.1:0, 127.0.0.2:0").start();
    let addresses = daemon.addresses();
    let ips: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    assert_eq!(ips, ["127.0.0.1", "127.0.0.2"]);
    for address in &addresses {
        assert_eq!(http::get(*address, "/readyz").status, 200);
        Client::connect(*address, "pipeline_id=noop").ask(&frames::white());
    }
    assert_eq!(daemon.events().of_kind("ready")[0]["listen"], daemon.events().of_kind("listening")[0]["listen"]);
    // A stop closes them all.
    assert_eq!(daemon.stop(), 0);
    for address in addresses {
        TcpListener::bind(address).unwrap();
    }
}

#[test]
fn localhost_is_this_machine_in_both_families() {
    let daemon = Daemon::builder().env("FORGESYTED_LISTEN", "localhost:0").start();
    let ips: Vec<String> = daemon.addresses().iter().map(|address| address.ip().to_string()).collect();
    let expected = if has_ipv6() { &["127.0.0.1", "::1"][..] } else { &["127.0.0.1"] };
    assert_eq!(ips, expected);
    for address in daemon.addresses() {
        assert_eq!(http::get(address, "/healthz").status, 200);
    }
}

#[test]
fn of_several_addresses_the_one_that_is_taken_is_named() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let daemon = Daemon::builder().env("FORGESYTED_LISTEN", format!("127.0.0.2:0,{taken}")).spawn();
    let line = daemon.events().wait_for("start_failed");
    let said = line["message"].as_str().unwrap();
    assert!(said.starts_with(&format!("cannot listen on {taken}: Address already in use")), "{said}");
    assert_eq!(daemon.wait_exit(), 1);
}

#[test]
fn an_address_that_misses_its_interface_is_told_so() {
    for (address, expected) in [
        ("[fe80::1%nosuch0]:0", "cannot listen on [fe80::1%nosuch0]:0: there is no network interface nosuch0"),
        ("[fe80::1]:0", "such as [fe80::1%eth0]:8000"),
    ] {
        if !has_ipv6() {
            return;
        }
        let daemon = Daemon::builder().env("FORGESYTED_LISTEN", address).spawn();
        let line = daemon.events().wait_for("start_failed");
        assert!(line["message"].as_str().unwrap().contains(expected), "{line}");
        assert_eq!(daemon.wait_exit(), 1);
    }
}

#[test]
fn a_list_in_the_file_waits_for_a_restart_like_an_address() {
    let listen = r#"["127.0.0.1:0"]"#;
    let daemon = Daemon::builder().config(&config(listen)).without_env("FORGESYTED_LISTEN").start();
    daemon.folder().write("forgesyted.toml", config("\"127.0.0.1:0\""));
    assert_eq!(daemon.reload("config_reloaded")["restart_needed"], "", "it is the same");
    daemon.folder().write("forgesyted.toml", config(r#"["127.0.0.1:0", "127.0.0.2:0"]"#));
    assert_eq!(daemon.reload("config_reloaded")["restart_needed"], "server.listen");
    assert_eq!(daemon.addresses().len(), 1);
}

fn config(listen: &str) -> String {
    format!(
        "[server]\nlisten = {listen}\n[pipelines]\ndirs = [\"pipelines\"]\n[engine]\ndevice = \"cpu\"\nworkers = 1\n"
    )
}
