//! Tables over the whole room: files and variables in, configuration or problems out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

fn from_text(text: &str) -> Result<Loaded, ConfigError> {
    load(Some((Path::new("/etc/f.toml"), text)), &[], None)
}

fn from_variables(variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    load(None, &owned(variables), None)
}

fn owned(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    variables.iter().map(owned).collect()
}

fn problems(result: Result<Loaded, ConfigError>) -> Vec<String> {
    let err = result.unwrap_err();
    err.problems.iter().map(Problem::to_string).collect()
}

#[test]
fn nothing_gives_the_contract_defaults() {
    let loaded = from_variables(&[]).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.origins.values().all(|origin| *origin == Origin::Default));
    assert_eq!(loaded.origins.len(), SETTINGS.len());
    let Config { stream, server, pipelines, engine, log, cameras } = loaded.config;
    assert_eq!(cameras, []);
    assert_eq!((stream.drop_threshold, stream.slowdown_threshold), (0.10, 0.30));
    assert_eq!((stream.max_frame_bytes, stream.max_frame_pixels), (5_242_880, 33_554_432));
    assert_eq!((stream.max_sessions, stream.drop_window_frames), (None, 100));
    assert_eq!((stream.max_lag_ms, stream.max_waiting_frames), (100, 4));
    assert_eq!((stream.slow_down_interval_ms, stream.send_timeout), (1000, Duration::from_secs(10)));
    // One socket for both families: `localhost` may be ::1 to a client.
    assert_eq!((server.listen.texts().collect::<Vec<_>>(), server.token), (vec!["[::]:8000".to_owned()], None));
    assert!(server.listen.endpoints().iter().all(|endpoint| endpoint.both_families));
    assert_eq!((server.max_connections, server.header_timeout), (1024, Duration::from_secs(10)));
    assert_eq!((server.ping_interval, server.trusted_proxies), (Duration::from_secs(20), Vec::new()));
    let folders = ["/usr/share/forgesyted/pipelines", "/etc/forgesyted/pipelines.d"];
    assert_eq!(pipelines.dirs, folders.map(PathBuf::from));
    let folders = ["/var/lib/forgesyted/models", "/usr/share/forgesyted/models"];
    assert_eq!(pipelines.model_dirs, folders.map(PathBuf::from));
    assert_eq!((engine.device, engine.workers), (DeviceChoice::Auto, None));
    assert_eq!((engine.threads_per_worker, log.level), (1, log::LevelFilter::Info));
}

#[test]
fn a_prefix_moves_the_shared_folders_only() {
    let loaded = load(None, &[], Some(Path::new("/opt/f"))).unwrap();
    let folders = ["/opt/f/share/forgesyted/pipelines", "/etc/forgesyted/pipelines.d"];
    assert_eq!(loaded.config.pipelines.dirs, folders.map(PathBuf::from));
    let folders = ["/var/lib/forgesyted/models", "/opt/f/share/forgesyted/models"];
    assert_eq!(loaded.config.pipelines.model_dirs, folders.map(PathBuf::from));
}

