//! `camera`: what capturing costs, 640x480, in CPU time per frame; beside it `v4l2-ctl`, which takes frames and gives them
//! back and does nothing else. For information: the whole daemon, and ustreamer, which serves JPEGs over HTTP.
//!
//! It runs in the VM of `cargo xtask bench-vm`, whose drivers are the cameras. Time is counted in instructions there.

mod programs;

use std::env;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forgesyted_tests::vm::{Loopback, Vivid};

use crate::bench::Bench;
use crate::report::{Bound, Outcome};
use crate::rounds::{Rounds, in_turn};
use programs::Camera;

/// Most of `v4l2-ctl`'s time that capturing alone may take.
const GOAL: f64 = 1.2;
/// Frames a second that the cameras give.
const FPS: u32 = 25;
const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

pub(super) fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let in_vm = env::var_os(xtask::vm::VM_VARIABLE).is_some();
    ensure!(in_vm, "it loads camera drivers: `cargo xtask bench-vm` runs it in a machine that may");
    let window = bench.seconds(8, 4);
    let vivid = Vivid::load(1);
    let mut outcomes = measure(bench, &Camera { device: vivid.device(0), format: "YUYV" }, window)?;
    drop(vivid);
    let loopback = Loopback::load();
    let jpegs = bench.frames.iter().map(|frame| frame.to_vec()).collect();
    let _feeder = loopback.feed(WIDTH, HEIGHT, FPS.into(), jpegs);
    outcomes.extend(measure(bench, &Camera { device: loopback.device(), format: "MJPG" }, window)?);
    Ok(outcomes)
}

fn measure(bench: &Bench, camera: &Camera<'_>, window: Duration) -> Result<Vec<Outcome>> {
    let [capture, daemon, with_noop, ustreamer] = in_turn(
        bench.rounds(),
        || told(camera, "v4l2-ctl", camera.v4l2_ctl(window)),
        [
            &|| told(camera, "cameras test", camera.cameras_test(bench, window)),
            &|| told(camera, "daemon", camera.daemon(bench, None, window)),
            &|| told(camera, "daemon with noop", camera.daemon(bench, Some("noop"), window)),
            &|| told(camera, "ustreamer", camera.ustreamer(window)),
        ],
    )?;
    let ustreamer_does = if camera.format == "MJPG" { "ustreamer, passes JPEGs on" } else { "ustreamer, makes JPEGs" };
    let outcome = |what: &str, rounds: &Rounds| {
        Outcome::new("camera", format!("{}, {what}", camera.format), rounds.measured(), "µs/frame")
            .beside("v4l2-ctl", rounds.limit())
    };
    Ok(vec![
        outcome("cameras test", &capture).goal(capture.ratio(), Bound::AtMost(GOAL), "× v4l2-ctl"),
        outcome("daemon without pipeline", &daemon),
        outcome("daemon with noop", &with_noop),
        outcome(ustreamer_does, &ustreamer),
    ])
}

/// Shows a figure as it comes: the row takes long.
fn told(camera: &Camera<'_>, program: &str, figure: Result<f64>) -> Result<f64> {
    let figure = figure.with_context(|| format!("{program} on {}", camera.format))?;
    eprintln!("  {}, {program}: {figure:.1} µs/frame", camera.format);
    Ok(figure)
}
