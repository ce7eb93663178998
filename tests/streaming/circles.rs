//! No circle between the files of a crate: whoever reads one need not read the others first. A file and the files of its own folder (`x.rs` or
//! `x/mod.rs`, and `x/*.rs`) may know each other; they are one room.

use std::collections::{BTreeMap, BTreeSet};

use forgesyted_tests::sources::rust_files;

use super::{code, is_test_file};

type Path = Vec<String>;

/// The module of a file: `a/b.rs` and `a/b/mod.rs` are `a::b`.
fn module(file: &str) -> Path {
    let mut path: Path = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|name| ["mod", "lib", "main"].contains(&name.as_str())) {
        path.pop();
    }
    path
}

/// The paths of a `use`, its braces opened.
fn opened(path: &str) -> Vec<String> {
    let Some((before, list)) = path.split_once('{') else { return vec![path.trim().to_owned()] };
    let (mut items, mut depth) = (vec![String::new()], 0);
    for character in list.trim_end().trim_end_matches('}').chars() {
        depth += i32::from(character == '{') - i32::from(character == '}');
        match character {
            ',' if depth == 0 => items.push(String::new()),
            _ => items.last_mut().unwrap().push(character),
        }
    }
    let items = items.iter().filter(|item| !item.trim().is_empty());
    items.flat_map(|item| opened(item.trim())).map(|item| format!("{}{item}", before.trim())).collect()
}

/// Paths that a file names: those of each `use`, but not what it passes on to others, and those that stand in its code.
fn named(code: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), String::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let start = line.trim_start();
        let passes_on = start.starts_with("pub") && start.split_whitespace().nth(1) == Some("use");
        if !start.starts_with("use ") && !passes_on {
            rest = rest + line + "\n";
            continue;
        }
        let mut statement = start.to_owned();
        while !statement.contains(';') {
            statement += lines.next().unwrap();
        }
        if !passes_on {
            found.extend(opened(statement["use ".len()..].split(';').next().unwrap()));
        }
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    found.extend(rest.split(|c| !is_part(c)).filter(|word| word.contains("::")).map(str::to_owned));
    found
}

/// The module that a path in the file of module `of` leads to; none for another crate's.
fn target(path: &str, of: &Path, all: &BTreeMap<Path, String>) -> Option<Path> {
    let mut parts = path.split(" as ").next().unwrap().split("::").map(str::trim).peekable();
    let mut at = of.clone();
    if parts.next_if_eq(&"crate").is_some() {
        at.clear();
    } else {
        parts.next_if_eq(&"self");
        while parts.next_if_eq(&"super").is_some() {
            at.pop();
        }
    }
    let rooted = at.clone();
    for part in parts {
        at.push(part.to_owned());
        if !all.contains_key(&at) {
            at.pop();
            break;
        }
    }
    let leads = path.starts_with("crate") || path.starts_with("super") || at != rooted;
    (leads && at != *of).then_some(at)
}

/// Circles between modules, each with who names whom.
fn circles(files: &[(String, String)]) -> Vec<String> {
    let modules: BTreeMap<Path, String> =
        files.iter().filter(|(file, _)| !is_test_file(file)).map(|(file, text)| (module(file), code(text))).collect();
    let mut names: BTreeMap<&Path, BTreeSet<Path>> = BTreeMap::new();
    for (of, code) in &modules {
        let targets = named(code).into_iter().filter_map(|path| target(&path, of, &modules));
        // A file may know the rooms that it stands in.
        names.insert(of, targets.filter(|to| !of.starts_with(to)).collect());
    }
    let reach = |from: &Path| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(at) = next.pop() {
            let new = names.get(&at).into_iter().flatten().filter(|to| seen.insert((*to).clone()));
            next.extend(new.cloned().collect::<Vec<_>>());
        }
        seen
    };
    let reached: BTreeMap<&Path, BTreeSet<Path>> = modules.keys().map(|from| (from, reach(from))).collect();
    let in_a_circle = |from: &Path, to: &Path| reached[from].contains(to) && reached[to].contains(from);
    let edges = names.iter().flat_map(|(from, to)| to.iter().map(move |to| (*from, to)));
    edges
        .filter(|(from, to)| in_a_circle(from, to))
        .map(|(from, to)| format!("{} → {}", from.join("::"), to.join("::")))
        .collect()
}

#[test]
fn files_form_no_circles() {
    let daemon = ["base", "engine", "front", "load"].map(|name| format!("daemon/{name}/src"));
    for sources in daemon.into_iter().chain(["packaging/xtask/src".to_owned()]) {
        let circles = circles(&rust_files(&sources));
        assert!(circles.is_empty(), "{sources}: {circles:#?}");
    }
}

#[test]
fn a_circle_is_seen() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let room = |b: &str| {
        [
            file("a/mod.rs", "mod b;\nuse b::B;\npub use c::C;\n"),
            file("a/b.rs", b),
            file("a/c.rs", "use super::b::{self, B};\n"),
        ]
    };
    let seen = |b: &str| circles(&room(b));
    assert_eq!(seen("use super::D;\n"), [""; 0], "a file may know its room");
    assert_eq!(seen("pub(super) use crate::a::c::C;\n"), [""; 0], "what is passed on is not used");
    for b in ["use crate::a::{c::C, D};\n", "use std::io;\nuse super::c;\n", "fn f() -> super::c::C {}\n"] {
        assert_eq!(seen(b), ["a::b → a::c", "a::c → a::b"], "{b}");
    }
}
