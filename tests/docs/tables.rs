//! Tables that repeat what the code says: messages, errors, mistakes of pipeline files, log events.

use std::path::PathBuf;

use base::config::Precision;
use base::frame::validator::FrameError;
use base::protocol::{self, ErrorCode, StreamError};
use engine::pipeline::LoadPlan;
use engine::pipeline::registry::PipelineRegistry;
use engine::pipeline::torch::Device;
use engine::telemetry::metrics::Metrics;
use forgesyted_tests::folder::Folder;
use forgesyted_tests::{modules, sources};

use crate::markdown::{code, page};

#[test]
fn the_guide_shows_the_messages_as_they_are_sent() {
    let documented: Vec<String> =
        page("docs/client-guide.md").table("message").iter().map(|row| code(&row[0]).to_owned()).collect();
    let error: StreamError = FrameError::Empty.into();
    assert_eq!(error.code, ErrorCode::InvalidFrame);
    let sent = [
        protocol::result_message(1, r#"{"verdict":"ok"}"#),
        protocol::dropped_message(2),
        protocol::SLOW_DOWN_MESSAGE.to_owned(),
        protocol::error_message(&error),
    ];
    assert_eq!(documented, sent);
}

#[test]
fn the_guide_lists_every_error_with_its_close_code() {
    let rows = page("docs/client-guide.md").table("error");
    let documented: Vec<(&str, &str)> = rows.iter().map(|row| (code(&row[0]), row[1].as_str())).collect();
    let codes: Vec<String> = ErrorCode::ALL.iter().map(|code| code.close_code().to_string()).collect();
    let expected: Vec<(&str, &str)> =
        ErrorCode::ALL.iter().zip(&codes).map(|(error, code)| (error.as_str(), code.as_str())).collect();
    assert_eq!(documented, expected);
}

#[test]
fn every_error_and_event_has_advice() {
    let page_of_failures = page("docs/failure-modes.md");
    let rows = page_of_failures.table("error");
    for error in ErrorCode::ALL {
        assert!(rows.iter().any(|row| code(&row[0]) == error.as_str()), "no advice for {}", error.as_str());
    }
    let events = page("docs/metrics-and-logging.md").table("event");
    let anchors = page_of_failures.anchors();
    for row in &events {
        let (event, level) = (code(&row[0]), row[1].as_str());
        // A library's line speaks for itself, and a camera is none of this version.
        let concerns = level != "info" && event != "log" && !event.starts_with("camera_");
        assert!(!concerns || anchors.iter().any(|anchor| anchor == event), "no advice for the event {event}");
    }
    let headings = page_of_failures.text.lines().filter_map(|line| line.strip_prefix("### `"));
    for event in headings.map(|line| line.trim_end_matches('`')) {
        assert!(events.iter().any(|row| code(&row[0]) == event), "{event} is no event");
    }
}

#[test]
fn every_line_of_the_sandbox_is_explained() {
    let unit = std::fs::read_to_string(sources::root().join("systemd/forgesyted.service")).unwrap();
    // From the user on, the unit is about what the daemon may.
    let lines = unit.lines().skip_while(|line| !line.starts_with("User=")).take_while(|line| !line.starts_with('['));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(lines.len() > 30, "{lines:?}");
    let page = page("docs/hardening.md");
    let rows = page.table("line of the unit");
    let explained: Vec<&str> = rows.iter().flat_map(|row| row[0].split(", ")).map(code).collect();
    for line in &lines {
        match line.strip_prefix("DeviceAllow=") {
            // These stand in their row's text.
            Some(device) => {
                let node = device.trim_end_matches(" rw");
                let row = rows.iter().find(|row| row[0].contains("DeviceAllow=…")).unwrap();
                assert!(row[1].contains(&format!("`{node}`")), "docs/hardening.md does not say why {line}");
            }
            None => assert!(explained.contains(line), "docs/hardening.md does not say why {line}"),
        }
    }
    for line in explained.iter().filter(|line| **line != "DeviceAllow=…") {
        assert!(lines.contains(line), "docs/hardening.md explains {line}, which the unit has not");
    }
}

#[test]
fn the_tests_that_show_the_promises_exist() {
    let strategy = page("docs/test-strategy.md");
    let rows = strategy.text.lines().filter(|line| line.starts_with("| P"));
    let mut named = 0;
    for row in rows {
        // A link to a file, then the tests in it, as code.
        for shown in row.split("](").skip(1) {
            let (file, names) = shown.split_once(')').unwrap();
            let text = std::fs::read_to_string(strategy.folder().join(file)).unwrap_or_else(|_| panic!("{row}"));
            let names = names.split(['[', ';']).next().unwrap_or_default();
            for name in names.split('`').skip(1).step_by(2) {
                assert!(text.contains(&format!("fn {name}(")), "{file} has no test {name}");
                named += 1;
            }
        }
    }
    assert!(named > 10, "the table of promises names {named} tests");
}

#[test]
fn mistakes_in_pipelines_are_told_as_the_page_says() {
    let node = |more: &str| format!("[[node]]\nid = \"a\"\n{more}\n");
    let noop = |more: &str| node(&format!("kind = \"noop\"\n{more}"));
    let measure = |more: &str| node(&format!("kind = \"measure\"\n{more}"));
    let db = |more: &str| {
        node(&format!("kind = \"detect\"\nmodel = \"same.pt\"\nformat = \"db\"\ninput_size = [64, 32]\n{more}"))
    };
    let other = "[[node]]\nid = \"b\"\nkind = \"noop\"\n";
    let read = |alphabet: &str, more: &str| {
        let settings = format!("model = \"same.pt\"\nalphabet = \"{alphabet}\"\n{more}");
        node(&format!("kind = \"read_text\"\ninputs = [\"b\"]\n{settings}")) + other
    };
    let mistakes = [
        ("unknown_key", "nme = \"x\"\n".to_owned()),
        ("no_node", String::new()),
        ("reserved", "[[node]]\nid = \"total\"\nkind = \"noop\"\n".to_owned()),
        ("twice", noop("") + &noop("")),
        ("no_input", noop("inputs = [\"zz\"]")),
        ("input_twice", noop("inputs = [\"b\", \"b\"]") + other),
        ("cycle", noop("inputs = [\"b\"]") + "[[node]]\nid = \"b\"\nkind = \"noop\"\ninputs = [\"a\"]\n"),
        ("kind", node("kind = \"guess\"")),
        ("every", noop("every = 0")),
        ("when", noop("when = \"b has\"")),
        ("when_what", noop("when = \"b has cat\"")),
        ("no_inputs", node("kind = \"track\"")),
        ("no_model", measure("")),
        ("setting", noop("speed = 3")),
        ("type", measure("model = \"raises.pt\"\ninput_size = 3")),
        ("variant", measure("model = \"raises.pt\"\ninput = \"u16\"")),
        ("size", measure("model = \"raises.pt\"\ninput_size = [0, 3]")),
        ("score", db("score_threshold = 2")),
        ("unclip", db("unclip_ratio = -1")),
        ("no_map", db("")),
        ("height", read("ab", "input_height = 4")),
        ("widths", read("ab", "widths = [256, 128]")),
        ("alphabet_twice", read("abb", "")),
        ("alphabet_empty", read("", "")),
        ("alphabet_lost", read("lost.txt", "")),
        ("no_steps", read("ab", "")),
        ("lost", measure("model = \"gate.pt\"")),
        ("corrupt", measure("model = \"corrupt.pt\"")),
        ("operator", measure("model = \"operator.pt\"")),
        ("newer", measure("model = \"newer.pt\"")),
        ("frozen", measure("model = \"frozen.pt\"\nprecision = \"bf16\"")),
        ("cuda", measure("model = \"raises.pt\"\ndevice = \"cuda:1\"")),
        ("device", measure("model = \"raises.pt\"\ndevice = \"gpu\"")),
        ("precision", measure("model = \"raises.pt\"\nprecision = \"fp8\"")),
        ("modelless", noop("precision = \"bf16\"")),
        ("batch_none", noop("max_batch = 0")),
        ("batch_kind", noop("max_batch = 8")),
        ("batch_module", measure("model = \"number.pt\"\nmax_batch = 8")),
        ("wrong_size", node("kind = \"classify\"\nmodel = \"raises.pt\"\ninput_size = [320, 320]")),
        ("raises", measure("model = \"raises.pt\"")),
        ("yard", noop("")),
    ];
    let folder = Folder::new();
    folder.write("corrupt.pt", "no archive");
    let raises = modules::module("float", "ops.prim.RaiseException(\"no\")\nreturn 1.0");
    folder.write("raises.pt", modules::archive("raises", &raises));
    for (name, returns) in [
        ("operator", "ops.tiny.twice(x)"),
        ("newer", "torch.tomorrow(x)"),
        ("frozen", "torch.matmul(x, torch.ones([x.shape[3], 2], dtype=6))"),
    ] {
        let source = modules::module("Tensor", &format!("return {returns}"));
        folder.write(format!("{name}.pt"), modules::archive(name, &source));
    }
    folder.write("same.pt", modules::archive("same", &modules::module("Tensor", "return x")));
    let number = modules::module("float", "return float(torch.mean(x))");
    folder.write("number.pt", modules::archive("number", &number));
    for (id, text) in &mistakes {
        folder.write(format!("{id}.toml"), format!("id = \"{id}\"\n{text}"));
    }
    folder.write("z_yard.toml", format!("id = \"yard\"\n{}", noop("")));
    folder.write("bad_id.toml", format!("id = \"a b\"\n{}", noop("")));
    std::fs::write(folder.path().join("z_bytes.toml"), [0xFF, 0xFE]).unwrap();

    let plan = LoadPlan {
        dirs: vec![folder.path().to_owned()],
        model_dirs: Vec::<PathBuf>::new(),
        device: Device::Cpu,
        precision: Precision::Fp32,
    };
    let loaded = PipelineRegistry::default().load(&plan, &Metrics::new("0", "0").unwrap());
    // "yard" itself is good, and three files are beside the table.
    assert_eq!(loaded.rejected.len(), mistakes.len() - 1 + 3);

    let rows = page("docs/pipelines.md").table("message (behind the file's name)");
    // A row may hold several messages.
    let documented: Vec<String> = rows.iter().flat_map(|row| messages(&row[0])).collect();
    let mut shown = vec![false; documented.len()];
    for rejection in &loaded.rejected {
        let at = documented.iter().position(|message| is_like(message, &rejection.reason));
        let at = at.unwrap_or_else(|| panic!("the page has no row for: {}", rejection.reason));
        shown[at] = true;
    }
    for (message, shown) in documented.iter().zip(shown) {
        // That a folder cannot be listed is hard to bring about as root.
        assert!(shown || message.starts_with("cannot be listed"), "nothing says: {message}");
    }
}

/// The pieces of code of a cell, each one message.
fn messages(cell: &str) -> Vec<String> {
    if cell.starts_with("``") {
        return vec![cell.trim_matches('`').trim().to_owned()];
    }
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a message is as documented; `…` stands for anything.
fn is_like(documented: &str, message: &str) -> bool {
    let mut pieces = documented.split('…').map(str::trim);
    let Some(mut rest) = pieces.next().and_then(|first| message.strip_prefix(first)) else { return false };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    documented.ends_with('…') || rest.is_empty()
}
