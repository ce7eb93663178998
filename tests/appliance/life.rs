//! Supervised: served from outside, told of in the journal, started again when it dies or hangs, reloaded.

use forgesyted_tests::builder::measure_node;
use forgesyted_tests::{Appliance, frames, http, modules, wait};

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn the_journal_has_the_fields_of_a_session() {
    let appliance = Appliance::serving();
    let since = appliance.now();
    let mut client = appliance.client("scene");
    let result = client.ask(&frames::camera());
    assert!(result.is_object(), "{result}");
    client.close(1000);
    let end = appliance.wait_event(&since, "stream_disconnect");
    let start = appliance.wait_event(&since, "stream_connect");
    assert_eq!(start["SESSION_ID"], end["SESSION_ID"]);
    assert_eq!(start["SESSION_ID"].as_str().map(str::len), Some(36), "{start}");
    assert_eq!(
        (&end["PIPELINE_ID"], &end["FRAME_INDEX"], &end["CLOSE_CODE"]),
        (&"scene".into(), &"1".into(), &"1000".into())
    );
    assert_eq!(end["SYSLOG_IDENTIFIER"], "forgesyted");
    // The journal's "notice".
    assert_eq!(end["PRIORITY"], "5");
    assert_eq!(end["_SYSTEMD_UNIT"], "forgesyted.service");
    let status = appliance.property("StatusText");
    assert!(status.contains("scene"), "{status}");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_killed_daemon_is_started_again_and_the_metrics_tell() {
    let appliance = Appliance::serving();
    let start = |appliance: &Appliance| appliance.metrics().value("process_start_time_seconds");
    let (process, before) = (appliance.property("MainPID"), start(&appliance));
    appliance.sh("systemctl kill --signal=KILL forgesyted");
    wait::until("another process", || !["0", &process].contains(&appliance.property("MainPID").as_str()));
    appliance.wait_ready();
    assert_eq!(appliance.property("NRestarts"), "1");
    assert!(start(&appliance) > before);
    appliance.client("scene").ask(&frames::camera());
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_stopped_daemon_is_found_by_the_watchdog() {
    let appliance = Appliance::serving();
    let (since, process) = (appliance.now(), appliance.property("MainPID"));
    appliance.sh("systemctl kill --signal=STOP forgesyted");
    wait::until("another process", || !["0", &process].contains(&appliance.property("MainPID").as_str()));
    appliance.wait_ready();
    let said = appliance.journal(&since).iter().map(|line| line["MESSAGE"].to_string()).collect::<String>();
    assert!(said.contains("Watchdog timeout (limit 10s)"), "{said}");
    appliance.client("scene").ask(&frames::camera());
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_model_that_never_ends_is_found_by_the_watchdog() {
    let appliance = Appliance::installed();
    appliance.sh("systemd-sysusers forgesyted.conf; install -d /var/lib/forgesyted/models");
    appliance.write("/var/lib/forgesyted/models/hangs.pt", modules::archive("hangs", &modules::hangs_on_white()));
    appliance.write("/etc/forgesyted/pipelines.d/hangs.toml", format!("id = \"hangs\"\n{}", measure_node("hangs", "")));
    appliance.sh("systemctl start forgesyted");
    appliance.wait_ready();
    let process = appliance.property("MainPID");
    // One worker hangs; the others, where there are any, serve on until then.
    let mut client = appliance.client("hangs");
    client.send(&frames::white());
    wait::until("another process", || !["0", &process].contains(&appliance.property("MainPID").as_str()));
    appliance.wait_ready();
    assert_eq!(appliance.property("NRestarts"), "1");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_reload_takes_effect_or_changes_nothing() {
    let appliance = Appliance::serving();
    let process = appliance.property("MainPID");
    let mut client = appliance.client("noop");
    client.ask(&frames::white());

    let since = appliance.now();
    appliance.sh("echo '[stream]\nmax_sessions = 1' > /etc/forgesyted/forgesyted.toml; systemctl reload forgesyted");
    appliance.wait_event(&since, "config_reloaded");
    let detail = appliance.client("noop").ends_in("too_many_sessions", 1013).1;
    assert!(detail.contains('1'), "{detail}");

    let since = appliance.now();
    appliance.sh("echo '[stream]\nmax_sesions = 2' > /etc/forgesyted/forgesyted.toml; systemctl reload forgesyted");
    let line = appliance.wait_event(&since, "config_rejected");
    let said = line["MESSAGE"].as_str().unwrap();
    assert!(said.contains("forgesyted.toml:2: stream.max_sesions: unknown key; did you mean"), "{said}");
    appliance.client("noop").ends_in("too_many_sessions", 1013);
    // The session saw nothing of it.
    client.ask(&frames::white());
    assert_eq!((appliance.property("ActiveState").as_str(), appliance.property("MainPID")), ("active", process));
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn on_a_machine_without_ipv6_the_default_is_ipv4() {
    let appliance = Appliance::installed();
    // The kernel then says what one without IPv6 says.
    appliance.drop_in("RestrictAddressFamilies=\nRestrictAddressFamilies=AF_UNIX AF_INET");
    let since = appliance.now();
    appliance.sh("systemctl start forgesyted");
    assert_eq!(appliance.wait_event(&since, "listening")["LISTEN"], "0.0.0.0:8000");
    appliance.client("noop").ask(&frames::white());
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn variables_come_from_etc_default_and_drop_ins() {
    let appliance = Appliance::installed();
    appliance.sh("echo FORGESYTED_LISTEN=0.0.0.0:8001 >> /etc/default/forgesyted");
    appliance.drop_in("Environment=STREAM_MAX_SESSIONS=1");
    appliance.sh("systemctl start forgesyted");
    wait::until("/readyz on the other port", || {
        http::try_get(appliance.at(8001), "/readyz").is_some_and(|answer| answer.status == 200)
    });
    let connect = || forgesyted_tests::Client::connect(appliance.at(8001), "pipeline_id=noop");
    let mut first = connect();
    first.ask(&frames::white());
    connect().ends_in("too_many_sessions", 1013);
    // doctor is told nothing, and knows the file.
    let port = appliance.doctor("port");
    assert!(port["found"].as_str().unwrap().starts_with("0.0.0.0:8001 is forgesyted's"), "{port}");
}
