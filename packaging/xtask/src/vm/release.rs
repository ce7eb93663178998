//! Which Debian release a machine for tests runs: programs that were built here have to run there.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// Releases that the image is known to work with, oldest first, and the version of their C library.
const RELEASES: &[(&str, (u32, u32))] = &[("bookworm", (2, 36)), ("trixie", (2, 41))];

/// The release for programs built on this machine.
///
/// # Errors
/// When this is no x86-64 machine with the GNU C library, or its C library is newer than every release's.
pub(crate) fn of_this_machine() -> Result<&'static str> {
    if std::env::consts::ARCH != "x86_64" {
        bail!("machines for tests are made for x86-64 only, and this is {}", std::env::consts::ARCH);
    }
    let answer = shell::output(Command::new("getconf").arg("GNU_LIBC_VERSION"));
    for_glibc(&answer.context("machines for tests need programs built with the GNU C library")?)
}

/// The oldest release whose C library is at least as new as this one, as `getconf` names it: programs run with a newer C
/// library than theirs, not with an older one.
fn for_glibc(answer: &str) -> Result<&'static str> {
    let name = answer.trim();
    let mut numbers = name.trim_start_matches("glibc ").split('.').map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        bail!("cannot read the version of the C library from {name:?}");
    };
    let fit = RELEASES.iter().find(|(_, glibc)| *glibc >= (major, minor));
    fit.map(|(release, _)| *release).with_context(|| {
        let known: Vec<_> = RELEASES.iter().map(|(release, _)| *release).collect();
        format!(
            "this machine's {name} is newer than that of Debian's {}: programs of it do not run there",
            known.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_run_on_the_same_or_a_newer_c_library() {
        let cases = [
            ("glibc 2.35\n", "bookworm"), // Ubuntu 22.04
            ("glibc 2.36", "bookworm"),
            ("glibc 2.39", "trixie"), // Ubuntu 24.04
            ("glibc 2.41", "trixie"),
        ];
        for (answer, release) in cases {
            assert_eq!(for_glibc(answer).unwrap(), release, "{answer}");
        }
        assert!(for_glibc("glibc 2.42").unwrap_err().to_string().contains("glibc 2.42 is newer"));
        assert!(for_glibc("").is_err());
    }
}
