//! The one list of settings: key, variable, meaning, allowed values, how to set and how to show each.

use std::path::PathBuf;

use ipnet::IpNet;

use crate::config::found::Found;
use crate::config::schema::Config;

const MIB: f64 = 1024.0 * 1024.0;

/// One setting.
pub struct Setting {
    /// Dotted TOML key: table and name.
    pub key: &'static str,
    /// Environment variable that overrides the file, where there is one.
    pub variable: Option<&'static str>,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// The allowed values, in words that end an error message.
    pub allowed: &'static str,
    /// Whether a change waits for a restart; otherwise a reload applies it.
    pub restart: bool,
    /// Whether the value is kept out of everything printed.
    pub secret: bool,
    /// Checks a found value and puts it into the configuration; `None` where it is not allowed.
    pub(super) set: fn(&mut Config, &Found<'_>) -> Option<()>,
    /// The value as TOML, secrets included.
    pub(super) raw: fn(&Config) -> String,
}

impl Setting {
    /// The effective value as TOML would write it; a secret gives `(set)`, a value that is not set `unset`.
    pub fn show(&self, config: &Config) -> String {
        let raw = (self.raw)(config);
        if self.secret && raw != UNSET {
            return "(set)".to_owned();
        }
        raw
    }
}

/// What stands for a value that is not set.
pub(super) const UNSET: &str = "unset";

/// What most entries share; each names what differs.
const PLAIN: Setting = Setting {
    key: "",
    variable: None,
    about: "",
    allowed: "",
    restart: false,
    secret: false,
    set: |_, _| None,
    raw: |_| String::new(),
};

/// Every setting, in the order in which the sample file and the documents list them.
pub static SETTINGS: &[Setting] = &[
    Setting {
        key: "stream.drop_threshold",
        variable: Some("STREAM_DROP_THRESHOLD"),
        about: "Recent drop rate above which a session is in `warning`: then only its newest frame waits.",
        allowed: "a number from 0 to 1, not above stream.slowdown_threshold",
        set: |c, v| v.number(0.0..=1.0).map(|n| c.stream.drop_threshold = n),
        raw: |c| c.stream.drop_threshold.to_string(),
        ..PLAIN
    },
    Setting {
        key: "stream.slowdown_threshold",
        variable: Some("STREAM_SLOWDOWN_THRESHOLD"),
        about: "Recent drop rate above which a session is in `critical`: then its client is told to slow down.",
        allowed: "a number from 0 to 1, not below stream.drop_threshold",
        set: |c, v| v.number(0.0..=1.0).map(|n| c.stream.slowdown_threshold = n),
        raw: |c| c.stream.slowdown_threshold.to_string(),
        ..PLAIN
    },
    Setting {
        key: "stream.max_frame_size_mb",
        variable: Some("STREAM_MAX_FRAME_SIZE_MB"),
        about: "Largest frame, in MiB (1048576 bytes): a JPEG, or with `run` a PNG or a frame of a video. A larger one is refused, a client's before it is read.",
        allowed: "a number above 0, up to 1024",
        set: |c, v| {
            // Below one byte nothing would pass; the cast is within 2^30.
            let bytes = (v.number(0.0..=1024.0)? * MIB).round() as usize;
            (bytes > 0).then(|| c.stream.max_frame_bytes = bytes)
        },
        raw: |c| (c.stream.max_frame_bytes as f64 / MIB).to_string(),
        ..PLAIN
    },
    Setting {
        key: "stream.max_sessions",
        variable: Some("STREAM_MAX_SESSIONS"),
        about: "Sessions served at once; the next one is refused with `too_many_sessions`.",
        allowed: "a whole number from 1 to 1000000, or \"unlimited\"",
        set: |c, v| v.size_or("unlimited", 1..=1_000_000).map(|n| c.stream.max_sessions = n),
        raw: |c| or_word(c.stream.max_sessions, "unlimited"),
        ..PLAIN
    },
    Setting {
        key: "stream.max_frame_pixels",
        about: "Most pixels (width × height) a frame's header may announce; more never reaches the decoder.",
        allowed: "a whole number from 1 to 4294836225",
        set: |c, v| v.integer(1..=65_535 * 65_535).map(|n| c.stream.max_frame_pixels = n),
        raw: |c| c.stream.max_frame_pixels.to_string(),
        ..PLAIN
    },
    Setting {
        key: "stream.drop_window_frames",
        about: "Frames over which the recent drop rate is taken; 0 means the whole session.",
        allowed: "a whole number from 0 to 100000",
        set: |c, v| v.size(0..=100_000).map(|n| c.stream.drop_window_frames = n),
        raw: |c| c.stream.drop_window_frames.to_string(),
        ..PLAIN
    },
    Setting {
        key: "stream.max_lag_ms",
        about: "Longest wait of the newest frame, in milliseconds, before older waiting ones are dropped for it.",
        allowed: "a whole number from 0 to 600000",
        set: |c, v| v.integer(0..=600_000).map(|n| c.stream.max_lag_ms = n),
        raw: |c| c.stream.max_lag_ms.to_string(),
        ..PLAIN
    },
    Setting {
        key: "stream.max_waiting_frames",
        about: "Most frames of one session that wait.",
        allowed: "a whole number from 1 to 64",
        set: |c, v| v.size(1..=64).map(|n| c.stream.max_waiting_frames = n),
        raw: |c| c.stream.max_waiting_frames.to_string(),
        ..PLAIN
    },
    Setting {
        key: "stream.slow_down_interval_ms",
        about: "Shortest time between two `slow_down` notices of one session, in milliseconds.",
        allowed: "a whole number from 0 to 3600000",
        set: |c, v| v.integer(0..=3_600_000).map(|n| c.stream.slow_down_interval_ms = n),
        raw: |c| c.stream.slow_down_interval_ms.to_string(),
        ..PLAIN
    },
    Setting {
        key: "stream.send_timeout_s",
        about: "Seconds a client may read nothing before its connection is closed.",
        allowed: "a number from 0.001 to 3600",
        set: |c, v| v.seconds().map(|d| c.stream.send_timeout = d),
        raw: |c| c.stream.send_timeout.as_secs_f64().to_string(),
        ..PLAIN
    },
    Setting {
        key: "server.listen",
        variable: Some("FORGESYTED_LISTEN"),
        about: "Addresses and ports to listen on; `[::]` is every address of the machine, IPv4 too.",
        allowed: "an IP address and a port, such as \"[::]:8000\", \"0.0.0.0:8000\" or \"localhost:8000\", or a list of such (in the variable: `,` between them)",
        restart: true,
        set: |c, v| v.listen().map(|listen| c.server.listen = listen),
        raw: |c| one_or_list(c.server.listen.texts()),
        ..PLAIN
    },
    Setting {
        key: "server.token",
        variable: Some("FORGESYTED_TOKEN"),
        about: "Secret that clients must present; unset, anyone who reaches the port may connect.",
        allowed: "1 to 1024 visible ASCII characters without spaces",
        restart: false,
        secret: true,
        set: |c, v| {
            let token = v.text()?;
            let fits = token.len() <= 1024 && token.bytes().all(|b| b.is_ascii_graphic());
            fits.then(|| c.server.token = Some(token.to_owned()))
        },
        raw: |c| match &c.server.token {
            Some(token) => quoted(token),
            None => UNSET.to_owned(),
        },
    },
    Setting {
        key: "server.open",
        about: "Whether a reload may take the token away; without it, one that finds no token is refused, as after a file that became empty.",
        allowed: "true or false",
        set: |c, v| v.boolean().map(|open| c.server.open = open),
        raw: |c| c.server.open.to_string(),
        ..PLAIN
    },
    Setting {
        key: "server.max_connections",
        about: "Connections open at once, of any kind; the next one is closed at once.",
        allowed: "a whole number from 1 to 1000000",
        restart: true,
        set: |c, v| v.size(1..=1_000_000).map(|n| c.server.max_connections = n),
        raw: |c| c.server.max_connections.to_string(),
        ..PLAIN
    },
    Setting {
        key: "server.header_timeout_s",
        about: "Seconds a connection may take to send its request header.",
        allowed: "a number from 0.001 to 3600",
        restart: true,
        set: |c, v| v.seconds().map(|d| c.server.header_timeout = d),
        raw: |c| c.server.header_timeout.as_secs_f64().to_string(),
        ..PLAIN
    },
    Setting {
        key: "server.ping_interval_s",
        about: "Seconds without traffic after which the peer of a WebSocket is pinged; one that answers nothing for twice that is dropped.",
        allowed: "a number from 0.001 to 3600",
        set: |c, v| v.seconds().map(|d| c.server.ping_interval = d),
        raw: |c| c.server.ping_interval.as_secs_f64().to_string(),
        ..PLAIN
    },
    Setting {
        key: "server.trusted_proxies",
        about: "Proxies whose `X-Forwarded-For` or `Forwarded` says which address a client has; from anyone else these headers are ignored.",
        allowed: "a list of IP addresses and networks, such as [\"127.0.0.1\", \"10.0.0.0/8\"]",
        set: |c, v| v.networks().map(|networks| c.server.trusted_proxies = networks),
        raw: |c| networks(&c.server.trusted_proxies),
        ..PLAIN
    },
    Setting {
        key: "pipelines.dirs",
        variable: Some("FORGESYTED_PIPELINE_DIRS"),
        about: "Folders of pipeline files; a later folder's id replaces an earlier one's.",
        allowed: "a list of folders, at least one (in the variable: `:` between them)",
        set: |c, v| {
            let folders = v.folders()?;
            (!folders.is_empty()).then(|| c.pipelines.dirs = folders)
        },
        raw: |c| list(&c.pipelines.dirs),
        ..PLAIN
    },
    Setting {
        key: "pipelines.model_dirs",
        variable: Some("FORGESYTED_MODEL_DIRS"),
        about: "Folders searched in order for a relative `model`, after the pipeline file's own folder.",
        allowed: "a list of folders (in the variable: `:` between them)",
        set: |c, v| v.folders().map(|folders| c.pipelines.model_dirs = folders),
        raw: |c| list(&c.pipelines.model_dirs),
        ..PLAIN
    },
    Setting {
        key: "pipelines.watch",
        about: "Whether new, changed and removed pipeline files, models and label files are taken in without a reload.",
        allowed: "true or false",
        set: |c, v| v.boolean().map(|watch| c.pipelines.watch = watch),
        raw: |c| c.pipelines.watch.to_string(),
        ..PLAIN
    },
    Setting {
        key: "engine.device",
        variable: Some("FORGESYTED_DEVICE"),
        about: "Where models run; `auto` takes the first GPU where there is one, else the CPU.",
        allowed: "\"auto\", \"cpu\" or \"cuda:N\" with N from 0 to 255",
        restart: true,
        set: |c, v| v.text()?.parse().ok().map(|device| c.engine.device = device),
        raw: |c| quoted(&c.engine.device.to_string()),
        ..PLAIN
    },
    Setting {
        key: "engine.precision",
        variable: Some("FORGESYTED_PRECISION"),
        about: "What models compute with; at load each says in the log how far from `fp32` it is, and whether it is faster.",
        allowed: "\"fp32\", \"fp16\" or \"bf16\"",
        restart: true,
        set: |c, v| v.text()?.parse().ok().map(|precision| c.engine.precision = precision),
        raw: |c| quoted(&c.engine.precision.to_string()),
        ..PLAIN
    },
    Setting {
        key: "engine.workers",
        variable: Some("FORGESYTED_WORKERS"),
        about: "Threads that run models; `auto` lets the engine choose for the device.",
        allowed: "a whole number from 1 to 64, or \"auto\"",
        restart: true,
        set: |c, v| v.size_or("auto", 1..=64).map(|n| c.engine.workers = n),
        raw: |c| or_word(c.engine.workers, "auto"),
        ..PLAIN
    },
    Setting {
        key: "engine.threads_per_worker",
        variable: Some("FORGESYTED_THREADS_PER_WORKER"),
        about: "libtorch threads within one operation, per worker.",
        allowed: "a whole number from 1 to 64",
        restart: true,
        set: |c, v| v.size(1..=64).map(|n| c.engine.threads_per_worker = n),
        raw: |c| c.engine.threads_per_worker.to_string(),
        ..PLAIN
    },
    Setting {
        key: "engine.libtorch",
        variable: Some("FORGESYTED_LIBTORCH"),
        about: "A libtorch of this machine, in place of the installed one: a folder with `lib/libtorch_cpu.so`, such as Python's `site-packages/torch`.",
        allowed: "a folder without `:`, absolute in a variable",
        restart: true,
        set: |c, v| v.search_folder().map(|folder| c.engine.libtorch = Some(folder)),
        raw: |c| {
            c.engine.libtorch.as_ref().map_or_else(|| UNSET.to_owned(), |folder| quoted(&folder.to_string_lossy()))
        },
        ..PLAIN
    },
    Setting {
        key: "engine.libraries",
        variable: Some("FORGESYTED_LIBRARIES"),
        about: "Shared libraries that bring operators of their own, such as `libtorchtrt_runtime.so`; opened in this order before any model loads.",
        allowed: "a list of file names without `/`, which the dynamic linker searches, or absolute paths (in the variable: `:` between them)",
        restart: true,
        set: |c, v| v.libraries().map(|libraries| c.engine.libraries = libraries),
        raw: |c| list(&c.engine.libraries),
        ..PLAIN
    },
    Setting {
        key: "log.level",
        variable: Some("FORGESYTED_LOG"),
        about: "Least severe level that is logged.",
        allowed: "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        set: |c, v| level(v.text()?).map(|level| c.log.level = level),
        raw: |c| quoted(&c.log.level.as_str().to_lowercase()),
        ..PLAIN
    },
];

/// `off` is not offered: a daemon that cannot say why it stops is no use to anyone.
fn level(text: &str) -> Option<log::LevelFilter> {
    text.parse().ok().filter(|level| *level != log::LevelFilter::Off)
}

fn or_word(value: Option<usize>, word: &str) -> String {
    value.map_or_else(|| quoted(word), |n| n.to_string())
}

/// A single text as itself, several as a list.
fn one_or_list(texts: impl Iterator<Item = String>) -> String {
    let mut items: Vec<String> = texts.map(|text| quoted(&text)).collect();
    if items.len() == 1 { items.remove(0) } else { format!("[{}]", items.join(", ")) }
}

/// A text as TOML.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn networks(networks: &[IpNet]) -> String {
    let single = |network: &IpNet| network.prefix_len() == network.max_prefix_len();
    let text = |network: &IpNet| if single(network) { network.addr().to_string() } else { network.to_string() };
    let items: Vec<String> = networks.iter().map(|network| quoted(&text(network))).collect();
    format!("[{}]", items.join(", "))
}

fn list(folders: &[PathBuf]) -> String {
    let items: Vec<String> = folders.iter().map(|f| quoted(&f.to_string_lossy())).collect();
    format!("[{}]", items.join(", "))
}
