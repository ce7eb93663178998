//! Programs that capture from one camera, and the CPU time that each spends on a frame, in microseconds.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{FPS, HEIGHT, WIDTH};
use crate::bench::Bench;
use crate::child::Running;
use crate::daemon::{self, Daemon};
use crate::machine;

/// From the start of a stream until it is measured.
const SETTLE: Duration = Duration::from_secs(1);
/// Longest wait until a program captures; libtorch takes long to load in the VM.
const PATIENCE: Duration = Duration::from_secs(60);

/// A camera, as the programs are told of it.
pub(super) struct Camera<'a> {
    pub device: &'a Path,
    /// Its V4L2 name.
    pub format: &'static str,
}

impl Camera<'_> {
    /// `v4l2-ctl --stream-mmap`. How many frames came it says in text only, and writing that to a file would be a tenth
    /// of its time: it is taken to get every frame, so what it loses counts in its favour.
    pub fn v4l2_ctl(&self, window: Duration) -> Result<f64> {
        let picture = format!("--set-fmt-video=width={WIDTH},height={HEIGHT},pixelformat={}", self.format);
        let mut command = Command::new("v4l2-ctl");
        command.arg("-d").arg(self.device).args([&picture, &format!("--set-parm={FPS}"), "--stream-mmap"]);
        let child = start(command.stdout(Stdio::null()))?;
        let spent = self.watch(&child.0, window)?;
        Ok(per_frame(spent.cpu, f64::from(FPS) * spent.time.as_secs_f64()))
    }

    /// `forgesyted cameras test`: the daemon's capture alone.
    pub fn cameras_test(&self, bench: &Bench, window: Duration) -> Result<f64> {
        let seconds = (window + 2 * SETTLE).as_secs();
        let mut command = Command::new(&bench.program);
        command.env_clear().args(["cameras", "test", "--json", "--seconds", &seconds.to_string()]).arg(self.device);
        command.args(["--size", &format!("{WIDTH}x{HEIGHT}"), "--fps", &FPS.to_string(), "--format", self.format]);
        let mut child = start(command.stdout(Stdio::piped()))?;
        let spent = self.watch(&child.0, window)?;
        let mut report = String::new();
        child.0.stdout.take().context("it has no standard output")?.read_to_string(&mut report)?;
        let report: Value = serde_json::from_str(&report).with_context(|| format!("no report but {report:?}"))?;
        let fps = report["fps"].as_f64().context("its report has no rate")?;
        Ok(per_frame(spent.cpu, fps * spent.time.as_secs_f64()))
    }

    /// The whole daemon while nobody looks.
    pub fn daemon(&self, bench: &Bench, pipeline: Option<&str>, window: Duration) -> Result<f64> {
        let config = self.config(bench, pipeline)?;
        let daemon = Daemon::start_configured(bench, &config)?;
        let frames = || -> Result<f64> {
            let camera = &body(&daemon.get("/v1/cameras")?)?["cameras"][0];
            ensure!(camera["state"] == "up" && camera["pipeline_error"].is_null(), "the camera is {camera}");
            camera["frames"].as_f64().context("the camera counts no frames")
        };
        self.wait_captures(daemon.process())?;
        sleep(SETTLE);
        let before = frames()?;
        let spent = spend(daemon.process(), window)?;
        Ok(per_frame(spent.cpu, frames()? - before))
    }

    fn config(&self, bench: &Bench, pipeline: Option<&str>) -> Result<PathBuf> {
        let pipelines = bench.folder().join("pipelines");
        fs::create_dir_all(&pipelines)?;
        fs::write(pipelines.join("noop.toml"), "id = \"noop\"\n\n[[node]]\nid = \"noop\"\nkind = \"noop\"\n")?;
        let pipeline = pipeline.map_or(String::new(), |id| format!("pipeline = \"{id}\"\n"));
        let text = format!(
            "[pipelines]\ndirs = [\"pipelines\"]\n\n[[camera]]\nname = \"bench\"\ndevice = \"{}\"\nformat = \"{}\"\n\
             width = {WIDTH}\nheight = {HEIGHT}\nfps = {FPS}\nalways_on = true\n{pipeline}",
            self.device.display(),
            self.format
        );
        let file = bench.folder().join("camera.toml");
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// Debian's ustreamer, while nobody looks.
    pub fn ustreamer(&self, window: Duration) -> Result<f64> {
        let address = daemon::free_address()?;
        let format = if self.format == "MJPG" { "MJPEG" } else { self.format };
        let mut command = Command::new("ustreamer");
        command.arg("--device").arg(self.device).args(["--format", format, "--workers", "1"]);
        command.args(["--resolution", &format!("{WIDTH}x{HEIGHT}"), "--desired-fps", &FPS.to_string()]);
        command.args(["--host", &address.ip().to_string(), "--port", &address.port().to_string()]);
        let child = start(command.stdout(Stdio::null()))?;
        let spent = self.watch(&child.0, window)?;
        let fps = ustreamer_fps(address)?;
        Ok(per_frame(spent.cpu, fps * spent.time.as_secs_f64()))
    }

    fn watch(&self, child: &Child, window: Duration) -> Result<Spent> {
        self.wait_captures(child)?;
        sleep(SETTLE);
        spend(child, window)
    }

    /// Waits until the process has mapped the camera's buffers.
    fn wait_captures(&self, child: &Child) -> Result<()> {
        let maps = format!("/proc/{}/maps", child.id());
        let device = self.device.display().to_string();
        let deadline = Instant::now() + PATIENCE;
        while !fs::read_to_string(&maps).context("a program ended before it captured")?.contains(&device) {
            ensure!(Instant::now() < deadline, "a program does not capture from {device}");
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// What a process spent in a time.
struct Spent {
    cpu: Duration,
    time: Duration,
}

fn spend(child: &Child, window: Duration) -> Result<Spent> {
    let (before, started) = (machine::cpu_time(child.id())?, Instant::now());
    sleep(window);
    let (after, time) = (machine::cpu_time(child.id())?, started.elapsed());
    Ok(Spent { cpu: after.saturating_sub(before), time })
}

fn start(command: &mut Command) -> Result<Running> {
    let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
    child.map(Running).with_context(|| format!("cannot start {:?}", command.get_program()))
}

fn per_frame(cpu: Duration, frames: f64) -> f64 {
    cpu.as_secs_f64() * 1e6 / frames.max(1.0)
}

fn ustreamer_fps(address: SocketAddr) -> Result<f64> {
    let state = body(&daemon::ask(address, "/state")?)?;
    let fps = state["result"]["source"]["captured_fps"].as_f64().filter(|fps| *fps > 0.0);
    fps.with_context(|| format!("ustreamer captures nothing: {state}"))
}

/// The JSON that a response carries.
fn body(response: &str) -> Result<Value> {
    let (_, body) = response.split_once("\r\n\r\n").context("a response has no body")?;
    serde_json::from_str(body).with_context(|| format!("a response is no JSON: {body:?}"))
}