/// Key, a TOML value, and what `show` then gives.
const SET: &[(&str, &str, &str)] = &[
    ("stream.drop_threshold", "0", "0"),
    ("stream.drop_threshold", "-0.0", "0"),
    ("stream.drop_threshold", "0.3", "0.3"),
    ("stream.slowdown_threshold", "1", "1"),
    ("stream.max_frame_size_mb", "0.5", "0.5"),
    ("stream.max_frame_size_mb", "1024", "1024"),
    ("stream.max_sessions", "1", "1"),
    ("stream.max_sessions", "1_000_000", "1000000"),
    ("stream.max_sessions", "\"unlimited\"", "\"unlimited\""),
    ("stream.max_frame_pixels", "1", "1"),
    ("stream.max_frame_pixels", "4294836225", "4294836225"),
    ("stream.drop_window_frames", "0", "0"),
    ("stream.drop_window_frames", "100000", "100000"),
    ("stream.max_lag_ms", "0", "0"),
    ("stream.max_lag_ms", "0x10", "16"),
    ("stream.max_waiting_frames", "1", "1"),
    ("stream.max_waiting_frames", "64", "64"),
    ("stream.slow_down_interval_ms", "0", "0"),
    ("stream.send_timeout_s", "0.001", "0.001"),
    ("stream.send_timeout_s", "3600", "3600"),
    ("server.listen", "\"[::1]:0\"", "\"[::1]:0\""),
    ("server.listen", "[\"localhost:80\"]", "\"localhost:80\""),
    ("server.listen", "[\"0.0.0.0:80\", \"[::]:80\"]", "[\"0.0.0.0:80\", \"[::]:80\"]"),
    ("server.token", "\"s3cret\"", "(set)"),
    ("server.open", "true", "true"),
    ("server.max_connections", "1000000", "1000000"),
    ("server.header_timeout_s", "2.5", "2.5"),
    ("server.ping_interval_s", "0.5", "0.5"),
    ("server.trusted_proxies", "[\"127.0.0.1\", \"10.0.0.0/8\", \"::1\"]", "[\"127.0.0.1\", \"10.0.0.0/8\", \"::1\"]"),
    ("server.trusted_proxies", "[\"::ffff:10.0.0.0/104\", \"::ffff:192.0.2.1\"]", "[\"10.0.0.0/8\", \"192.0.2.1\"]"),
    ("pipelines.dirs", "[\"p\", \"/q\"]", "[\"/etc/p\", \"/q\"]"),
    ("pipelines.model_dirs", "[]", "[]"),
    ("pipelines.watch", "true", "true"),
    ("engine.device", "\"cpu\"", "\"cpu\""),
    ("engine.device", "\"cuda:1\"", "\"cuda:1\""),
    ("engine.precision", "\"fp32\"", "\"fp32\""),
    ("engine.precision", "\"bf16\"", "\"bf16\""),
    ("engine.workers", "64", "64"),
    ("engine.workers", "\"auto\"", "\"auto\""),
    ("engine.threads_per_worker", "64", "64"),
    ("engine.libtorch", "\"/opt/libtorch\"", "\"/opt/libtorch\""),
    ("engine.libtorch", "\"torch\"", "\"/etc/torch\""),
    ("engine.libraries", "[\"libb.so\", \"/opt/liba.so\"]", "[\"libb.so\", \"/opt/liba.so\"]"),
    ("engine.libraries", "[]", "[]"),
    ("log.level", "\"trace\"", "\"trace\""),
];

