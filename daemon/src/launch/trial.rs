//! A trial of the dynamic loader: it finds and binds everything that a program needs, and says what it misses, without running
//! a line of it (ld.so(8), `LD_TRACE_LOADED_OBJECTS`; `ldd -r` does the same).

use std::io;
use std::process::{Command, Stdio};

/// Most missing names that a sentence lists.
const SHOWN: usize = 3;

/// Lets the loader try a program. Returns what is missing, in words; `None` when nothing is.
///
/// # Errors
/// The program cannot be started at all.
pub(super) fn run(program: &mut Command) -> io::Result<Option<String>> {
    program.env("LD_TRACE_LOADED_OBJECTS", "1").env("LD_WARN", "1").env("LD_BIND_NOW", "1");
    let output = program.stdin(Stdio::null()).output()?;
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(missing(&said[0], &said[1], output.status.success()))
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
        assert_eq!(run(Command::new("touch").arg(&mark)).unwrap(), None);
        assert!(!mark.exists(), "it was only loaded");
        assert!(run(&mut Command::new("/no/such/program")).is_err());
    }
}
