//! `forgesyted doctor` on this machine, through the front.

use std::fs;
use std::net::TcpListener;

use serde_json::Value;

use crate::installation::Installation;

/// The exit status and the report.
fn report(installation: &Installation) -> (i32, Value) {
    let output = installation.run(&["doctor", "--json"]);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code().unwrap(), report)
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no {name} in {report}"))
}

/// Every finding has the documented shape, and one that is bad says what to do.
fn assert_shape(status: i32, report: &Value) {
    let checks = report["checks"].as_array().unwrap();
    for finding in checks {
        let kind = finding["status"].as_str().unwrap();
        assert!(["ok", "warning", "error", "skipped"].contains(&kind), "{finding}");
        assert!(finding["found"].as_str().is_some_and(|found| !found.is_empty()), "{finding}");
        assert_eq!(finding["advice"].is_string(), ["warning", "error"].contains(&kind), "{finding}");
    }
    let any = |kind: &str| checks.iter().any(|finding| finding["status"] == kind);
    let worst = if any("error") {
        "error"
    } else if any("warning") {
        "warning"
    } else {
        "ok"
    };
    assert_eq!((report["status"].as_str(), status), (Some(worst), i32::from(any("error"))));
}

#[test]
fn a_good_installation_is_found_good() {
    let Some(installation) = Installation::whole() else { return };
    let (status, found) = report(&installation);
    assert_shape(status, &found);
    for name in ["configuration", "libtorch", "device", "pipelines", "port"] {
        assert_eq!(check(&found, name)["status"], "ok", "{found}");
    }
    let libtorch = check(&found, "libtorch")["found"].as_str().unwrap();
    assert!(libtorch.starts_with("2.11.0 from "), "{libtorch}");
    assert_eq!(check(&found, "pipelines")["found"], "noop, scene, text_regions, yolo_ocr");
    // The text has the same findings, a line each.
    let text = String::from_utf8(installation.run(&["doctor"]).stdout).unwrap();
    let heads = text.lines().filter(|line| !line.starts_with(' ')).count();
    assert_eq!(heads, found["checks"].as_array().unwrap().len(), "{text}");
}

#[test]
fn what_is_wrong_is_found_even_without_the_engine_program() {
    let Some(installation) = Installation::without_libtorch() else { return };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let installation = installation.env("FORGESYTED_LISTEN", taken.local_addr().unwrap());
    // Whoever has the port hangs up on who asks.
    std::thread::spawn(move || taken.incoming().for_each(drop));
    let (status, found) = report(&installation);
    assert_shape(status, &found);
    assert_eq!(status, 1);
    for (name, expected) in
        [("libtorch", "error"), ("pipelines", "skipped"), ("port", "error"), ("configuration", "ok")]
    {
        assert_eq!(check(&found, name)["status"], expected, "{found}");
    }
    assert!(check(&found, "libtorch")["found"].as_str().unwrap().contains("apt install ./forgesyted-libtorch_*.deb"));

    fs::write(installation.folder.path().join("forgesyted.toml"), "[server]\nlisen = 1\n").unwrap();
    let (status, found) = report(&installation);
    assert_shape(status, &found);
    assert!(check(&found, "configuration")["found"].as_str().unwrap().contains("did you mean server.listen?"));
    assert_eq!(check(&found, "libtorch")["status"], "skipped");
}

#[test]
fn a_pipeline_that_does_not_load_is_an_error() {
    let Some(installation) = Installation::whole() else { return };
    installation.folder.write("share/forgesyted/pipelines/zz.toml", "id = \"zz\"\n");
    let (status, found) = report(&installation);
    assert_eq!(status, 1);
    let said = check(&found, "pipelines")["found"].as_str().unwrap();
    assert!(said.starts_with("noop, scene, text_regions, yolo_ocr; but ") && said.contains("zz.toml: "), "{said}");
}

#[test]
fn a_daemon_that_runs_is_known_as_ours() {
    let Some(installation) = Installation::whole() else { return };
    let daemon = Installation::whole().unwrap().serve();
    daemon.wait_ready();
    let (_, found) = report(&installation.env("FORGESYTED_LISTEN", daemon.address()));
    let port = check(&found, "port");
    assert!(port["status"] == "ok" && port["found"].as_str().unwrap().contains("is forgesyted's"), "{port}");
    assert_eq!(daemon.stop(), 0);
}
