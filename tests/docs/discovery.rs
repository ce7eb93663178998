//! What Avahi announces is what a daemon with the shipped configuration is.

use std::fs;

use base::config::{self, Config};
use forgesyted_tests::sources;

use crate::markdown::page;

/// The text of a file of the checkout.
fn shipped(path: &str) -> String {
    fs::read_to_string(sources::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text of the only element with this name.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    assert_eq!(xml.matches(&open).count(), 1, "{name} in {xml}");
    xml.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).expect(name).0.trim()
}

#[test]
fn avahi_announces_the_type_of_the_page_and_the_port_of_the_configuration() {
    let service = shipped("packaging/avahi/forgesyted.service");
    assert_eq!(element(&service, "type"), "_forgesyted._tcp");
    assert!(page("docs/packages.md").text.contains("`_forgesyted._tcp`"));
    let port_of = |config: &Config| {
        let endpoints = config.server.listen.endpoints();
        let [endpoint] = &endpoints[..] else { panic!("{endpoints:?}") };
        endpoint.address.port().to_string()
    };
    let port = port_of(&Config::default());
    assert_eq!(element(&service, "port"), port);
    let file = sources::root().join("config/forgesyted.toml");
    let loaded = config::read(Some(file.as_path()), &[], None).unwrap();
    assert_eq!(port_of(&loaded.config), port);
    // Whether systemd holds the port or the daemon does, clients find it there.
    let socket = shipped("systemd/forgesyted.socket");
    assert!(socket.lines().any(|line| line.strip_prefix("ListenStream=") == Some(port.as_str())), "{socket}");
}
