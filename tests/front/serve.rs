//! A daemon that was started through the front is the same process, and serves as any other.

use std::fs;

use forgesyted_tests::notify::NotifySocket;
use forgesyted_tests::{Signal, frames, wait};

use crate::installation::Installation;

#[test]
fn the_front_becomes_the_engine_program() {
    let Some(installation) = Installation::whole() else { return };
    let prefix = installation.folder.path().to_owned();
    let mut manager = NotifySocket::bind(&prefix.join("notify"));
    let installation = installation.env("NOTIFY_SOCKET", prefix.join("notify").display());
    let child = installation.command(&["serve"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let process = format!("/proc/{}", child.id());
    let daemon = forgesyted_tests::Daemon::new(installation.folder, child);
    assert_eq!(
        daemon.wait_ready()["message"],
        "serving noop, scene, text_regions, yolo_ocr",
        "the pipelines of the front's own prefix"
    );
    manager.wait_for("READY=1", 1);
    assert!(daemon.client("scene").ask(&frames::camera())["verdict"].is_string());

    assert_eq!(fs::read_link(format!("{process}/exe")).unwrap(), prefix.join("lib/forgesyted/bin/forgesyted"));
    let name = fs::read_to_string(format!("{process}/cmdline")).unwrap();
    assert_eq!(name.split('\0').next().unwrap(), prefix.join("bin/forgesyted").to_str().unwrap(), "ps shows the front");
    assert_eq!(fs::read_to_string(format!("{process}/comm")).unwrap(), "forgesyted\n");
    let environment = fs::read_to_string(format!("{process}/environ")).unwrap();
    assert!(!environment.contains("LD_LIBRARY_PATH"), "the installed libtorch needs none: {environment}");
    assert!(environment.split('\0').any(|entry| entry == "OMP_WAIT_POLICY=PASSIVE"), "threads sleep: {environment}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn how_threads_wait_is_the_operators_to_say() {
    for (name, value) in [("OMP_WAIT_POLICY", "ACTIVE"), ("GOMP_SPINCOUNT", "100")] {
        let Some(installation) = Installation::whole() else { return };
        let daemon = installation.env(name, value).serve();
        daemon.wait_ready();
        let environment = daemon.environment();
        let said: Vec<&String> = environment.iter().filter(|entry| entry.contains("OMP_")).collect();
        assert_eq!(said, [&format!("{name}={value}")]);
        assert_eq!(daemon.stop(), 0);
    }
}

#[test]
fn a_libtorch_of_the_machine_is_the_one_that_is_loaded() {
    let Some(installation) = Installation::whole() else { return };
    let named = installation.libtorch("opt/torch", "2.11.0+cu130\n", |_| true);
    let maps = |installation: Installation| {
        let child = installation.command(&["serve"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let environment = format!("/proc/{}/environ", child.id());
        let daemon = forgesyted_tests::Daemon::new(installation.folder, child);
        daemon.wait_ready();
        let environment = fs::read_to_string(environment).unwrap();
        assert_eq!(daemon.stop(), 0);
        environment
    };
    let environment =
        maps(installation.env("FORGESYTED_LIBTORCH", named.display()).env("LD_LIBRARY_PATH", "/opt/of-the-user"));
    let path = environment.split('\0').find_map(|entry| entry.strip_prefix("LD_LIBRARY_PATH=")).unwrap();
    assert_eq!(path, format!("{}:/opt/of-the-user", named.join("lib").display()));
}

#[test]
fn a_reload_that_is_asked_for_before_the_daemon_is_ready_ends_nothing_and_happens() {
    let Some(installation) = Installation::whole() else { return };
    let program = installation.folder.path().join("lib/forgesyted/bin/forgesyted");
    let child = installation.command(&["serve"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let exe = format!("/proc/{}/exe", child.id());
    let daemon = forgesyted_tests::Daemon::new(installation.folder, child);
    // From here on it loads libtorch, before any code of ours runs.
    wait::until("the engine program", || fs::read_link(&exe).is_ok_and(|exe| exe == program));
    daemon.signal(Signal::HUP);
    daemon.address();
    assert!(daemon.events().of_kind("ready").is_empty(), "models take longer to load");
    daemon.signal(Signal::HUP);
    daemon.wait_ready();
    daemon.events().wait_for("config_reloaded");
    assert_eq!(daemon.stop(), 0);
}
