//! The house's rules about its own code: who may import whom, and where the dangerous names may stand.

use forgesyted_tests::sources::rust_files;

/// The flow, from left to right. Files and measurements stand where clients do: they bring frames.
const FLOW: [&str; 8] = ["server", "bench", "files", "source", "session", "engine", "pipeline", "sink"];
/// Beside the flow: these know none of its rooms.
const BESIDE: [&str; 5] = ["config", "telemetry", "systemd", "protocol", "launch"];
/// Sees every room.
const WIRING: [&str; 4] = ["app", "commands", "lib", "main"];
/// A client: sees no room.
const CLIENT: &str = "load";

/// The room of a file: its folder, or its own name at the top.
fn room(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Code without tests (which stand last in a file, or in files of their own) and without comments.
fn code(text: &str) -> String {
    let before_tests =
        text.split("#[cfg(test)]\n#[path").next().unwrap().split("#[cfg(test)]\nmod tests").next().unwrap();
    before_tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test_file(file: &str) -> bool {
    file.rsplit('/').next().unwrap().trim_end_matches(".rs").split('_').any(|part| part == "tests")
}

/// Rooms that a file names: `crate::room` and the members of `crate::{…}`.
fn imports(code: &str) -> Vec<String> {
    let first_word =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = Vec::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            None => found.push(first_word(after)),
            Some(list) => {
                let mut depth = 0;
                let mut item = String::new();
                for character in list.chars() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => found.push(first_word(&std::mem::take(&mut item))),
                        _ => {}
                    }
                    if character != ',' {
                        item.push(character);
                    }
                }
                found.push(first_word(&item));
            }
        }
    }
    found
}

/// Why this file may not import this room; none when it may.
fn objection(file: &str, import: &str) -> Option<String> {
    let from = room(file);
    let place = |room: &str| FLOW.iter().position(|known| *known == room);
    let known = FLOW.contains(&import) || BESIDE.contains(&import) || WIRING.contains(&import) || import == CLIENT;
    let allowed = match (place(from), place(import)) {
        _ if !known => return Some(format!("{file} imports {import}, which is no room that this test knows")),
        _ if WIRING.contains(&from) || from == import => true,
        (Some(from), Some(import)) => from < import,
        (Some(_), None) => BESIDE.contains(&import),
        (None, _) if from == CLIENT => false,
        (None, _) => BESIDE.contains(&import),
    };
    (!allowed).then(|| format!("{file} imports {import}, against the flow"))
}

#[test]
fn imports_follow_the_flow() {
    let files = rust_files("daemon/src");
    assert!(files.len() > 50);
    for (file, _) in &files {
        let room = room(file);
        let known = FLOW.contains(&room) || BESIDE.contains(&room) || WIRING.contains(&room) || room == CLIENT;
        assert!(known, "{file} is in no room that this test knows: say where it stands in the flow");
    }
    let objections: Vec<String> = files
        .iter()
        .filter(|(file, _)| !is_test_file(file))
        .flat_map(|(file, text)| imports(&code(text)).into_iter().filter_map(move |import| objection(file, &import)))
        .collect();
    assert!(objections.is_empty(), "{objections:#?}");
}

#[test]
fn this_test_sees_what_it_looks_for() {
    let text = "use crate::server::X;\nuse crate::{engine, sink::{a, b}, telemetry as t};\nfn f() { crate::app::run() }\n// crate::load";
    assert_eq!(imports(&code(text)), ["server", "engine", "sink", "telemetry", "app"]);
    for (file, import, allowed) in [
        ("session/manager.rs", "engine", true),
        ("session/manager.rs", "session", true),
        ("session/manager.rs", "source", false),
        ("sink/reply.rs", "pipeline", false),
        ("sink/reply.rs", "protocol", true),
        ("systemd.rs", "engine", false),
        ("protocol.rs", "telemetry", true),
        ("config/load.rs", "app", false),
        ("load/mod.rs", "protocol", false),
        ("app/mod.rs", "server", true),
        ("engine/mod.rs", "nowhere", false),
    ] {
        assert_eq!(objection(file, import).is_none(), allowed, "{file} imports {import}");
    }
}

#[test]
fn dangerous_names_stand_in_few_files() {
    let unsafe_block = ["unsafe", " {"].concat();
    let native = ["engine/native.rs", "launch/signals.rs", "pipeline/torch/sys.rs", "source/camera/v4l2/sys/"];
    for (name, homes) in [
        ("CModule", &["pipeline/torch/sys.rs"][..]),
        ("torch_sys", &["pipeline/torch/sys.rs"]),
        (&unsafe_block, &native),
        ("allow(unsafe_code)", &native),
        ("v4l::", &["source/camera/v4l2/sys/"]),
    ] {
        for (file, text) in rust_files("daemon/src") {
            let (code, home) = (code(&text), homes.iter().any(|home| file.starts_with(home)));
            assert!(home || !code.contains(name), "{name} stands in {file}; its place is {homes:?}");
        }
    }
    for (file, text) in rust_files("daemon/src").into_iter().filter(|(file, _)| !is_test_file(file)) {
        let code = code(&text);
        let names_tch = code.match_indices("tch::").any(|(at, _)| !code[..at].ends_with(char::is_alphanumeric));
        assert!(!names_tch || file.starts_with("pipeline/torch/"), "{file} names tch; its place is pipeline/torch");
    }
}

#[test]
fn files_are_no_longer_than_a_reader_bears() {
    for folder in ["daemon/src", "packaging/xtask/src", "tests"] {
        for (file, text) in rust_files(folder) {
            let lines = match is_test_file(&file) || folder == "tests" {
                true => continue,
                false => text.split("#[cfg(test)]\nmod tests").next().unwrap().lines().count(),
            };
            assert!(lines <= 400, "{folder}/{file} has {lines} lines before its tests; split it by idea");
        }
    }
}
