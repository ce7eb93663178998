//! The shipped sample and the reference page say what the list of settings says.

use std::path::Path;

use super::*;

const SAMPLE: &str = include_str!("../../../config/forgesyted.toml");
const DOCUMENT: &str = include_str!("../../../docs/configuration.md");

fn from_text(text: &str) -> Loaded {
    load(Some((Path::new("/etc/f.toml"), text)), &[], None).unwrap()
}

/// `# key = value` without the comment sign; `None` for any other line.
fn uncommented(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("# ")?;
    let (key, _) = rest.split_once(" = ")?;
    let plain = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    plain.then_some(rest)
}

#[test]
fn the_sample_is_the_defaults_as_shipped_and_uncommented() {
    assert_eq!(from_text(SAMPLE).config, Config::default());
    let lines: Vec<&str> = SAMPLE.lines().map(|line| uncommented(line).unwrap_or(line)).collect();
    let loaded = from_text(&lines.join("\n"));
    assert_eq!(loaded.config, Config::default());
    for setting in SETTINGS {
        let written = loaded.origins[setting.key] != Origin::Default;
        // The token has no default that could be written.
        assert_eq!(written, setting.key != "server.token", "{} in the sample", setting.key);
        if let Some(variable) = setting.variable {
            assert!(SAMPLE.contains(variable), "{variable} in the sample");
        }
    }
}

#[test]
fn the_document_lists_exactly_the_settings() {
    let documented: Vec<Vec<&str>> = DOCUMENT
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches(" | ").count() == 5)
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let expected: Vec<Vec<String>> = SETTINGS
        .iter()
        .map(|s| {
            let code = |text: &str| format!("`{text}`");
            let default = match s.show(&Config::default()) {
                text if text == "unset" => text,
                text => code(&text),
            };
            let variable = s.variable.map_or("–".to_owned(), code);
            let reload = if s.restart { "restart" } else { "reload" };
            vec![code(s.key), variable, default, s.allowed.into(), s.about.into(), reload.into()]
        })
        .collect();
    assert_eq!(documented, expected);
}
