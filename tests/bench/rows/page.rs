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
/// Of the whole browser: more than this share. It collects what it does not need any more every two minutes or so: looked at is
/// the most that it had in each half of the time.
const BROWSER_GROWTH: f64 = 1.05;
/// A person who starts it sees a result so soon.
const FIRST_GOAL_S: f64 = 2.0;
const MIB: f64 = 1024.0 * 1024.0;

/// What the script measured.
#[derive(Debug, Deserialize)]
struct Measured {
    first_ms: f64,
    fps: f64,
    cores: Processor,
    heap: Heap,
    browser: Memory,
}

/// Of the whole browser, while it only shows the camera, and while the page streams it.
#[derive(Debug, Deserialize)]
struct Processor {
    shown: f64,
    streaming: f64,
}

/// Of the page, collected, in bytes.
#[derive(Debug, Deserialize)]
struct Heap {
    before: f64,
    after: f64,
}

/// Of the whole browser, the most, in bytes: while it only shows the camera, and in both halves of the stream.
#[derive(Debug, Deserialize)]
struct Memory {
    shown: f64,
    early: f64,
    late: f64,
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let packages = env::var_os(xtask::tools::NODE_PATH_VARIABLE)
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
    let first = it.first_ms / 1000.0;
    let after = format!("after {} min", seconds as f64 / 60.0);
    let browser = Outcome::new("page", "the browser's memory, later half", it.browser.late / MIB, "MiB")
        .beside("first half", it.browser.early / MIB);
    let growth = it.browser.late / it.browser.early;
    Ok(vec![
        Outcome::new("page", "first result after Start", first, "s").goal(first, Bound::AtMost(FIRST_GOAL_S), "s"),
        Outcome::new("page", "frames/s of 30 asked for", it.fps, "/s"),
        Outcome::new("page", "the browser's processor time", it.cores.streaming, "cores")
            .beside("camera shown", it.cores.shown),
        Outcome::new("page", format!("the page's heap {after}"), it.heap.after / MIB, "MiB")
            .beside("at first", it.heap.before / MIB)
            .goal((it.heap.after - it.heap.before) / MIB, Bound::AtMost(HEAP_GROWTH_MIB), "MiB more"),
        Outcome::new("page", "the browser's memory, first half", it.browser.early / MIB, "MiB")
            .beside("camera shown", it.browser.shown / MIB),
        // A quick run is over before the browser collects for the first time.
        if bench.is_quick() { browser } else { browser.goal(growth, Bound::AtMost(BROWSER_GROWTH), "times") },
    ])
}
