//! SIGHUP: the daemon ends with the terminal that it was started from, unless it was told to outlive that; anyone else asks for a
//! reload.

use std::net::TcpListener;

use forgesyted_tests::daemon::Signal;
use forgesyted_tests::{Daemon, wait};

/// The daemon as the terminal's only program, as in `ssh -t board forgesyted serve`. Whoever runs the tests may have had them ignore it.
const ALONE: &str = "exec env --default-signal=HUP setsid --ctty \"$@\"";
/// The daemon as what a shell runs in the foreground.
const OF_A_SHELL: &str = "exec env --default-signal=HUP setsid --ctty sh -c '\"$@\"; exit' sh \"$@\"";
/// Started by a shell whose terminal is closed already, and which passes the word on when the test tells it to.
const TOO_LATE: &str = "exec env --default-signal=HUP setsid --ctty sh -c 'exec 3<&0; trap : HUP; echo >&0; read -r _; \
                        \"$@\" <&3 & trap \"kill -HUP $!\" USR1; wait; wait' sh \"$@\"";
/// With `nohup`, whose word about the input would stand between the lines of the log.
const OUTLIVING: &str = "exec setsid --ctty sh -c 'exec nohup \"$@\" </dev/null' sh \"$@\"";

#[test]
fn the_daemon_ends_with_its_terminal() {
    for line in [ALONE, OF_A_SHELL] {
        let (builder, terminal) = Daemon::builder().in_terminal(line);
        let daemon = builder.start();
        let address = daemon.address();
        terminal.close();
        daemon.events().wait_for("stopped");
        assert_eq!(daemon.events().of_kind("terminal_closed").len(), 1, "{line}");
        daemon.events().wait_end();
        // The port is free.
        TcpListener::bind(address).unwrap();
        if line == ALONE {
            assert_eq!(daemon.wait_exit(), 0);
        }
    }
}

#[test]
fn a_terminal_that_closes_while_models_load_ends_the_daemon_too() {
    let (builder, gate) = Daemon::builder().held();
    gate.close();
    let (builder, terminal) = builder.in_terminal(ALONE);
    let daemon = builder.spawn();
    gate.wait_started(0, 1);
    terminal.close();
    assert_eq!(daemon.wait_exit(), 0);
    assert!(daemon.events().of_kind("ready").is_empty());
}

#[test]
fn a_terminal_that_closes_before_the_daemon_looks_ends_it_too() {
    let (builder, terminal) = Daemon::builder().in_terminal(TOO_LATE);
    let daemon = builder.spawn();
    terminal.wait_written();
    terminal.close();
    daemon.wait_ready();
    daemon.signal(Signal::USR1);
    daemon.events().wait_for("stopped");
    assert_eq!(daemon.events().of_kind("terminal_closed").len(), 1);
}

#[test]
fn a_daemon_that_was_told_to_outlives_its_terminal() {
    let (builder, terminal) = Daemon::builder().in_terminal(OUTLIVING);
    let daemon = builder.start();
    terminal.close();
    daemon.events().wait_for("terminal_closed");
    daemon.reload("config_reloaded");
    assert_eq!(daemon.get("/readyz").status, 200);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_hangup_of_another_program_is_a_reload_in_a_terminal_too() {
    let (builder, terminal) = Daemon::builder().in_terminal(ALONE);
    let daemon = builder.start();
    daemon.reload("config_reloaded");
    assert!(daemon.events().of_kind("terminal_closed").is_empty());
    terminal.close();
    assert_eq!(daemon.wait_exit(), 0);
}

#[test]
fn a_daemon_without_a_terminal_is_a_service() {
    let daemon = Daemon::builder().wrapped("exec setsid \"$@\"").start();
    daemon.reload("config_reloaded");
    wait::until("readiness", || daemon.get("/readyz").status == 200);
    assert_eq!(daemon.stop(), 0);
}
