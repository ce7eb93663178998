//! `forgesyted check`: what is wrong first, then what is there, then what is set and from where.

use std::process::{Output, Stdio};

use forgesyted_tests::modules::module;
use forgesyted_tests::{Builder, Daemon, frames};

/// The beginnings of lines, in the order in which they have to stand.
const ORDER: [&[&str]; 4] = [&["error    "], &["warning  "], &["device ", "pipeline ", "camera ", "note "], &[""]];

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Which lines are errors, warnings, findings and settings; fails where they are mixed.
fn parts(said: &str) -> [Vec<&str>; 4] {
    let mut parts: [Vec<&str>; 4] = Default::default();
    let mut at = 0;
    for line in said.lines() {
        // A camera's settings begin as a camera does.
        let is_setting = line.ends_with(')') && line.contains(" = ");
        let part = if is_setting {
            3
        } else {
            ORDER.iter().position(|starts| starts.iter().any(|s| line.starts_with(s))).unwrap()
        };
        assert!(part >= at, "out of order: {line:?} in\n{said}");
        at = part;
        parts[part].push(line);
    }
    parts
}

fn sound() -> Builder {
    Daemon::builder().measure("mean", &module("Tensor", "return torch.mean(x)"))
}

#[test]
fn problems_stand_first_and_settings_that_are_set_last() {
    let output = sound()
        .pipeline("broken", "[[node]]\nid = \"n\"\nkind = \"guess\"\n")
        .setting("pipelines.dirs", r#"["pipelines", "nothing"]"#)
        .replay("yard", &[frames::white()], "pipeline = \"nosuch\"")
        .camera("gone", "/dev/no-such-camera", "")
        .env("STREAM_DROP_THRESHOLD", "0.2")
        .run("check");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let [errors, warnings, facts, settings] = parts(&said);
    let all_name = |lines: &[&str], names: &[&str]| {
        lines.len() == names.len() && lines.iter().zip(names).all(|(line, name)| line.contains(name))
    };
    assert!(
        all_name(&errors, &["broken.toml: node \"n\"", "camera \"yard\": there is no pipeline \"nosuch\""]),
        "{said}"
    );
    assert!(all_name(&warnings, &["nothing does not exist", "camera \"gone\""]), "{said}");
    assert!(
        facts[0].starts_with("device   Cpu") && facts.iter().any(|line| line.starts_with("pipeline mean (")),
        "{said}"
    );
    assert!(settings.contains(&"stream.drop_threshold = 0.2  (STREAM_DROP_THRESHOLD)"), "{said}");
    assert!(
        settings.iter().any(|line| line.starts_with("engine.workers = 1  (") && line.contains("forgesyted.toml:")),
        "{said}"
    );
    assert!(settings.iter().any(|line| line.starts_with("camera \"yard\": fps = 50  (")), "{said}");
    assert!(!said.contains("(default)") && !said.contains("stream.max_lag_ms"), "{said}");
    assert!(settings.last().unwrap().ends_with(" settings have their defaults; --all shows them too"), "{said}");
}

#[test]
fn what_is_sound_passes_and_all_shows_the_defaults_too() {
    let builder = sound();
    let output = builder.run("check");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let whole = builder.words("check", &["--all"]).output().unwrap();
    let (short, whole_said) = (said(&output), said(&whole));
    assert_eq!(whole.status.code(), Some(0), "{whole_said}");
    let [errors, warnings, facts, settings] = parts(&whole_said);
    assert!(errors.is_empty() && warnings.is_empty() && facts.iter().any(|line| line.starts_with("pipeline mean (")));
    assert!(settings.contains(&"stream.drop_threshold = 0.1  (default)"), "{whole_said}");
    let [_, _, _, set] = parts(&short);
    let (last, set) = set.split_last().unwrap();
    assert!(set.iter().all(|line| settings.contains(line)), "{short}");
    assert!(last.starts_with(&format!("{} settings have", settings.len() - set.len())), "{short}");
}

#[test]
fn every_command_takes_the_file_that_replaces_another_and_leaves_that_one_alone() {
    let noop = "id = \"mean\"\n[[node]]\nid = \"n\"\nkind = \"noop\"\n";
    let lost = "id = \"mean\"\n[[node]]\nid = \"n\"\nkind = \"measure\"\nmodel = \"lost.pt\"\n";
    let with = |shipped: &str, own: &str| {
        let dirs = Daemon::builder().setting("pipelines.dirs", r#"["shipped", "own"]"#);
        dirs.file("shipped/mean.toml", shipped).file("own/mine.toml", own).file("frame.jpg", frames::white())
    };
    for (shipped, own, status) in [(lost, noop, 0), (noop, lost, 1)] {
        let builder = with(shipped, own);
        let run = ["--pipeline", "mean", "frame.jpg"];
        let bench = ["--pipeline", "mean", "--frames", "1"];
        for (command, words) in [("check", &[][..]), ("inspect", &[]), ("run", &run), ("bench", &bench)] {
            let output = builder.words(command, words).output().unwrap();
            let (said, stderr) = (said(&output), String::from_utf8_lossy(&output.stderr).into_owned());
            // `inspect` reports, and fails with a configuration only.
            assert_eq!(
                output.status.code(),
                Some(if command == "inspect" { 0 } else { status }),
                "{command}: {said}{stderr}"
            );
            assert_eq!(format!("{said}{stderr}").contains("lost.pt"), status == 1, "{command}: {said}{stderr}");
        }
    }
    let daemon = with(lost, noop).start();
    assert_eq!(daemon.get("/v1/pipelines").json()["rejected"], serde_json::json!([]));
}

#[test]
fn nothing_to_serve_is_an_error() {
    let output = Daemon::builder().setting("pipelines.dirs", r#"["nothing"]"#).run("check");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error    no pipeline is loaded"), "{said}");
    assert!(said.contains("does not exist"), "{said}");
}

#[test]
fn a_reader_that_closes_the_pipe_changes_nothing() {
    let builder = sound();
    let mut child = builder.words("check", &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
