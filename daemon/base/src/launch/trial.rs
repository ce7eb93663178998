//! A trial of the dynamic loader: it finds and binds everything that a program needs, and says what it misses, without starting
//! it (ld.so(8), `LD_TRACE_LOADED_OBJECTS`; `ldd -r` does the same).

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use super::child::{self, Answer};

/// Most missing names that a sentence lists.
const SHOWN: usize = 3;
/// Longest that the loader may take: a libtorch with CUDA has gigabytes, and a memory card is slow.
const LIMIT: Duration = Duration::from_secs(120);
/// What the loader says of a machine that has no memory left, not of a library.
const NO_MEMORY: &str = "Cannot allocate memory";

/// What came of a trial.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trial {
    /// Nothing is missing.
    Loads,
    /// What is missing, in words.
    Misses(String),
    /// The trial was cut short, which says nothing about the libraries: why.
    Broken(String),
}

/// Lets the loader try a program.
///
/// # Errors
/// The program cannot be started at all, or the loader does not come to an end.
pub(super) fn run(program: &mut Command) -> io::Result<Trial> {
    program.env("LD_TRACE_LOADED_OBJECTS", "1").env("LD_WARN", "1").env("LD_BIND_NOW", "1");
    child::ask(program, LIMIT).map(|answer| judge(&answer))
}

fn judge(answer: &Answer) -> Trial {
    if let Some(signal) = answer.status.signal() {
        return Trial::Broken(format!("signal {signal} ended the trial of its libraries"));
    }
    match missing(&answer.output, &answer.complaints, answer.status.success()) {
        None => Trial::Loads,
        Some(reason) if reason.ends_with(NO_MEMORY) => Trial::Broken(reason),
        Some(reason) => Trial::Misses(reason),
    }
}

/// What the loader misses, from what it wrote.
fn missing(list: &str, complaints: &str, success: bool) -> Option<String> {
    let libraries: Vec<&str> = list.lines().filter_map(|line| line.trim().strip_suffix(" => not found")).collect();
    if !libraries.is_empty() {
        return Some(format!("{} not found", listed(&libraries, |library| library.to_owned())));
    }
    let symbols: Vec<&str> =
        complaints.lines().filter_map(|line| line.trim().strip_prefix("undefined symbol: ")).collect();
    if !symbols.is_empty() {
        // One of them tells as much as all: this is another build of libtorch.
        return Some(format!("it lacks {}", listed(&symbols, symbol)));
    }
    // `PROGRAM: LIBRARY: version `GLIBC_2.38' not found (required by …)`; other lines are only warnings.
    let refused = complaints.lines().find(|line| line.contains("not found (required by"));
    if let (None, true) = (refused, success) {
        return None;
    }
    // `PROGRAM: error while loading shared libraries: LIBRARY: REASON`
    let reason = refused.or_else(|| complaints.lines().find(|line| !line.trim().is_empty()));
    let reason = reason.map(|line| line.rsplit("error while loading shared libraries: ").next().unwrap_or(line));
    Some(reason.unwrap_or("the dynamic loader gave no reason").trim().trim_end_matches('.').to_owned())
}

/// The name in `NAME, version VERSION\t(FILE)`.
fn symbol(line: &str) -> String {
    line.split([',', '\t', ' ']).next().unwrap_or(line).to_owned()
}

/// The first few, and how many more there are.
fn listed(lines: &[&str], name: fn(&str) -> String) -> String {
    let first: Vec<String> = lines.iter().take(SHOWN).map(|line| name(line)).collect();
    match lines.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_loader_writes_becomes_a_sentence() {
        let found = "\tlinux-vdso.so.1 (0x00007f)\n\tlibtorch_cpu.so => /t/lib/libtorch_cpu.so (0x00007f)\n";
        let lacks = "\tlibcupti.so.13 => not found\n\tlibcudart.so.13 => not found\n";
        for (list, complaints, success, expected) in [
            (found, "", true, None),
            (
                &format!("{found}{lacks}"),
                "undefined symbol: cudaMalloc, version libcudart.so.13\t(/t/libtorch_cpu.so)\n",
                true,
                Some("libcupti.so.13, libcudart.so.13 not found"),
            ),
            (
                found,
                "undefined symbol: _ZTV1\t(/p)\nundefined symbol: _ZTV2, version V\t(/p)\nundefined symbol: c\t(/p)\n\
                undefined symbol: d\t(/p)\nundefined symbol: e\t(/p)\n",
                true,
                Some("it lacks _ZTV1, _ZTV2, c and 2 more"),
            ),
            (
                "",
                "/p: error while loading shared libraries: /t/lib/libtorch_cpu.so: file too short\n",
                false,
                Some("/t/lib/libtorch_cpu.so: file too short"),
            ),
            (
                found,
                "/p: /lib/libc.so.6: version `GLIBC_2.99' not found (required by /t/lib/libtorch_cpu.so)\n",
                true,
                Some("/p: /lib/libc.so.6: version `GLIBC_2.99' not found (required by /t/lib/libtorch_cpu.so)"),
            ),
            (found, "/p: /t/lib/libx.so: no version information available (required by /p)\n", true, None),
            ("", "", false, Some("the dynamic loader gave no reason")),
        ] {
            assert_eq!(missing(list, complaints, success).as_deref(), expected, "{complaints}");
        }
    }

    #[test]
    fn a_program_that_has_what_it_needs_misses_nothing_and_does_not_run() {
        let mark = std::env::temp_dir().join(format!("forgesyted-trial-{}", std::process::id()));
        assert_eq!(run(Command::new("touch").arg(&mark)).unwrap(), Trial::Loads);
        assert!(!mark.exists(), "it was only loaded");
        assert!(run(&mut Command::new("/no/such/program")).is_err());
    }

    #[test]
    fn a_trial_that_is_cut_short_says_nothing_about_libraries() {
        let ended = |status: i32, complaints: &str| {
            let status = std::process::ExitStatus::from_raw(status);
            judge(&Answer { status, output: String::new(), complaints: complaints.into() })
        };
        let full =
            "/p: error while loading shared libraries: libx.so: cannot map zero-fill pages: Cannot allocate memory\n";
        assert!(matches!(ended(9, ""), Trial::Broken(why) if why.contains("signal 9")));
        assert!(matches!(ended(127 << 8, full), Trial::Broken(why) if why.ends_with(NO_MEMORY)));
        assert!(matches!(ended(127 << 8, ""), Trial::Misses(_)));
    }
}
