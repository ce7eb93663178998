//! The daemon under test: started as a user's would be, asked over HTTP, and ended with the value.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::bench::Bench;
use crate::child::Running;
use crate::machine::{self, Cores, spawn_on};

/// How long a daemon may take to become ready.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two questions whether it is ready; the start row is as exact as this.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// A running, ready daemon.
#[derive(Debug)]
pub struct Daemon {
    process: Running,
    address: SocketAddr,
    /// From exec to ready.
    pub started_in: Duration,
}

impl Daemon {
    /// Starts the daemon on these cores (any when none are given) with the pipelines of a folder, or the shipped ones.
    ///
    /// # Errors
    /// When it does not become ready; the error has the end of its log.
    pub fn start(bench: &Bench, pipelines: Option<&Path>, cores: Option<&Cores>) -> Result<Self> {
        let mut command = Command::new(&bench.program);
        command.arg("serve").env_clear();
        if let Some(folder) = pipelines {
            command.env("FORGESYTED_PIPELINE_DIRS", folder);
        }
        Self::run(bench, command, cores)
    }

    /// Starts the daemon with a configuration.
    ///
    /// # Errors
    /// When it does not become ready; the error has the end of its log.
    pub fn start_configured(bench: &Bench, config: &Path) -> Result<Self> {
        let mut command = Command::new(&bench.program);
        command.arg("serve").arg("--config").arg(config).env_clear();
        Self::run(bench, command, None)
    }

    fn run(bench: &Bench, mut command: Command, cores: Option<&Cores>) -> Result<Self> {
        let address = free_address()?;
        let log_file = bench.folder().join("daemon.log");
        let log = File::create(&log_file).with_context(|| format!("cannot write {}", log_file.display()))?;
        command.env("FORGESYTED_LISTEN", address.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let started = Instant::now();
        let process = Running(spawn_on(cores, &mut command)?);
        let mut daemon = Self { process, address, started_in: Duration::ZERO };
        daemon.wait_until_ready(started, &log_file)?;
        daemon.started_in = started.elapsed();
        Ok(daemon)
    }

    /// The streaming endpoint for a pipeline.
    pub fn url(&self, pipeline: &str) -> String {
        format!("ws://{}/ws/video/stream?pipeline_id={pipeline}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn process(&self) -> &Child {
        &self.process.0
    }

    /// Its resident memory in bytes.
    ///
    /// # Errors
    /// When it is gone.
    pub fn rss(&self) -> Result<u64> {
        machine::rss(self.process.0.id()).context("the daemon's memory cannot be read")
    }

    /// Asks for a path: the whole response, head and body.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path: &str) -> Result<String> {
        ask(self.address, path)
    }

    fn wait_until_ready(&mut self, started: Instant, log_file: &PathBuf) -> Result<()> {
        loop {
            if self.get("/readyz").is_ok_and(|response| response.starts_with("HTTP/1.1 200 ")) {
                return Ok(());
            }
            let ended = self.process.0.try_wait().context("cannot ask for the daemon's state")?;
            if ended.is_some() || started.elapsed() > PATIENCE {
                let log = fs::read_to_string(log_file).unwrap_or_default();
                let end: Vec<&str> = log.lines().rev().take(5).collect();
                bail!("the daemon does not become ready; its log ends, newest first, with {end:#?}");
            }
            sleep(ASK_EVERY);
        }
    }
}

/// Asks a server for a path: the whole response, head and body.
///
/// # Errors
/// When there is no answer.
pub fn ask(server: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(server)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}

/// An address that nobody listens on.
///
/// # Errors
/// When there is none.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
    Ok(listener.local_addr()?)
}
