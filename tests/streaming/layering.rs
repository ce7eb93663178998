//! The house's rules about its own code: who may import whom inside a crate (between crates the compiler sees to it), and where the
//! dangerous names may stand.

#[path = "circles.rs"]
mod circles;

use forgesyted_tests::sources::rust_files;

/// A crate's rooms.
#[derive(Debug)]
struct House {
    sources: &'static str,
    /// From left to right: a room imports only rooms to its right.
    flow: &'static [&'static str],
    /// Beside the flow, known to it: these know no room.
    beside: &'static [&'static str],
    /// Sees every room.
    wiring: &'static [&'static str],
}

const HOUSES: [House; 2] = [
    House {
        sources: "daemon/engine/src",
        // Files and measurements stand where clients do: they bring frames.
        flow: &["server", "bench", "files", "source", "session", "engine", "pipeline", "sink"],
        beside: &["telemetry", "systemd"],
        wiring: &["app", "commands", "lib", "main"],
    },
    House {
        sources: "daemon/base/src",
        flow: &["command_line", "launch", "capture", "frame", "config"],
        beside: &["logging", "protocol", "machine", "board", "clock"],
        wiring: &["lib"],
    },
];

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

impl House {
    fn knows(&self, room: &str) -> bool {
        [self.flow, self.beside, self.wiring].concat().contains(&room)
    }

    /// Why this file may not import this room; none when it may.
    fn objection(&self, file: &str, import: &str) -> Option<String> {
        let from = room(file);
        let place = |room: &str| self.flow.iter().position(|known| *known == room);
        let allowed = match (place(from), place(import)) {
            _ if !self.knows(import) => {
                return Some(format!("{file} imports {import}, which is no room that this test knows"));
            }
            _ if self.wiring.contains(&from) || from == import => true,
            (Some(from), Some(import)) => from < import,
            (Some(_), None) => self.beside.contains(&import),
            (None, _) => false,
        };
        (!allowed).then(|| format!("{file} imports {import}, against the flow"))
    }
}

#[test]
fn imports_follow_the_flow() {
    for house in HOUSES {
        let files = rust_files(house.sources);
        assert!(files.len() > 40);
        for (file, _) in &files {
            assert!(house.knows(room(file)), "{file} is in no room that this test knows: say where it stands");
        }
        let code_files = files.iter().filter(|(file, _)| !is_test_file(file));
        let objections: Vec<String> = code_files
            .flat_map(|(file, text)| {
                imports(&code(text)).into_iter().filter_map(|import| house.objection(file, &import))
            })
            .collect();
        assert!(objections.is_empty(), "{}: {objections:#?}", house.sources);
    }
}

#[test]
fn this_test_sees_what_it_looks_for() {
    let text = "use crate::server::X;\nuse crate::{engine, sink::{a, b}, telemetry as t};\nfn f() { crate::app::run() }\n// crate::load";
    assert_eq!(imports(&code(text)), ["server", "engine", "sink", "telemetry", "app"]);
    let [engine, base] = HOUSES;
    for (house, file, import, allowed) in [
        (&engine, "session/manager.rs", "engine", true),
        (&engine, "session/manager.rs", "session", true),
        (&engine, "session/manager.rs", "source", false),
        (&engine, "sink/reply.rs", "pipeline", false),
        (&engine, "sink/reply.rs", "telemetry", true),
        (&engine, "systemd.rs", "engine", false),
        (&engine, "systemd.rs", "telemetry", false),
        (&engine, "app/mod.rs", "server", true),
        (&engine, "engine/mod.rs", "nowhere", false),
        (&base, "capture/mod.rs", "frame", true),
        (&base, "frame/jpeg.rs", "capture", false),
        (&base, "config/load.rs", "protocol", true),
        (&base, "protocol.rs", "config", false),
    ] {
        assert_eq!(house.objection(file, import).is_none(), allowed, "{file} imports {import}");
    }
}

#[test]
fn dangerous_names_stand_in_few_files() {
    let unsafe_block = ["unsafe", " {"].concat();
    let torch = "engine/src/pipeline/torch/";
    let sys = "engine/src/pipeline/torch/sys.rs";
    let v4l2 = "base/src/capture/v4l2/sys/";
    let native = ["engine/src/engine/native.rs", "base/src/launch/signals.rs", sys, v4l2];
    for (name, homes) in [
        ("CModule", &[sys][..]),
        ("torch_sys", &[sys]),
        (&unsafe_block, &native),
        ("allow(unsafe_code)", &native),
        ("v4l::", &[v4l2]),
    ] {
        for (file, text) in rust_files("daemon") {
            let (code, home) = (code(&text), homes.iter().any(|home| file.starts_with(home)));
            assert!(home || !code.contains(name), "{name} stands in {file}; its place is {homes:?}");
        }
    }
    for (file, text) in rust_files("daemon").into_iter().filter(|(file, _)| !is_test_file(file)) {
        let code = code(&text);
        let names_tch = code.match_indices("tch::").any(|(at, _)| !code[..at].ends_with(char::is_alphanumeric));
        assert!(!names_tch || file.starts_with(torch), "{file} names tch; its place is {torch}");
    }
}

#[test]
fn files_are_no_longer_than_a_reader_bears() {
    for folder in ["daemon", "packaging/xtask/src", "tests"] {
        for (file, text) in rust_files(folder) {
            let lines = match is_test_file(&file) || folder == "tests" {
                true => continue,
                false => text.split("#[cfg(test)]\nmod tests").next().unwrap().lines().count(),
            };
            assert!(lines <= 400, "{folder}/{file} has {lines} lines before its tests; split it by idea");
        }
    }
}
