//! Starts that cannot succeed: the last line of the log says what to do, and the exit status whether trying again may help.

use std::fs::{self, FileTimes};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use forgesyted_tests::Daemon;

use crate::installation::Installation;

/// Status, event and message of the last line.
fn last(installation: &Installation) -> (i32, String, String) {
    let (status, log) = installation.serve_fails();
    let line = log.last().unwrap();
    let text = |key: &str| line[key].as_str().unwrap().to_owned();
    (status, text("event"), text("message"))
}

#[test]
fn a_port_that_is_taken() {
    let Some(installation) = Installation::whole() else { return };
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let (status, event, message) = last(&installation.env("FORGESYTED_LISTEN", address));
    assert_eq!((status, event.as_str()), (1, "start_failed"));
    assert!(message.starts_with(&format!("cannot listen on {address}: Address already in use")), "{message}");
    assert!(message.contains("`ss -ltnp` names it"), "{message}");
}

#[test]
fn a_configuration_that_cannot_be_read_or_understood() {
    let Some(installation) = Installation::whole() else { return };
    let file = installation.folder.path().join("forgesyted.toml");
    let expect = |words: &[&str]| {
        let (status, event, message) = last(&installation);
        assert_eq!((status, event.as_str()), (78, "config_rejected"));
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    fs::write(&file, "[server]\nlisten = 8000\n").unwrap();
    expect(&["forgesyted.toml:2: server.listen", "allowed: an IP address and a port"]);
    fs::write(&file, [0xff, 0xfe]).unwrap();
    expect(&["cannot read the configuration file", "save it as that"]);
    fs::remove_file(&file).unwrap();
    expect(&["cannot read the configuration file: No such file", "Correct the path after --config"]);
    // Root may read any file, so this one is met by others only.
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&file).is_err() {
        expect(&["Permission denied", "Let the service read it: `chown root:forgesyted"]);
    }
}

#[test]
fn a_closed_folder_of_the_configuration_is_named() {
    let Some(installation) = Installation::whole() else { return };
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let closed = installation.folder.path().join("etc");
    let file = closed.join("forgesyted.toml");
    mode(installation.folder.path(), 0o755);
    fs::create_dir(&closed).unwrap();
    fs::write(&file, "").unwrap();
    mode(&closed, 0o600);
    let output = installation.serve_unprivileged(&file);
    mode(&closed, 0o700);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains(&format!("Let the service enter {}: `chgrp forgesyted", closed.display())), "{said}");
}

#[test]
fn no_model_folder_leaves_nothing_to_serve() {
    let daemon = Daemon::builder()
        .setting("pipelines.model_dirs", r#"["absent"]"#)
        .setting("pipelines.dirs", r#"["only"]"#)
        .file("only/door.toml", "id = \"door\"\n[[node]]\nid = \"a\"\nkind = \"measure\"\nmodel = \"door.pt\"\n")
        .start();
    let last = daemon.events().wait_for("nothing_to_serve");
    assert_eq!((&last["level"], daemon.get("/readyz").status), (&"error".into(), 503));
    assert!(last["message"].as_str().unwrap().contains("systemctl reload forgesyted"), "{last}");
    let rejected = daemon.events().of_kind("pipeline_rejected").remove(0);
    let message = rejected["message"].as_str().unwrap();
    assert!(message.contains("absent/door.pt") && message.contains("Put it there, or correct"), "{message}");
    // Still so after a reload, and over once there is a pipeline.
    daemon.reload("nothing_to_serve");
    daemon.folder().write("only/noop.toml", "id = \"noop\"\n[[node]]\nid = \"n\"\nkind = \"noop\"\n");
    daemon.reload("config_reloaded");
    assert_eq!(daemon.get("/readyz").status, 200);
    assert_eq!(daemon.stop(), 0);
    assert_eq!(daemon.events().of_kind("nothing_to_serve").len(), 2);
}

#[test]
fn a_clock_that_is_behind_is_told_and_served_with() {
    let Some(installation) = Installation::whole() else { return };
    // For a program that was made in a hundred years, today's clock is as wrong as 1970 is for one of today.
    let engine = installation.folder.path().join("lib/forgesyted/bin/forgesyted");
    let (bytes, mode) = (fs::read(&engine).unwrap(), fs::metadata(&engine).unwrap().permissions());
    // It may be a hard link: only this copy gets the time.
    fs::remove_file(&engine).unwrap();
    fs::write(&engine, bytes).unwrap();
    fs::set_permissions(&engine, mode).unwrap();
    let made = SystemTime::now() + Duration::from_secs(100 * 365 * 86_400);
    fs::File::options().write(true).open(&engine).unwrap().set_times(FileTimes::new().set_modified(made)).unwrap();
    let daemon = installation.serve();
    daemon.wait_ready();
    let warned = daemon.events().wait_for("clock_wrong");
    assert_eq!((&warned["level"], &warned["behind_days"]), (&"warn".into(), &36_499.into()));
    assert_eq!(daemon.stop(), 0);
    // Last of what the start says, so that an operator sees it.
    let said: Vec<_> = daemon.events().all().iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect();
    let at = |event: &str| said.iter().position(|said| said == event);
    assert!(at("ready") < at("clock_wrong"), "{said:?}");
}
