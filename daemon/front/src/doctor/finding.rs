//! What a check found: a verdict, in words, and what to do.

use std::fmt::Write;

use serde::Serialize;

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It works, but not as well as it could, or not for long.
    Warning,
    /// The daemon cannot do its work.
    Error,
    /// It could not be checked, or does not concern this machine.
    Skipped,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check.
    pub check: &'static str,
    /// How it stands.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do; never absent from a warning or an error.
    pub advice: Option<String>,
}

/// The report as JSON.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Of this program.
    pub version: &'static str,
    /// The worst status of all checks: `ok`, `warning` or `error`.
    pub status: Status,
    /// Every finding, in the order of the text.
    pub checks: Vec<Finding>,
}

impl Finding {
    /// As it should be.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Finding { check, status: Status::Ok, found: found.into(), advice: None }
    }

    /// It could not be checked, or does not concern this machine.
    pub fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Finding { check, status: Status::Skipped, found: why.into(), advice: None }
    }

    /// It works, but.
    pub fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Finding { check, status: Status::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    /// It does not work.
    pub fn error(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Finding { check, status: Status::Error, found: found.into(), advice: Some(advice.into()) }
    }
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Error => "error",
            Status::Skipped => "skipped",
        }
    }
}

impl Report {
    /// The report of these findings.
    pub fn new(checks: Vec<Finding>) -> Self {
        let has = |status: Status| checks.iter().any(|finding| finding.status == status);
        let status = [Status::Error, Status::Warning].into_iter().find(|status| has(*status)).unwrap_or(Status::Ok);
        Report { version: env!("CARGO_PKG_VERSION"), status, checks }
    }

    /// As text: a line for each finding, and one for each piece of advice.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for Finding { check, status, found, advice } in &self.checks {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{:<8} {check:<13} {}", status.as_str(), plain(found));
            if let Some(advice) = advice {
                let _ = writeln!(text, "{:<22} → {}", "", plain(advice));
            }
        }
        text
    }
}

/// A text of others on one line, and without what would command a terminal: camera names and answers of strangers come here.
fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_others_commands_no_terminal_and_forges_no_line() {
        let finding = Finding::warning("port", "\x1b[2J\u{9b}31m starting\nok port fine", "a\rb");
        assert_eq!(
            Report::new(vec![finding]).to_text(),
            "warning  port          \u{fffd}[2J\u{fffd}31m starting ok port fine\n                       → a\u{fffd}b\n"
        );
    }

    #[test]
    fn the_worst_finding_is_the_reports() {
        let (ok, skipped) = (Finding::ok("a", "fine"), Finding::skipped("b", "no such thing"));
        let (warning, error) = (Finding::warning("c", "hot", "cool it"), Finding::error("d", "gone", "bring it back"));
        for (findings, expected) in [
            (vec![], Status::Ok),
            (vec![ok.clone(), skipped.clone()], Status::Ok),
            (vec![warning.clone(), ok.clone()], Status::Warning),
            (vec![ok.clone(), error.clone(), warning.clone()], Status::Error),
        ] {
            assert_eq!(Report::new(findings).status, expected);
        }
        let report = Report::new(vec![ok, skipped, warning]);
        assert_eq!(
            report.to_text(),
            "ok       a             fine\nskipped  b             no such thing\nwarning  c             hot\n                       → cool it\n"
        );
        assert_eq!(
            serde_json::to_value(&report).unwrap(),
            serde_json::json!({"version": env!("CARGO_PKG_VERSION"), "status": "warning", "checks": [
                {"check": "a", "status": "ok", "found": "fine", "advice": null},
                {"check": "b", "status": "skipped", "found": "no such thing", "advice": null},
                {"check": "c", "status": "warning", "found": "hot", "advice": "cool it"},
            ]})
        );
    }
}