/// Key and a TOML value that it refuses.
const REFUSED: &[(&str, &str)] = &[
    ("stream.drop_threshold", "1.01"),
    ("stream.drop_threshold", "-0.01"),
    ("stream.drop_threshold", "nan"),
    ("stream.drop_threshold", "\"0.1\""),
    ("stream.slowdown_threshold", "inf"),
    ("stream.slowdown_threshold", "true"),
    ("stream.max_frame_size_mb", "0"),
    ("stream.max_frame_size_mb", "1e-9"),
    ("stream.max_frame_size_mb", "1024.5"),
    ("stream.max_sessions", "0"),
    ("stream.max_sessions", "1000001"),
    ("stream.max_sessions", "\"many\""),
    ("stream.max_frame_pixels", "0"),
    ("stream.max_frame_pixels", "4294836226"),
    ("stream.drop_window_frames", "100001"),
    ("stream.drop_window_frames", "1.5"),
    ("stream.max_lag_ms", "-1"),
    ("stream.max_lag_ms", "600001"),
    ("stream.max_waiting_frames", "0"),
    ("stream.max_waiting_frames", "65"),
    ("stream.slow_down_interval_ms", "3600001"),
    ("stream.send_timeout_s", "0"),
    ("stream.send_timeout_s", "3600.1"),
    ("server.listen", "\"localhost\""),
    ("server.listen", "8000"),
    ("server.listen", "[]"),
    ("server.listen", "[8000]"),
    ("server.listen", "\"127.0.0.1:1, 127.0.0.1:2\""),
    ("server.token", "\"\""),
    ("server.token", "\"two words\""),
    ("server.token", "7"),
    ("server.open", "\"yes\""),
    ("server.max_connections", "0"),
    ("server.header_timeout_s", "0"),
    ("server.ping_interval_s", "0"),
    ("server.trusted_proxies", "\"127.0.0.1\""),
    ("server.trusted_proxies", "[\"proxy\"]"),
    ("server.trusted_proxies", "[\"10.0.0.0/33\"]"),
    ("server.trusted_proxies", "[7]"),
    ("pipelines.dirs", "[]"),
    ("pipelines.dirs", "[\"\"]"),
    ("pipelines.dirs", "\"/p\""),
    ("pipelines.model_dirs", "[1]"),
    ("pipelines.watch", "1"),
    ("engine.device", "\"cuda\""),
    ("engine.device", "\"cuda:-1\""),
    ("engine.device", "\"gpu\""),
    ("engine.precision", "\"fp8\""),
    ("engine.precision", "16"),
    ("engine.workers", "0"),
    ("engine.workers", "65"),
    ("engine.threads_per_worker", "0"),
    ("engine.threads_per_worker", "1979-05-27"),
    ("engine.libtorch", "\"\""),
    ("engine.libtorch", "[\"/opt/libtorch\"]"),
    ("engine.libtorch", "\"/opt/a:/opt/b\""),
    ("engine.libraries", "\"liba.so\""),
    ("engine.libraries", "[\"\"]"),
    ("engine.libraries", "[\"opt/liba.so\"]"),
    ("engine.libraries", "[7]"),
    ("log.level", "\"off\""),
    ("log.level", "3"),
];

fn document(key: &str, value: &str) -> String {
    let (table, name) = key.split_once('.').unwrap();
    format!("[{table}]\n{name} = {value}\n")
}

fn setting(key: &str) -> &'static Setting {
    SETTINGS.iter().find(|s| s.key == key).unwrap()
}

#[test]
fn values_are_set_from_the_file() {
    for (key, value, shown) in SET {
        let loaded = from_text(&document(key, value)).unwrap();
        assert_eq!(setting(key).show(&loaded.config), *shown, "{key} = {value}");
        assert_eq!(loaded.origins[key], Origin::File { line: 2 }, "{key}");
    }
    for setting in SETTINGS {
        assert!(SET.iter().any(|(key, ..)| *key == setting.key), "no test sets {}", setting.key);
    }
}

#[test]
fn values_out_of_range_or_of_the_wrong_type_are_refused() {
    for (key, value) in REFUSED {
        let found = problems(from_text(&document(key, value)));
        assert_eq!(found.len(), 1, "{key} = {value}: {found:?}");
        assert!(found[0].starts_with(&format!("/etc/f.toml:2: {key}: found ")), "{found:?}");
        assert!(found[0].ends_with(setting(key).allowed), "{found:?}");
    }
    for setting in SETTINGS {
        let tested = REFUSED.iter().any(|(key, _)| *key == setting.key);
        assert!(tested, "no test refuses a value of {}", setting.key);
    }
}

#[test]
fn variables_win_over_the_file() {
    let text = "[stream]\ndrop_threshold = 0.2\nmax_sessions = 3\n[engine]\nworkers = 5\n";
    let variables = owned(&[("STREAM_DROP_THRESHOLD", " 0.05 "), ("STREAM_MAX_SESSIONS", "unlimited")]);
    let loaded = load(Some((Path::new("f.toml"), text)), &variables, None).unwrap();
    assert_eq!(loaded.config.stream.drop_threshold, 0.05);
    assert_eq!(loaded.config.stream.max_sessions, None);
    assert_eq!(loaded.config.engine.workers, Some(5));
    assert_eq!(loaded.origins["stream.drop_threshold"], Origin::Environment("STREAM_DROP_THRESHOLD"));
    assert_eq!(loaded.origins["engine.workers"], Origin::File { line: 5 });
    assert_eq!(loaded.origins["log.level"], Origin::Default);
}

