//! Wrong configurations: the daemon's last line in the journal says what to do, and what a new start would not mend is not
//! tried again.

use forgesyted_tests::appliance::Cursor;
use forgesyted_tests::{Appliance, http, wait};

/// Exit status of a bad configuration.
const BAD_CONFIGURATION: &str = "78";

/// Starts the service; whether that succeeds is what the test is about.
fn start(appliance: &Appliance) -> Cursor {
    let since = appliance.now();
    appliance.run("systemctl start forgesyted");
    since
}

/// The service ended as a bad configuration does: once. Returns the daemon's last line.
fn refused(appliance: &Appliance, since: &Cursor) -> String {
    appliance.wait_state("failed");
    assert_eq!(appliance.property("ExecMainStatus"), BAD_CONFIGURATION);
    assert_eq!(appliance.property("NRestarts"), "0");
    appliance.last_line(since)
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_port_in_use_is_tried_a_few_times() {
    let appliance = Appliance::installed();
    appliance.sh("systemd-run --quiet --unit=squatter --socket-property=ListenStream=8000 cat");
    let since = start(&appliance);
    appliance.wait_state("failed");
    let said = appliance.last_line(&since);
    assert!(said.contains("Address already in use") && said.contains("`ss -ltnp` names it"), "{said}");
    assert_eq!(appliance.property("Result"), "exit-code");
    let restarts: u32 = appliance.property("NRestarts").parse().unwrap();
    assert!((1..=5).contains(&restarts), "{restarts}");
    // When the other one is gone, a start works.
    appliance.sh("systemctl stop squatter.socket; systemctl reset-failed forgesyted; systemctl start forgesyted");
    appliance.wait_ready();
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_configuration_that_it_may_not_read_is_refused() {
    let appliance = Appliance::installed();
    appliance.sh("chmod 0600 /etc/forgesyted/forgesyted.toml");
    let said = refused(&appliance, &start(&appliance));
    assert!(said.contains("/etc/forgesyted/forgesyted.toml") && said.contains("Permission denied"), "{said}");
    assert!(said.contains("Let the service read it: `chown root:forgesyted"), "{said}");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_closed_folder_of_the_configuration_is_named() {
    let appliance = Appliance::installed();
    appliance.sh("chown root:root /etc/forgesyted; chmod 0750 /etc/forgesyted");
    let said = refused(&appliance, &start(&appliance));
    assert!(said.contains("Let the service enter /etc/forgesyted: `chgrp forgesyted /etc/forgesyted`"), "{said}");
    let found = appliance.doctor("configuration");
    assert_eq!(found["status"], "error", "{found}");
    assert!(found["found"].as_str().unwrap().ends_with("may not enter /etc/forgesyted"), "{found}");
    // What doctor says mends it.
    appliance.sh(&format!("{}; systemctl start forgesyted", found["advice"].as_str().unwrap()));
    appliance.wait_ready();
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_token_in_the_configuration_is_no_error_for_who_is_not_root() {
    let appliance = Appliance::installed();
    appliance.sh("chown root:forgesyted /etc/forgesyted/forgesyted.toml; chmod 0640 /etc/forgesyted/forgesyted.toml");
    let report = appliance.sh("setpriv --reuid=65534 --regid=65534 --clear-groups forgesyted doctor || true");
    let line = report.lines().find(|line| line.contains(" configuration "));
    assert!(line.is_some_and(|line| line.starts_with("skipped") && line.ends_with("run this as root")), "{report}");
    assert_eq!(appliance.doctor("configuration")["status"], "ok");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_port_below_1024_is_for_the_socket_unit() {
    let appliance = Appliance::installed();
    appliance.sh("echo FORGESYTED_LISTEN=0.0.0.0:80 > /etc/default/forgesyted");
    let since = start(&appliance);
    appliance.wait_state("failed");
    let said = appliance.last_line(&since);
    assert!(
        said.contains("Permission denied") && said.contains("`systemctl enable --now forgesyted.socket`"),
        "{said}"
    );
    let port = appliance.doctor("port");
    assert_eq!(port["status"], "error", "{port}");
    assert!(port["advice"].as_str().unwrap().contains("forgesyted.socket"), "{port}");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_libtorch_in_a_home_is_told_by_the_daemon_and_by_doctor() {
    let appliance = Appliance::installed();
    appliance.sh("mkdir -p /home/u/torch && ln -sfn /usr/lib/forgesyted/lib /home/u/torch/lib && \
         cp /usr/lib/forgesyted/build-version /home/u/torch && echo FORGESYTED_LIBTORCH=/home/u/torch > /etc/default/forgesyted");
    let said = refused(&appliance, &start(&appliance));
    let report = appliance.sh("forgesyted doctor || true");
    // With a home that others may not enter, doctor has no more rights than the service.
    appliance.sh("chmod 0700 /home/u");
    let libtorch = appliance.doctor("libtorch");
    appliance.sh("rm -r /home/u");
    assert!(said.contains("/home/u/torch") && said.contains("The service sees no home folders"), "{said}");
    assert!(report.contains("engine.libtorch names /home/u/torch, and the service sees no home folders"), "{report}");
    assert_eq!(libtorch["status"], "error", "{libtorch}");
    assert!(libtorch["found"].as_str().unwrap().contains("may not be looked into"), "{libtorch}");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn roots_doctor_loads_nothing_of_the_configured_folder_as_root() {
    let appliance = Appliance::installed();
    // Nonsense where setpriv, which root starts, would find a library of its own, if the folder were on its path.
    appliance.sh("mkdir -p /opt/torch/lib && ln -s /usr/lib/forgesyted/lib/* /opt/torch/lib && \
         cp /usr/lib/forgesyted/build-version /opt/torch && cp /etc/hostname /opt/torch/lib/libcap-ng.so.0");
    for variables in ["FORGESYTED_LIBTORCH=/opt/torch", "LD_LIBRARY_PATH=/opt/torch/lib"] {
        appliance.sh(&format!("echo {variables} > /etc/default/forgesyted"));
        let libtorch = appliance.doctor("libtorch");
        assert_eq!(libtorch["status"], "ok", "{variables}: {libtorch}");
        assert!(libtorch["found"].as_str().unwrap().contains("2.11.0 from "), "{libtorch}");
    }
    appliance.sh("rm -r /opt/torch");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_broken_configuration_is_refused_with_its_line() {
    let appliance = Appliance::installed();
    appliance.write("/etc/forgesyted/forgesyted.toml", "[stream]\nmax_sesions = 2\n");
    let said = refused(&appliance, &start(&appliance));
    assert!(
        said.contains("forgesyted.toml:2: stream.max_sesions: unknown key; did you mean stream.max_sessions?"),
        "{said}"
    );
    // Mended, it starts; nothing has to be reset.
    appliance.sh("echo '[stream]\nmax_sessions = 2' > /etc/forgesyted/forgesyted.toml; systemctl start forgesyted");
    appliance.wait_ready();
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_missing_model_folder_is_told_and_the_daemon_waits_for_a_reload() {
    let appliance = Appliance::installed();
    appliance.sh("echo FORGESYTED_MODEL_DIRS=/srv/models >> /etc/default/forgesyted");
    // Of the shipped pipelines, the one that needs a model.
    appliance.sh("echo FORGESYTED_PIPELINE_DIRS=/etc/forgesyted/pipelines.d >> /etc/default/forgesyted");
    appliance.sh("cp /usr/share/forgesyted/pipelines/scene.toml /etc/forgesyted/pipelines.d");
    let since = start(&appliance);
    let said = appliance.wait_event(&since, "pipeline_rejected")["MESSAGE"].as_str().unwrap().to_owned();
    assert!(said.contains("/srv/models"), "{said}");
    let answer = wait::until_some("/readyz", || {
        http::try_get(appliance.http(), "/readyz").filter(|it| it.body.contains("no pipeline"))
    });
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("forgesyted check"), "{}", answer.body);
    let said = appliance.last_line(&since);
    assert!(
        said.contains("Correct what the lines above name") && said.contains("systemctl reload forgesyted"),
        "{said}"
    );
    // It is there, and can be mended without a restart.
    appliance.sh("mkdir -p /srv && cp -r /usr/share/forgesyted/models /srv && systemctl reload forgesyted");
    appliance.wait_ready();
    appliance.sh("rm -r /srv/models");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn a_libtorch_that_does_not_fit_is_refused() {
    let appliance = Appliance::installed();
    for (make, expected) in [
        ("mkdir -p /opt/torch", "which has no lib/libtorch_cpu.so: set it to the folder of a libtorch"),
        (
            "ln -sf /usr/lib/forgesyted/lib /opt/torch/lib; echo 2.4.0 > /opt/torch/build-version",
            "is version 2.4.0, and this forgesyted needs",
        ),
        (
            "rm /opt/torch/lib; mkdir /opt/torch/lib; cp /etc/hostname /opt/torch/lib/libtorch_cpu.so; cp /usr/lib/forgesyted/build-version /opt/torch",
            "cannot be loaded",
        ),
    ] {
        appliance.sh(make);
        appliance.sh("echo FORGESYTED_LIBTORCH=/opt/torch > /etc/default/forgesyted");
        let said = refused(&appliance, &start(&appliance));
        assert!(said.contains("/opt/torch") && said.contains(expected), "{said}");
    }
    appliance.sh("rm -r /opt/torch");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn no_libtorch_at_all_is_refused_until_its_package_comes() {
    let appliance = Appliance::serving();
    let since = appliance.now();
    // The package's script restarts the daemon, so that this is found now and not at the next boot.
    appliance.sh("apt-get remove --yes forgesyted-libtorch");
    let said = refused(&appliance, &since);
    assert!(said.contains("forgesyted-libtorch"), "{said}");
    appliance.apt("", &["libtorch"]);
    appliance.wait_ready();
}
