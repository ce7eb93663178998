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