#[test]
fn a_libtorch_that_could_not_stand_in_a_search_path_is_refused() {
    for folder in ["libtorch", "./libtorch", "/opt/a:/opt/b"] {
        let refused = problems(from_variables(&[("FORGESYTED_LIBTORCH", folder)]));
        assert!(refused.len() == 1 && refused[0].ends_with(setting("engine.libtorch").allowed), "{refused:?}");
    }
}

#[test]
fn every_variable_sets_its_setting() {
    for (name, value, shown) in [
        ("STREAM_DROP_THRESHOLD", "0.2", "0.2"),
        ("STREAM_SLOWDOWN_THRESHOLD", "0.5", "0.5"),
        ("STREAM_MAX_FRAME_SIZE_MB", "2.5", "2.5"),
        ("STREAM_MAX_SESSIONS", "10", "10"),
        ("FORGESYTED_LISTEN", "127.0.0.1:9000, [::1]:9000", "[\"127.0.0.1:9000\", \"[::1]:9000\"]"),
        ("FORGESYTED_TOKEN", "s3cret", "(set)"),
        ("FORGESYTED_PIPELINE_DIRS", "/a:b", "[\"/a\", \"b\"]"),
        ("FORGESYTED_MODEL_DIRS", "/m", "[\"/m\"]"),
        ("FORGESYTED_DEVICE", "cuda:0", "\"cuda:0\""),
        ("FORGESYTED_PRECISION", "fp16", "\"fp16\""),
        ("FORGESYTED_WORKERS", "2", "2"),
        ("FORGESYTED_THREADS_PER_WORKER", "3", "3"),
        ("FORGESYTED_LIBTORCH", "/opt/libtorch", "\"/opt/libtorch\""),
        ("FORGESYTED_LIBRARIES", "libb.so:/opt/liba.so", "[\"libb.so\", \"/opt/liba.so\"]"),
        ("FORGESYTED_LOG", "DEBUG", "\"debug\""),
    ] {
        let setting = SETTINGS.iter().find(|s| s.variable == Some(name)).unwrap();
        let loaded = from_variables(&[(name, value)]).unwrap();
        assert_eq!(setting.show(&loaded.config), shown, "{name}");
        let refused = problems(from_variables(&[(name, "")]));
        let expected = format!("environment variable {name}: found ");
        assert!(refused.len() == 1 && refused[0].starts_with(&expected), "{refused:?}");
    }
    assert_eq!(SETTINGS.iter().filter(|s| s.variable.is_some()).count(), 15);
}

