//! The service as systemd sees it, where systemd runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::finding::Finding;
use base::config::Endpoint;
use base::launch::child;

/// Longest wait for the service manager's answer.
const LIMIT: Duration = Duration::from_secs(5);
/// What is asked of the unit.
const PROPERTIES: &str = "LoadState,ActiveState,SubState,Result,ExecMainStatus,NRestarts,UnitFileState,Listen,ProtectHome,\
                          BindPaths,BindReadOnlyPaths,AmbientCapabilities";

/// A unit's properties by name; `None` where there is no systemd.
pub type Unit = Option<BTreeMap<String, String>>;

/// Asks systemd about a unit.
pub fn gather(root: &Path, unit: &str) -> Unit {
    if !root.join("run/systemd/system").exists() {
        return None;
    }
    let mut ask = Command::new("systemctl");
    let answer = child::ask(ask.args(["show", unit, "--property", PROPERTIES]), LIMIT).ok()?;
    Some(properties(&answer.output)).filter(|properties| !properties.is_empty())
}

fn properties(text: &str) -> BTreeMap<String, String> {
    let mut properties: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        // One with several values has a line for each.
        let known = properties.entry(name.to_owned()).or_default();
        let end = if known.is_empty() { "" } else { "\n" };
        known.push_str(&format!("{end}{value}"));
    }
    properties
}

/// Whether a unit is active.
pub fn is_active(unit: &Unit) -> bool {
    unit.as_ref().is_some_and(|unit| unit.get("ActiveState").is_some_and(|state| state == "active"))
}

/// Whether a drop-in gives the service ports that need a privilege.
pub fn has_any_port(unit: &Unit) -> bool {
    let capabilities = unit.as_ref().and_then(|unit| unit.get("AmbientCapabilities"));
    capabilities.is_some_and(|names| names.split_whitespace().any(|name| name == "cap_net_bind_service"))
}

/// Where a socket unit listens: `ADDRESS (Stream)`, a line for each.
pub fn listens(unit: &Unit) -> Vec<Endpoint> {
    let lines = unit.as_ref().and_then(|unit| unit.get("Listen")).map_or("", String::as_str).lines();
    let address = |line: &str| line.strip_suffix(" (Stream)")?.parse().ok();
    lines.filter_map(address).map(|address: SocketAddr| address.into()).collect()
}

/// The service as a finding. `socket`: whether its socket unit is active, so that a connection starts it.
pub fn judge(unit: &Unit, socket: bool) -> Finding {
    let Some(unit) = unit else {
        return Finding::skipped("service", "systemd does not run here, or does not answer");
    };
    let get = |name: &str| unit.get(name).map_or("", String::as_str);
    match get("LoadState") {
        "loaded" => {}
        "masked" => {
            let advice = "`systemctl unmask forgesyted`, then `systemctl enable --now forgesyted`";
            return Finding::warning("service", "its unit is masked, so nothing starts it", advice);
        }
        state @ ("" | "not-found") => {
            return Finding::skipped("service", format!("there is no unit forgesyted.service ({state})"));
        }
        state => {
            return Finding::error(
                "service",
                format!("systemd cannot use its unit or a drop-in of it ({state})"),
                "`systemd-analyze verify forgesyted.service` says what is wrong, and `systemctl cat forgesyted` shows all of \
                 it; correct that, then `systemctl daemon-reload` and `systemctl restart forgesyted`",
            );
        }
    }
    let restarts = get("NRestarts").parse().unwrap_or(0_u64);
    match get("ActiveState") {
        "active" if restarts > 0 => Finding::warning(
            "service",
            format!("active, after {restarts} restarts by systemd"),
            "`journalctl -u forgesyted -p warning` says why it ended",
        ),
        "active" if get("UnitFileState") == "disabled" && !socket => {
            Finding::warning("service", "active, but not at the next boot", "`systemctl enable forgesyted`")
        }
        "active" | "reloading" => Finding::ok("service", format!("{} ({})", get("ActiveState"), get("SubState"))),
        "failed" => {
            let why = format!("failed ({}, status {})", get("Result"), get("ExecMainStatus"));
            let advice = if get("ExecMainStatus") == "78" {
                "the configuration or libtorch is at fault: correct what is said above, then `systemctl restart forgesyted`"
            } else {
                "the last line of `journalctl -u forgesyted` says what to do; then `systemctl restart forgesyted`"
            };
            Finding::error("service", why, advice)
        }
        "inactive" if socket => Finding::ok("service", "inactive; the next connection starts it"),
        "inactive" => Finding::warning("service", "it does not run", "`systemctl enable --now forgesyted`"),
        state => Finding::warning("service", format!("{state} ({})", get("SubState")), "wait a moment, then ask again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Status;

    #[test]
    fn verdicts() {
        use Status::{Error, Ok, Skipped, Warning};
        for (text, socket, expected, words) in [
            ("LoadState=not-found\nActiveState=inactive\n", false, Skipped, "not-found"),
            ("LoadState=masked\nActiveState=inactive\n", false, Warning, "masked"),
            ("LoadState=bad-setting\nActiveState=inactive\n", false, Error, "drop-in of it (bad-setting)"),
            ("LoadState=error\nActiveState=inactive\n", false, Error, "(error)"),
            ("LoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=0\n", false, Ok, "active (running)"),
            ("LoadState=loaded\nActiveState=active\nNRestarts=3\n", false, Warning, "3 restarts"),
            (
                "LoadState=loaded\nActiveState=active\nNRestarts=0\nUnitFileState=disabled\n",
                false,
                Warning,
                "next boot",
            ),
            ("LoadState=loaded\nActiveState=active\nNRestarts=0\nUnitFileState=disabled\n", true, Ok, "active"),
            ("LoadState=loaded\nActiveState=failed\nResult=exit-code\nExecMainStatus=78\n", false, Error, "status 78"),
            ("LoadState=loaded\nActiveState=failed\nResult=watchdog\nExecMainStatus=6\n", false, Error, "watchdog"),
            ("LoadState=loaded\nActiveState=inactive\n", false, Warning, "does not run"),
            ("LoadState=loaded\nActiveState=inactive\n", true, Ok, "next connection"),
            ("LoadState=loaded\nActiveState=activating\nSubState=auto-restart\n", false, Warning, "auto-restart"),
        ] {
            let finding = judge(&Some(properties(text)), socket);
            assert!(finding.status == expected && finding.found.contains(words), "{text}: {finding:?}");
        }
        assert_eq!(judge(&None, false).status, Skipped);
    }

    #[test]
    fn a_drop_in_may_give_the_service_any_port() {
        for (names, expected) in [("", false), ("cap_sys_nice", false), ("cap_sys_nice cap_net_bind_service", true)] {
            assert_eq!(has_any_port(&Some(properties(&format!("AmbientCapabilities={names}\n")))), expected);
        }
    }

    #[test]
    fn a_socket_unit_says_where_it_listens() {
        for (text, expected) in [
            ("ActiveState=active\nListen=[::]:8000 (Stream)\n", &["[::]:8000"][..]),
            ("Listen=127.0.0.1:8002 (Stream)\n", &["127.0.0.1:8002"]),
            (
                "Listen=[::1]:80 (Stream)\nActiveState=active\nListen=127.0.0.1:80 (Stream)\n",
                &["[::1]:80", "127.0.0.1:80"],
            ),
            ("Listen=/run/f.sock (Stream)\n", &[]),
            ("Listen=[::]:8000 (Datagram)\n", &[]),
            ("ActiveState=inactive\n", &[]),
        ] {
            let found: Vec<String> = listens(&Some(properties(text))).iter().map(Endpoint::to_string).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
