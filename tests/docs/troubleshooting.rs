//! The page for those who have a line of the log before them: each line that it quotes is one that the daemon can say; and the
//! page of `doctor` lists the checks that there are.

use std::collections::BTreeSet;

use forgesyted_tests::sources::rust_files;

use crate::markdown::{code, page};

/// The daemon's source with its texts as they are printed: continued lines joined, quotes plain.
fn texts() -> String {
    let mut texts = String::new();
    for (_, source) in rust_files("daemon") {
        let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().replace("\\\"", "\"");
        let mut pieces = source.split("\\\n");
        texts.push_str(pieces.next().unwrap_or_default());
        pieces.for_each(|piece| texts.push_str(piece.trim_start()));
    }
    texts
}

#[test]
fn every_line_that_troubleshooting_quotes_is_in_the_source() {
    let (page, texts) = (page("docs/troubleshooting.md"), texts());
    let quoted: Vec<&str> = page
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("### `"))
        .map(|line| line.trim_end_matches('`'))
        .collect();
    assert!(quoted.len() > 15, "{quoted:?}");
    for line in quoted {
        for piece in line.split('…').map(|piece| piece.trim_matches([' ', ':', ';', '.', ',', '"'])) {
            assert!(texts.contains(piece), "the daemon never says {piece:?} of the line {line:?}");
        }
    }
}

#[test]
fn the_page_of_doctor_lists_its_checks() {
    let listed: BTreeSet<String> =
        page("docs/doctor.md").table("check").iter().map(|row| code(&row[0]).to_owned()).collect();
    let mut made = BTreeSet::new();
    for (file, source) in rust_files("daemon/front/src/doctor") {
        // The findings' own tests make some of no check.
        if file == "finding.rs" {
            continue;
        }
        let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for verdict in ["ok", "skipped", "warning", "error"] {
            let call = format!("Finding::{verdict}(");
            let calls = code.split(&call).skip(1);
            made.extend(
                calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next()).map(str::to_owned),
            );
        }
    }
    assert_eq!(listed, made);
}
