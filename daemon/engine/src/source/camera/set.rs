//! The cameras of the configuration, each with its thread; a reload starts, stops and replaces them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::CameraView;
use super::shared::Camera;
use super::supervisor::supervise;
use crate::session::Services;
use base::capture::Reason;
use base::config::CameraConfig;

/// How long a camera that was changed or removed gets to close its device before its successor is started all the same.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Bytes of a thread's name that Linux keeps.
const THREAD_NAME: usize = 15;

/// The running cameras.
#[derive(Debug)]
pub struct CameraSet {
    services: Arc<Services>,
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    running: BTreeMap<String, Running>,
    /// No camera is started any more.
    stopped: bool,
}

#[derive(Debug)]
struct Running {
    camera: Arc<Camera>,
    thread: JoinHandle<()>,
}

impl CameraSet {
    /// A set without cameras.
    pub fn new(services: Arc<Services>) -> Self {
        CameraSet { services, live: Mutex::default() }
    }

    /// Starts what is new, stops what is gone and replaces what has changed; the others are not touched.
    pub fn apply(&self, configs: &[CameraConfig]) {
        let leaving: Vec<Running> = {
            let running = &mut self.lock().running;
            let stays = |running: &Running| configs.contains(running.camera.config());
            let leaving: Vec<String> =
                running.iter().filter(|(_, running)| !stays(running)).map(|(name, _)| name.clone()).collect();
            leaving.iter().filter_map(|name| running.remove(name)).collect()
        };
        let names: Vec<String> = leaving.iter().map(|running| running.camera.config().name.clone()).collect();
        end(leaving, CLOSE_WITHIN);
        for name in names.iter().filter(|name| !configs.iter().any(|config| config.name == **name)) {
            self.services.metrics.forget_camera(name, &Reason::ALL.map(Reason::as_str));
        }
        for config in configs {
            if !self.lock().running.contains_key(&config.name) {
                self.start(config);
            }
        }
    }

    /// Every camera, by name.
    pub fn list(&self) -> Vec<CameraView> {
        let cameras: Vec<Arc<Camera>> =
            self.lock().running.values().map(|running| Arc::clone(&running.camera)).collect();
        cameras.iter().map(|camera| camera.view()).collect()
    }

    /// The camera of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Camera>> {
        self.lock().running.get(name).map(|running| Arc::clone(&running.camera))
    }

    /// The names of all cameras, sorted.
    pub fn names(&self) -> Vec<String> {
        self.lock().running.keys().cloned().collect()
    }

    /// Ends every camera; their sessions end with them. Waits at most `patience`, and returns whether all ended.
    pub fn stop(&self, patience: Duration) -> bool {
        let all = {
            let mut live = self.lock();
            live.stopped = true;
            std::mem::take(&mut live.running)
        };
        end(all.into_values().collect(), patience)
    }

    fn start(&self, config: &CameraConfig) {
        match self.spawn(config) {
            Ok(running) => {
                let mut live = self.lock();
                if live.stopped {
                    running.camera.stop();
                }
                live.running.insert(config.name.clone(), running);
            }
            Err(error) => log::error!(
                event = "camera_thread_failed", camera = config.name, err:% = error;
                "camera {} cannot be started: the system gives no thread", config.name
            ),
        }
    }

    fn spawn(&self, config: &CameraConfig) -> io::Result<Running> {
        let camera = Arc::new(Camera::new(config.clone(), &self.services.metrics));
        let (ours, services) = (Arc::clone(&camera), Arc::clone(&self.services));
        let name: String = format!("cam-{}", config.name).chars().take(THREAD_NAME).collect();
        let thread = std::thread::Builder::new().name(name).spawn(move || supervise(&ours, &services))?;
        Ok(Running { camera, thread })
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stops cameras and waits for their threads, at most `patience`. Returns whether all ended: a driver may hold one in a
/// system call.
fn end(cameras: Vec<Running>, patience: Duration) -> bool {
    cameras.iter().for_each(|running| running.camera.stop());
    let deadline = Instant::now() + patience;
    // std has no join with a deadline.
    while cameras.iter().any(|running| !running.thread.is_finished()) {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    cameras.into_iter().for_each(|running| drop(running.thread.join()));
    true
}
