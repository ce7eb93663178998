//! The metrics as a scraper sees them, the machine's on a made-up `/sys` and `/proc`, and the document beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base::machine;
use base::protocol::ErrorCode;

use crate::telemetry::metrics::{Metrics, Source};

const DOCUMENT: &str = include_str!("../../../../docs/metrics-and-logging.md");

/// The part of the document below a heading of the second level.
fn section(heading: &str) -> &'static str {
    let start = DOCUMENT.find(&format!("\n## {heading}\n")).unwrap();
    let rest = &DOCUMENT[start + 4..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

/// The cells of the rows of a section's tables that begin with code, without its marks.
fn rows(section: &'static str) -> Vec<Vec<&'static str>> {
    section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect())
        .collect()
}

/// A folder that stands for `/`, removed with the value.
struct Root(PathBuf);

impl Root {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("forgesyted-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(root)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const JETSON: &[(&str, &str)] = &[
    ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
    ("sys/class/thermal/thermal_zone0/temp", "48250\n"),
    ("sys/class/thermal/thermal_zone1/type", "gpu-thermal\n"),
    ("sys/class/thermal/thermal_zone1/temp", "-256000\n"),
    ("sys/class/thermal/thermal_zone2/type", "cpu-thermal\n"),
    ("sys/class/thermal/thermal_zone2/temp", "50000\n"),
    ("sys/class/thermal/thermal_zone3/type", "no-reading\n"),
    ("sys/class/thermal/cooling_device0/type", "fan\n"),
    ("sys/class/devfreq/17000000.gpu/device/load", "375\n"),
    ("proc/meminfo", "MemTotal:        7990000 kB\nMemFree: 1 kB\nMemAvailable:    4000000 kB\n"),
    ("proc/loadavg", "1.25 0.80 0.60 2/345 6789\n"),
];

fn metrics(root: &Path) -> Metrics {
    Metrics::with_root("1.2.3", "2.11.0", root.to_path_buf()).unwrap()
}

/// Value by series, as written.
fn series(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').map(|(name, value)| (name, value.parse().unwrap())).unwrap()).collect()
}

/// Type by family.
fn families(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

#[test]
fn the_machine_is_read_at_each_scrape() {
    let root = Root::new("machine", JETSON);
    let metrics = metrics(&root.0);
    let text = metrics.render().unwrap();
    let found = series(&text);
    let machine: Vec<_> = found.iter().filter(|(name, _)| name.starts_with("machine_")).collect();
    assert_eq!(
        machine,
        [
            (&"machine_gpu_load_ratio", &0.375),
            (&"machine_load1", &1.25),
            (&"machine_memory_available_bytes", &4_096_000_000.0),
            (&"machine_memory_total_bytes", &8_181_760_000.0),
            (&"machine_temperature_celsius{zone=\"cpu-thermal\"}", &48.25),
            (&"machine_temperature_celsius{zone=\"cpu-thermal-thermal_zone2\"}", &50.0),
        ]
    );
    std::fs::write(root.0.join("sys/class/thermal/thermal_zone0/temp"), "61000\n").unwrap();
    std::fs::remove_file(root.0.join("sys/class/thermal/thermal_zone2/temp")).unwrap();
    std::fs::remove_file(root.0.join("proc/loadavg")).unwrap();
    let text = metrics.render().unwrap();
    let found = series(&text);
    assert_eq!(found["machine_temperature_celsius{zone=\"cpu-thermal\"}"], 61.0);
    assert!(!found.contains_key("machine_temperature_celsius{zone=\"cpu-thermal-thermal_zone2\"}"));
    assert!(!found.contains_key("machine_load1"));
}

#[test]
fn what_the_machine_lacks_is_absent() {
    let root = Root::new("bare", &[("proc/meminfo", "nonsense\n"), ("sys/devices/gpu.0/load", "no\n")]);
    let text = metrics(&root.0).render().unwrap();
    assert!(!text.contains("machine_"), "{text}");
}

#[test]
fn the_machine_as_facts_is_what_the_gauges_say() {
    let root = Root::new("facts", JETSON);
    let facts = serde_json::to_value(machine::facts(&root.0)).unwrap();
    assert!(facts["cpu"]["cores"].as_u64() >= Some(1));
    assert_eq!(facts["cpu"]["load1"], 1.25);
    assert_eq!(
        facts["memory"],
        serde_json::json!({ "total_bytes": 8_181_760_000_u64, "available_bytes": 4_096_000_000_u64 })
    );
    assert_eq!(facts["temperatures"][0], serde_json::json!({ "zone": "cpu-thermal", "celsius": 48.25 }));
    assert_eq!(facts["temperatures"].as_array().unwrap().len(), 2);
    assert_eq!(facts["gpu"], serde_json::json!({ "load_ratio": 0.375 }));
    let bare = serde_json::to_value(machine::facts(Path::new("/no/such/folder"))).unwrap();
    assert!(
        bare["gpu"].is_null() && bare["cpu"]["load1"].is_null() && bare["memory"]["total_bytes"].is_null(),
        "{bare}"
    );
    assert_eq!(bare["temperatures"], serde_json::json!([]));
}

#[test]
fn an_older_jetson_has_its_load_elsewhere() {
    for path in ["sys/devices/gpu.0/load", "sys/devices/platform/gpu.0/load", "sys/class/devfreq/x.ga10b/device/load"] {
        let root = Root::new("older", &[(path, "1000\n")]);
        let text = metrics(&root.0).render().unwrap();
        assert_eq!(series(&text)["machine_gpu_load_ratio"], 1.0, "{path}");
    }
}

#[test]
fn every_series_of_a_pipeline_starts_at_zero() {
    let root = Root::new("zero", &[]);
    let metrics = metrics(&root.0);
    let timed = metrics.pipeline("yard", &["detect".to_owned(), "count".to_owned()]);
    assert_eq!(timed.nodes.len(), 2);
    let text = metrics.render().unwrap();
    let found = series(&text);
    for source in ["websocket", "camera"] {
        for name in [
            "stream_sessions_active",
            "stream_frames_received_total",
            "stream_frames_processed_total",
            "stream_frames_dropped_total",
            "stream_frames_discarded_total",
            "stream_slowdown_signals_total",
        ] {
            let name = format!("{name}{{pipeline=\"yard\",source=\"{source}\"}}");
            assert_eq!(found.get(name.as_str()), Some(&0.0), "{name}\n{text}");
        }
        let name = format!("stream_frame_bytes_count{{source=\"{source}\"}}");
        assert_eq!(found.get(name.as_str()), Some(&0.0), "{name}");
    }
    for stage in ["wait", "decode", "detect", "count", "total"] {
        let name = format!("stream_stage_seconds_count{{pipeline=\"yard\",stage=\"{stage}\"}}");
        assert_eq!(found.get(name.as_str()), Some(&0.0), "{name}");
    }
    for code in ErrorCode::ALL.map(ErrorCode::as_str) {
        let name = format!("stream_errors_total{{code=\"{code}\"}}");
        assert_eq!(found.get(name.as_str()), Some(&0.0), "{name}");
    }
    for name in ["stream_panics_total", "stream_connections_refused_total", "forgesyted_ready"] {
        assert_eq!(found.get(name), Some(&0.0), "{name}");
    }
    assert_eq!(found["forgesyted_build_info{torch=\"2.11.0\",version=\"1.2.3\"}"], 1.0);
}

#[test]
fn what_is_counted_is_rendered() {
    let root = Root::new("count", &[]);
    let metrics = metrics(&root.0);
    let timed = metrics.pipeline("yard", &["detect".to_owned()]);
    let session = metrics.session(Source::Camera, "yard");
    let active = session.open();
    let also_active = session.clone().open();
    session.received.inc_by(5);
    session.processed.inc_by(2);
    session.dropped.inc();
    session.discarded.inc();
    session.slow_downs.inc();
    session.frame_bytes.observe(50_000.0);
    timed.total.observe(0.039);
    timed.nodes[0].observe(0.01);
    metrics.error("invalid_frame");
    metrics.panics.inc();
    metrics.refused.inc();
    metrics.set_ready(true);
    drop(also_active);
    let text = metrics.render().unwrap();
    let found = series(&text);
    let labels = "{pipeline=\"yard\",source=\"camera\"}";
    for (name, value) in [
        ("stream_sessions_active", 1.0),
        ("stream_frames_received_total", 5.0),
        ("stream_frames_processed_total", 2.0),
        ("stream_frames_dropped_total", 1.0),
        ("stream_frames_discarded_total", 1.0),
        ("stream_slowdown_signals_total", 1.0),
    ] {
        assert_eq!(found[format!("{name}{labels}").as_str()], value, "{name}");
    }
    assert_eq!(found["stream_frame_bytes_bucket{source=\"camera\",le=\"65536\"}"], 1.0);
    assert_eq!(found["stream_frame_bytes_bucket{source=\"camera\",le=\"16384\"}"], 0.0);
    assert_eq!(found["stream_stage_seconds_sum{pipeline=\"yard\",stage=\"detect\"}"], 0.01);
    let at_25_fps = |le: &str| {
        found[format!("stream_stage_seconds_bucket{{pipeline=\"yard\",stage=\"total\",le=\"{le}\"}}").as_str()]
    };
    assert_eq!((at_25_fps("0.025"), at_25_fps("0.04"), at_25_fps("0.05")), (0.0, 1.0, 1.0));
    assert_eq!(found["stream_errors_total{code=\"invalid_frame\"}"], 1.0);
    assert_eq!(found["stream_panics_total"], 1.0);
    assert_eq!(found["stream_connections_refused_total"], 1.0);
    assert_eq!(found["forgesyted_ready"], 1.0);
    drop(active);
    let text = metrics.render().unwrap();
    assert_eq!(series(&text)[format!("stream_sessions_active{labels}").as_str()], 0.0);
}

#[test]
fn the_series_of_a_pipeline_go_with_the_last_that_has_them() {
    let root = Root::new("gone", &[]);
    let metrics = metrics(&root.0);
    let names = |nodes: &[&str]| nodes.iter().map(ToString::to_string).collect::<Vec<String>>();
    let has = |what: &str| metrics.render().unwrap().matches(what).count();
    let (of_yard, of_gate) = ("pipeline=\"yard\"", "pipeline=\"gate\"");
    let stage = |node: &str| has(&format!("stream_stage_seconds_count{{pipeline=\"yard\",stage=\"{node}\"}}"));
    let _gate = metrics.pipeline("gate", &names(&["detect"]));
    let before = has(of_gate);
    // A reload replaces the pipeline, and sessions run on under the old one.
    let old = metrics.pipeline("yard", &names(&["detect", "count"]));
    let session = metrics.session(Source::Websocket, "yard");
    session.processed.inc_by(3);
    let new = metrics.pipeline("yard", &names(&["detect", "track"]));
    session.processed.inc();
    assert_eq!((stage("detect"), stage("count"), stage("track"), stage("total")), (1, 1, 1, 1));
    drop(old.clone());
    assert_eq!(stage("count"), 1);
    drop(old);
    assert_eq!((stage("detect"), stage("count"), stage("track"), stage("total")), (1, 0, 1, 1));
    let processed = "stream_frames_processed_total{pipeline=\"yard\",source=\"websocket\"}";
    assert_eq!(series(&metrics.render().unwrap())[processed], 4.0, "one series for both");
    // The next takes it away, and another brings it back.
    drop(new);
    assert_eq!((has(of_yard), has(of_gate)), (0, before));
    let _again = metrics.pipeline("yard", &names(&["detect"]));
    assert_eq!((has(of_yard), series(&metrics.render().unwrap())[processed]), (before, 0.0));
}

#[test]
fn the_series_of_a_camera_come_at_zero_and_go_with_it() {
    let root = Root::new("camera", &[]);
    let metrics = metrics(&root.0);
    let reasons = ["busy", "disconnected"];
    metrics.camera("yard", &reasons);
    let gate = metrics.camera("gate", &reasons);
    gate.frames.inc_by(3);
    gate.reconnect("busy");
    let of = |camera: &str| {
        let text = metrics.render().unwrap();
        let label = format!("camera=\"{camera}\"");
        series(&text).into_iter().filter(|(name, _)| name.contains(&label)).map(|(_, value)| value).sum::<f64>()
    };
    let count = |camera: &str| metrics.render().unwrap().matches(&format!("camera=\"{camera}\"")).count();
    assert_eq!((count("yard"), of("yard")), (8, 0.0));
    assert_eq!((count("gate"), of("gate")), (8, 4.0));
    metrics.forget_camera("gate", &reasons);
    assert_eq!((count("yard"), count("gate")), (8, 0));
}

#[test]
fn names_are_clean() {
    let root = Root::new("names", JETSON);
    let metrics = metrics(&root.0);
    let _yard = metrics.pipeline("yard", &[]);
    metrics.camera("gate", &["busy"]);
    let text = metrics.render().unwrap();
    for (name, kind) in families(&text) {
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        let help = text.lines().find_map(|line| line.strip_prefix(&format!("# HELP {name} ")));
        assert!(help.is_some_and(|help| help.ends_with('.')), "{name}: {help:?}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}");
    }
}

#[test]
fn the_document_lists_exactly_the_metrics() {
    let root = Root::new("document", JETSON);
    let metrics = metrics(&root.0);
    let _yard = metrics.pipeline("yard", &["detect".to_owned()]);
    metrics.camera("gate", &["busy"]);
    let text = metrics.render().unwrap();
    let documented = rows(section("Metrics"));
    let types: BTreeMap<&str, &str> = documented.iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(types.len(), documented.len(), "a metric is listed twice");
    assert_eq!(types, families(&text));
    for row in documented {
        let sample = text.lines().find(|line| line.starts_with(row[0])).unwrap();
        let labels = sample.split_once('{').map_or("", |(_, rest)| rest.split('}').next().unwrap());
        let mut found: Vec<&str> = labels.split(',').filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
        found.retain(|label| *label != "le");
        let mut listed: Vec<&str> = row[2].split('`').filter(|label| label.starts_with(char::is_alphabetic)).collect();
        listed.sort_unstable();
        assert_eq!(listed, found, "labels of {}", row[0]);
        let help = text.lines().find_map(|line| line.strip_prefix(&format!("# HELP {} ", row[0])));
        if !["process_", "machine_"].iter().any(|theirs| row[0].starts_with(theirs)) {
            assert_eq!(help, Some(&*row[3].replace('`', "")), "what a scraper is told of {}", row[0]);
        }
    }
    for code in ErrorCode::ALL.map(ErrorCode::as_str) {
        assert!(section("Metrics").contains(&format!("`{code}`")), "{code}");
    }
}

#[test]
fn the_document_lists_exactly_the_events_that_are_logged() {
    let mut documented: Vec<String> =
        rows(section("Log events")).iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    documented.sort();
    // `log` is what a library's line without an event gets.
    // The writer makes this one itself: through the logger it would wait in the queue that is full.
    let mut logged = vec!["log".to_owned(), "log_lines_lost".to_owned()];
    for program in ["base", "engine", "front"] {
        collect_events(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(program).join("src"), &mut logged);
    }
    logged.sort();
    logged.dedup();
    assert_eq!(documented, logged);
}

/// Events of the lines at info and above in the sources under a folder, tests left out.
fn collect_events(folder: &Path, events: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_events(&path, events);
        } else if !path.ends_with("tests.rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap();
            for line in ["log::info!(", "log::warn!(", "log::error!("].iter().flat_map(|call| code.split(call).skip(1))
            {
                // Mentions in comments have no event behind them.
                let event = line.trim_start().strip_prefix("event = \"").and_then(|rest| rest.split('"').next());
                events.extend(event.map(str::to_owned));
            }
        }
    }
}