#[test]
fn what_kubernetes_injects_is_one_warning_and_no_error() {
    let injected = [
        ("FORGESYTED_PORT", "tcp://10.0.0.11:8000"),
        ("FORGESYTED_PORT_8000_TCP_ADDR", "10.0.0.11"),
        ("FORGESYTED_SERVICE_HOST", "10.0.0.11"),
        ("FORGESYTED_WORKERS", "2"),
    ];
    let loaded = from_variables(&injected).unwrap();
    assert_eq!(loaded.config.engine.workers, Some(2));
    let [warning] = &loaded.warnings[..] else { panic!("{:?}", loaded.warnings) };
    let named = "FORGESYTED_PORT, FORGESYTED_PORT_8000_TCP_ADDR, FORGESYTED_SERVICE_HOST describe a service";
    assert!(warning.starts_with(named), "{warning}");
    assert_eq!(problems(from_variables(&[injected[0], ("FORGESYTED_TOKN", "x")])).len(), 1);
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let text = "\
[stream]
drop_treshold = 0.1
slowdown_threshold = \"high\"
listen = \"0.0.0.0:1\"
colour = 1

[serve]
listen = 1

[engine]
workers = 99

[log]
# a comment
level = [
  1 ]
";
    let variables = owned(&[
        ("FORGESYTED_LISTN", "x"),
        ("FORGESYTED_TEST_ANYTHING", "x"),
        ("FORGESYTED_BENCH_ANYTHING", "x"),
        ("HOME", "/root"),
        ("STREAM_MAX_SESSIONS", "-1"),
    ]);
    let found = problems(load(Some((Path::new("f.toml"), text)), &variables, None));
    let stream = "drop_threshold, slowdown_threshold, max_frame_size_mb, max_sessions, max_frame_pixels, \
                  drop_window_frames, max_lag_ms, max_waiting_frames, slow_down_interval_ms, send_timeout_s";
    assert_eq!(
        found,
        [
            "f.toml:2: stream.drop_treshold: unknown key; did you mean stream.drop_threshold?",
            "f.toml:3: stream.slowdown_threshold: found \"high\" (a string); allowed: a number from 0 to 1, not below \
             stream.drop_threshold",
            "f.toml:4: stream.listen: unknown key; did you mean server.listen?",
            &format!("f.toml:5: stream.colour: unknown key; the keys of [stream] are {stream}"),
            "f.toml:7: serve: unknown table; did you mean server?",
            "f.toml:11: engine.workers: found 99; allowed: a whole number from 1 to 64, or \"auto\"",
            "f.toml:15: log.level: found an array; allowed: \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
            "environment variable FORGESYTED_LISTN: unknown variable; did you mean FORGESYTED_LISTEN?",
            "environment variable STREAM_MAX_SESSIONS: found \"-1\"; allowed: a whole number from 1 to 1000000, or \
             \"unlimited\"",
        ]
    );
}

#[test]
fn tables_and_keys_in_the_wrong_place() {
    for (text, expected) in [
        ("stream = 3", "f.toml:1: stream: found 3; allowed: a table, [stream]"),
        ("[[stream]]", "f.toml:1: stream: found an array; allowed: a table, [stream]"),
        ("listen = 1", "f.toml:1: listen: unknown key; did you mean server.listen?"),
        ("[stream.max_lag_ms]", "f.toml:1: stream.max_lag_ms: found a table; allowed: a whole number from 0 to 600000"),
        ("\n[x]", "f.toml:2: x: unknown table; the tables are stream, server, pipelines, engine, log, camera"),
        ("[[cameras]]", "f.toml:1: cameras: unknown table; did you mean camera?"),
    ] {
        let found = problems(load(Some((Path::new("f.toml"), text)), &[], None));
        assert_eq!(found, [expected]);
    }
}

#[test]
fn syntax_errors_name_file_and_line() {
    for (text, line) in [
        ("[stream]\nmax_lag_ms = \n", 2),
        ("[stream\n", 1),
        ("[log]\nlevel = \"info\"\nlevel = \"warn\"\n", 3),
        ("\u{feff}[log]\r\n\r\nlevel = nope\r\n", 3),
    ] {
        let found = problems(from_text(text));
        assert!(found[0].starts_with(&format!("/etc/f.toml:{line}: not valid TOML: ")), "{found:?}");
        assert!(found.iter().all(|problem| !problem.contains('\n')), "{found:?}");
    }
}

#[test]
fn the_thresholds_keep_their_order() {
    let file = |text| problems(load(Some((Path::new("f.toml"), text)), &[], None));
    let found = file("[stream]\ndrop_threshold = 0.5\nslowdown_threshold = 0.4\n");
    assert!(found[0].starts_with("f.toml:3: stream.slowdown_threshold: found 0.4"), "{found:?}");
    let found = file("[stream]\ndrop_threshold = 0.5\n");
    assert!(found[0].starts_with("f.toml:2: stream.drop_threshold: found 0.3"), "{found:?}");
    let found = problems(from_variables(&[("STREAM_SLOWDOWN_THRESHOLD", "0.05")]));
    assert!(found[0].starts_with("environment variable STREAM_SLOWDOWN_THRESHOLD: found 0.05"), "{found:?}");
    assert!(from_variables(&[("STREAM_SLOWDOWN_THRESHOLD", "0.1")]).is_ok());
    let found = file("[stream]\ndrop_threshold = 0.5\nslowdown_threshold = 4\n");
    assert_eq!(found.len(), 1, "a value that is refused is not compared: {found:?}");
}

