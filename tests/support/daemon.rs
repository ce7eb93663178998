//! The second rung: a running daemon.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::Mutex;

use rustix::process::{Pid, kill_process};
use serde_json::Value;

pub use rustix::process::Signal;

use crate::builder::Builder;
use crate::client::Client;
use crate::events::Events;
use crate::folder::Folder;
use crate::metrics::Metrics;
use crate::{http, wait};

/// A daemon in a process of its own, killed when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    folder: Folder,
    child: Mutex<Child>,
    pid: Pid,
    events: Events,
}

impl Daemon {
    /// The first rung.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A daemon that was started elsewhere, its standard error piped; `folder` goes with it.
    ///
    /// # Panics
    /// When standard error is not piped.
    pub fn new(folder: Folder, mut child: Child) -> Daemon {
        let events = Events::of(child.stderr.take().expect("standard error is piped"));
        let pid = Pid::from_child(&child);
        Daemon { folder, child: Mutex::new(child), pid, events }
    }

    /// Has it read configuration and pipelines again, and waits for the next line of this event.
    ///
    /// # Panics
    /// When it does not come.
    pub fn reload(&self, event: &str) -> Value {
        let before = self.events.of_kind(event).len();
        self.signal(Signal::HUP);
        self.events.wait_count(event, before + 1).pop().expect("one more line")
    }

    /// Its folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Path of a file in its folder.
    pub fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// What it logged, and waiting for it.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Its first address: known as soon as it listens.
    ///
    /// # Panics
    /// When it never listens.
    pub fn address(&self) -> SocketAddr {
        self.addresses()[0]
    }

    /// Its addresses, in the order of the configuration.
    ///
    /// # Panics
    /// When it never listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let listening = self.events.wait_for("listening");
        listening["listen"].as_str().unwrap().split(", ").map(|address| address.parse().unwrap()).collect()
    }

    /// Waits until it would serve a session.
    ///
    /// # Panics
    /// When it does not get there.
    pub fn wait_ready(&self) -> Value {
        self.events.wait_for("ready")
    }

    /// A client that streams to a pipeline.
    ///
    /// # Panics
    /// When the upgrade is refused.
    pub fn client(&self, pipeline: &str) -> Client {
        Client::connect(self.address(), &format!("pipeline_id={pipeline}"))
    }

    /// A watcher of what the query names.
    ///
    /// # Panics
    /// When the upgrade is refused.
    pub fn watch(&self, query: &str) -> Client {
        Client::watch(self.address(), query)
    }

    /// A camera as the list shows it now.
    ///
    /// # Panics
    /// When it is not in the list.
    pub fn camera(&self, name: &str) -> Value {
        http::camera(self.address(), name)
    }

    /// Waits until a camera is in this state, and returns it.
    ///
    /// # Panics
    /// When it does not get there.
    pub fn wait_camera(&self, name: &str, state: &str) -> Value {
        wait::until_some(&format!("camera {name} to be {state}"), || {
            Some(self.camera(name)).filter(|camera| camera["state"] == state)
        })
    }

    /// The answer to `GET path`.
    ///
    /// # Panics
    /// When the daemon cannot be asked.
    pub fn get(&self, path: &str) -> http::Answer {
        http::get(self.address(), path)
    }

    /// The metrics now.
    ///
    /// # Panics
    /// When they cannot be read.
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.get("/metrics").body)
    }

    /// The sessions now.
    ///
    /// # Panics
    /// When they cannot be read.
    pub fn sessions(&self) -> Vec<Value> {
        self.get("/v1/sessions").json()["sessions"].as_array().unwrap().clone()
    }

    /// Waits until this many sessions are live.
    ///
    /// # Panics
    /// When it does not come to that.
    pub fn wait_sessions(&self, count: usize) {
        wait::until(&format!("{count} live sessions"), || self.sessions().len() == count);
    }

    /// Resident memory, in bytes.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most resident memory that it ever had, in bytes.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, of: &str) -> u64 {
        let status = std::fs::read_to_string(Path::new("/proc").join(self.pid.to_string()).join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(of)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// The variables that its program was started with, each as `NAME=value`.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn environment(&self) -> Vec<String> {
        let text = std::fs::read(Path::new("/proc").join(self.pid.to_string()).join("environ")).unwrap();
        text.split(|byte| *byte == 0).map(|entry| String::from_utf8_lossy(entry).into_owned()).collect()
    }

    /// Open file descriptors.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(Path::new("/proc").join(self.pid.to_string()).join("fd")).unwrap().count()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Waits until the process ends by itself. Its code, or 128 + the signal that killed it.
    ///
    /// # Panics
    /// When it does not end.
    pub fn wait_exit(&self) -> i32 {
        let status: ExitStatus =
            wait::until_some("the daemon's end", || self.child.lock().unwrap().try_wait().unwrap());
        self.events.wait_end();
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
    }

    /// SIGTERM, and the exit code.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&self) -> i32 {
        self.signal(Signal::TERM);
        self.wait_exit()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
        if std::thread::panicking() {
            self.events.print();
        }
    }
}
