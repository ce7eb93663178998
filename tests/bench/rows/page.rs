//! `page`: what the web page costs the computer that shows it, and that it keeps nothing, at 30 frames/s in a headless Chromium.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::bench::Bench;
use crate::daemon::Daemon;
use crate::report::{Bound, Outcome};

/// What counts as growth: more than this.
const HEAP_GROWTH_MIB: f64 = 2.0;
/// Of the whole browser, which caches on its own: more than this share.
const BROWSER_GROWTH: f64 = 1.1;
/// What the page's script promises: a result so soon after Start.
const FIRST_GOAL_S: f64 = 2.0;
const MIB: f64 = 1024.0 * 1024.0;

/// What the script measured.
#[derive(Debug, Deserialize)]
struct Measured {
    first_ms: f64,
    fps: f64,
    shown: f64,
    streaming: f64,
    before: Look,
    after: Look,
}

#[derive(Debug, Deserialize)]
struct Look {
    heap: f64,
    memory: f64,
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let packages = env::var_os(xtask::test::NODE_PATH_VARIABLE)
        .context("Node's packages are not named: run `cargo xtask bench -- --row page`")?;
    let chromium = xtask::packages::chromium().context("there is no Chromium on this machine")?;
    let daemon = Daemon::start(bench, None, None)?;
    let seconds = bench.seconds(600, 60).as_secs();
    let script = PathBuf::from("tests/web/page/bench.mjs");
    let mut node = Command::new("node");
    node.arg(script).arg(chromium).arg(format!("http://{}", daemon.address())).arg(seconds.to_string());
    let output = node.env("NODE_PATH", packages).output().context("cannot run node")?;
    ensure!(output.status.success(), "the page's script failed: {}", String::from_utf8_lossy(&output.stderr));
    let it: Measured = serde_json::from_slice(&output.stdout).context("the page's script printed no figures")?;
    let (heap, browser) = (it.after.heap / MIB, it.after.memory / MIB);
    let first = it.first_ms / 1000.0;
    let after = format!("after {} min", seconds as f64 / 60.0);
    Ok(vec![
        Outcome::new("page", "first result after Start", first, "s").goal(first, Bound::AtMost(FIRST_GOAL_S), "s"),
        Outcome::new("page", "frames/s of 30 asked for", it.fps, "/s"),
        Outcome::new("page", "the browser's processor time", it.streaming, "cores").beside("camera shown", it.shown),
        Outcome::new("page", format!("the page's heap {after}"), heap, "MiB")
            .beside("at first", it.before.heap / MIB)
            .goal((it.after.heap - it.before.heap) / MIB, Bound::AtMost(HEAP_GROWTH_MIB), "MiB more"),
        Outcome::new("page", format!("the browser's memory {after}"), browser, "MiB")
            .beside("at first", it.before.memory / MIB)
            .goal(it.after.memory / it.before.memory, Bound::AtMost(BROWSER_GROWTH), "times"),
    ])
}