#[test]
fn foreign_stream_variables_are_warnings() {
    let loaded = from_variables(&[("STREAM_MAX_SESSION", "3"), ("STREAM_URL", "x")]).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.warnings.len(), 2);
    assert!(
        loaded.warnings[0].contains("STREAM_MAX_SESSION is") && loaded.warnings[0].contains("STREAM_MAX_SESSIONS?")
    );
}

#[test]
fn a_token_is_never_printed() {
    let loaded = from_variables(&[("FORGESYTED_TOKEN", "hunter2")]).unwrap();
    assert_eq!(loaded.config.server.token.as_deref(), Some("hunter2"));
    assert!(!describe(&loaded, true).contains("hunter2"));
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let found = problems(from_variables(&[("FORGESYTED_TOKEN", "hunter2 hunter2")]));
    assert!(!found[0].contains("hunter2"), "{found:?}");
}

#[test]
fn describe_gives_value_and_origin() {
    let text = "[stream]\nmax_lag_ms = 50\n";
    let variables = owned(&[("FORGESYTED_DEVICE", "cpu")]);
    let loaded = load(Some((Path::new("/etc/f.toml"), text)), &variables, None).unwrap();
    let text = describe(&loaded, true);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), SETTINGS.len());
    for expected in [
        "stream.drop_threshold = 0.1  (default)",
        "stream.max_lag_ms = 50  (/etc/f.toml:2)",
        "engine.device = \"cpu\"  (FORGESYTED_DEVICE)",
        "server.token = unset  (default)",
    ] {
        assert!(lines.contains(&expected), "{text}");
    }
    let short = format!(
        "stream.max_lag_ms = 50  (/etc/f.toml:2)\nengine.device = \"cpu\"  (FORGESYTED_DEVICE)\n{} settings have their defaults; --all shows them too\n",
        SETTINGS.len() - 2
    );
    assert_eq!(describe(&loaded, false), short);
}

#[test]
fn the_socket_and_the_engine_need_a_restart() {
    let old = Config::default();
    assert!(needs_restart(&old, &old).is_empty());
    for (key, value, _) in SET {
        let new = from_text(&document(key, value)).unwrap().config;
        let at_once = ["server.token", "server.open", "server.ping_interval_s", "server.trusted_proxies"];
        let waits = (key.starts_with("server.") && !at_once.contains(key)) || key.starts_with("engine.");
        let expected = if waits && new != old { vec![*key] } else { vec![] };
        assert_eq!(needs_restart(&old, &new), expected, "{key} = {value}");
    }
}

#[test]
fn a_missing_file_is_a_problem() {
    let found = problems(read(Some(Path::new("/nonexistent/f.toml")), &[], None));
    assert!(found[0].starts_with("/nonexistent/f.toml: cannot read the configuration file: "), "{found:?}");
    assert_eq!(read(None, &[], None).unwrap().config, Config::default());
}

#[test]
fn what_is_no_file_has_the_advice_that_fits() {
    let folder = std::env::temp_dir().join(format!("forgesyted-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (file, circle) = (folder.join("file"), folder.join("circle"));
    std::fs::write(&file, [0xff]).unwrap();
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    for (path, advice) in [
        (folder.clone(), "It is a folder"),
        (circle, "Its links lead in a circle"),
        (file.join("below"), "A part of the path is a file"),
        (folder.join("x".repeat(300)), "The path is too long"),
        (folder.join("absent"), "Correct the path after --config"),
        (file, "It is no text in UTF-8"),
    ] {
        let found = problems(read(Some(&path), &[], None));
        assert!(found.len() == 1 && found[0].contains(advice), "{found:?}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
