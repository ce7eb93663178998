//! How a token is made: the command of the documents and of the shipped files, run as it stands there.

use std::fs;
use std::process::Command;

use forgesyted_tests::sources;

/// Whoever tells how.
const FILES: [&str; 3] = ["docs/endpoints.md", "config/forgesyted.toml", "packaging/deb/forgesyted/default"];

#[test]
fn the_command_for_a_token_makes_one_that_needs_no_encoding() {
    for file in FILES {
        let text = fs::read_to_string(sources::root().join(file)).unwrap();
        let lines = text.lines().map(|line| line.trim_start_matches(['#', ' ']));
        let commands: Vec<&str> = lines.filter(|line| line.contains("/dev/urandom")).collect();
        let [command] = commands[..] else { panic!("{file}: {commands:?}") };
        let output = Command::new("sh").args(["-c", command]).output().unwrap();
        let token = String::from_utf8(output.stdout).unwrap();
        let token = token.strip_suffix('\n').unwrap();
        assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{file}: {token:?}");
    }
}
