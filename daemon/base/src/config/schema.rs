//! The typed configuration and its defaults.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use crate::config::camera::CameraConfig;
use crate::config::listen::Listen;
use crate::config::places;

/// Every setting of the daemon, checked and ready to use.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Frames, sessions and backpressure, for clients and cameras alike.
    pub stream: StreamConfig,
    /// The listener and its limits.
    pub server: ServerConfig,
    /// Where pipelines and models lie.
    pub pipelines: PipelinesConfig,
    /// What runs the models.
    pub engine: EngineConfig,
    /// The log.
    pub log: LogConfig,
    /// The local cameras, in the order of the file.
    pub cameras: Vec<CameraConfig>,
}

/// Table `stream`: frames, sessions and backpressure.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamConfig {
    /// Recent drop rate (0 to 1) above which a session is in `warning`.
    pub drop_threshold: f64,
    /// Recent drop rate (0 to 1) above which a session is in `critical`; never below `drop_threshold`.
    pub slowdown_threshold: f64,
    /// Largest frame accepted, in bytes of JPEG. From `max_frame_size_mb`, in MiB.
    pub max_frame_bytes: usize,
    /// Sessions served at once. `None`: no limit.
    pub max_sessions: Option<usize>,
    /// Most pixels (width × height) that a frame may announce.
    pub max_frame_pixels: u64,
    /// Frames over which the recent drop rate is taken. 0: the whole session.
    pub drop_window_frames: usize,
    /// Longest wait of the newest frame, in milliseconds, before older waiting ones are dropped for it.
    pub max_lag_ms: u64,
    /// Most frames of one session that wait.
    pub max_waiting_frames: usize,
    /// Shortest time between two `slow_down` notices of one session, in milliseconds.
    pub slow_down_interval_ms: u64,
    /// How long a client may read nothing before its connection is closed.
    pub send_timeout: Duration,
}

/// Table `server`: the listener and its limits.
#[derive(Clone, PartialEq)]
pub struct ServerConfig {
    /// Addresses and ports to listen on.
    pub listen: Listen,
    /// Secret that clients must present. `None`: anyone may connect. Its value is never printed.
    pub token: Option<String>,
    /// Whether a reload may take the token away.
    pub open: bool,
    /// Connections open at once, of any kind.
    pub max_connections: usize,
    /// How long a connection may take to send its request header.
    pub header_timeout: Duration,
    /// How long a WebSocket may be idle before its peer is pinged; one that answers nothing for twice that is dropped.
    pub ping_interval: Duration,
    /// Proxies whose word about a client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
}

/// Table `pipelines`: where pipelines and models lie.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelinesConfig {
    /// Folders of pipeline files; a later folder's id replaces an earlier one's.
    pub dirs: Vec<PathBuf>,
    /// Folders searched in order for a relative `model`, after the pipeline file's own.
    pub model_dirs: Vec<PathBuf>,
    /// Whether changes in them are taken in without a reload.
    pub watch: bool,
}

/// Table `engine`: what runs the models.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineConfig {
    /// Where models run.
    pub device: DeviceChoice,
    /// What models compute with.
    pub precision: Precision,
    /// Worker threads. `None`: the engine chooses for the device.
    pub workers: Option<usize>,
    /// libtorch threads within one operation, per worker.
    pub threads_per_worker: usize,
    /// The libtorch that the engine program gets. `None`: the one of the installation.
    pub libtorch: Option<PathBuf>,
    /// Shared libraries that bring operators, opened in this order before any model loads: names or absolute paths.
    pub libraries: Vec<PathBuf>,
}

/// Table `log`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// Least severe level that is written.
    pub level: log::LevelFilter,
}

/// Where models run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum DeviceChoice {
    /// The first GPU where there is one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this number, counted from 0.
    Cuda(usize),
}

/// What a model's weights and float inputs are turned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Precision {
    /// float32, as they are.
    Fp32,
    /// float16, for GPUs.
    Fp16,
    /// bfloat16: the range of float32 with an eighth of its digits.
    Bf16,
}

impl Config {
    /// The defaults for a daemon installed under `prefix`. `None`: the system's own folders.
    pub fn for_prefix(prefix: Option<&Path>) -> Self {
        let share = places::share(prefix);
        Self {
            stream: StreamConfig::default(),
            server: ServerConfig::default(),
            pipelines: PipelinesConfig {
                dirs: vec![share.join("pipelines"), "/etc/forgesyted/pipelines.d".into()],
                model_dirs: vec!["/var/lib/forgesyted/models".into(), share.join("models")],
                watch: false,
            },
            engine: EngineConfig::default(),
            log: LogConfig::default(),
            cameras: Vec::new(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::for_prefix(None)
    }
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            drop_threshold: 0.10,
            slowdown_threshold: 0.30,
            max_frame_bytes: 5 * 1024 * 1024,
            max_sessions: None,
            max_frame_pixels: 33_554_432,
            drop_window_frames: 100,
            max_lag_ms: 100,
            max_waiting_frames: 4,
            slow_down_interval_ms: 1000,
            send_timeout: Duration::from_secs(10),
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            token: None,
            open: false,
            max_connections: 1024,
            header_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(20),
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for PipelinesConfig {
    fn default() -> Self {
        Config::default().pipelines
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            device: DeviceChoice::Auto,
            precision: Precision::Fp32,
            workers: None,
            threads_per_worker: 1,
            libtorch: None,
            libraries: Vec::new(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: log::LevelFilter::Info }
    }
}

// By hand, so that a token never reaches a log through `{:?}`.
impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("listen", &self.listen)
            .field("token", &self.token.as_ref().map(|_| "(set)"))
            .field("open", &self.open)
            .field("max_connections", &self.max_connections)
            .field("header_timeout", &self.header_timeout)
            .field("ping_interval", &self.ping_interval)
            .field("trusted_proxies", &self.trusted_proxies)
            .finish()
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = || text.strip_prefix("cuda:")?.parse::<u8>().ok();
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            _ => number().map(|number| Self::Cuda(number.into())).ok_or_else(|| {
                format!("there is no device \"{text}\"; use \"auto\", \"cpu\" or \"cuda:N\" with N from 0 to 255")
            }),
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Fp32, Self::Fp16, Self::Bf16]
            .into_iter()
            .find(|precision| precision.to_string() == text)
            .ok_or_else(|| format!("there is no precision \"{text}\"; use \"fp32\", \"fp16\" or \"bf16\""))
    }
}

impl TryFrom<String> for Precision {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
