//! Which versions of the C and C++ libraries a program asks for, and whether the oldest board has them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::shell;

/// Libraries by their soname, and the versions of their symbols that are asked for, such as `GLIBC_2.34`.
pub(crate) type Needs = BTreeMap<String, BTreeSet<String>>;

/// Of each family of versions, the newest that a board has: those of Ubuntu 22.04, on which JetPack 6 is built, have
/// these and some more.
const NEWEST: &[(&str, &str)] =
    &[("GLIBC_", "2.34"), ("GLIBCXX_", "3.4.29"), ("CXXABI_", "1.3.13"), ("GCC_", "12.0.0")];

/// Checks that a program or library of 64 bits runs with the C and C++ libraries of the oldest board.
///
/// # Errors
/// When it asks for newer ones, or cannot be read.
pub fn check(path: &Path) -> Result<()> {
    let mut newer = Vec::new();
    for (library, versions) in needs(path)? {
        newer.extend(
            versions.iter().filter(|version| is_newer(version)).map(|version| format!("{version} of {library}")),
        );
    }
    if newer.is_empty() {
        return Ok(());
    }
    bail!(
        "{} asks for {}: newer than the libraries of the boards that it is for. Build it on Debian 12 or Ubuntu 22.04, or \
         in the container of cross/Dockerfile",
        path.display(),
        newer.join(", ")
    )
}

/// What a program or library of any architecture asks for.
pub(crate) fn needs(path: &Path) -> Result<Needs> {
    let mut objdump = Command::new("objdump");
    Ok(read(&shell::output(objdump.arg("--private-headers").arg(path).env("LC_ALL", "C"))?))
}

/// Reads lines such as `NEEDED libc.so.6`, `required from libc.so.6:` and, below that, `0x09691a75 0x00 02 GLIBC_2.2.5`.
fn read(headers: &str) -> Needs {
    let mut needs = Needs::new();
    let mut from = None;
    for line in headers.lines() {
        match *line.split_whitespace().collect::<Vec<_>>() {
            ["NEEDED", library] => _ = needs.entry(library.to_owned()).or_default(),
            ["required", "from", library] => from = Some(library.trim_end_matches(':').to_owned()),
            [_, _, _, version] => {
                if let Some(versions) = from.as_ref().and_then(|library| needs.get_mut(library)) {
                    versions.insert(version.to_owned());
                }
            }
            _ => {}
        }
    }
    needs
}

/// Whether a version is newer than what the boards have; one of another family comes with our own libraries.
fn is_newer(version: &str) -> bool {
    NEWEST.iter().any(|(family, newest)| {
        version.strip_prefix(family).is_some_and(|version| match (numbers(version), numbers(newest)) {
            (Some(version), Some(newest)) => version > newest,
            // GLIBC_PRIVATE and the like: whatever it is, no board promises it.
            _ => true,
        })
    })
}

fn numbers(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for old in
            ["GLIBC_2.17", "GLIBC_2.4", "GLIBC_2.34", "GLIBCXX_3.4", "GLIBCXX_3.4.29", "CXXABI_1.3.9", "GOMP_4.5"]
        {
            assert!(!is_newer(old), "{old}");
        }
        for new in ["GLIBC_2.35", "GLIBC_2.100", "GLIBC_PRIVATE", "GLIBCXX_3.4.30", "CXXABI_1.3.15"] {
            assert!(is_newer(new), "{new}");
        }
    }

    #[test]
    fn what_this_very_program_needs_is_read() {
        let needs = needs(&std::env::current_exe().unwrap()).unwrap();
        assert!(needs["libc.so.6"].iter().any(|version| version.starts_with("GLIBC_2.")), "{needs:?}");
        assert!(super::needs(Path::new("/etc/passwd")).is_err());
        assert!(super::needs(Path::new("/no/such/file")).is_err());
    }

    #[test]
    fn a_library_is_asked_for_with_and_without_versions() {
        let headers = "\nDynamic Section:\n  NEEDED               libz.so.1\n  NEEDED               libc.so.6\n  \
                       SONAME               libx.so\n\nVersion definitions:\n1 0x01 0x0ae0e2b2 LIBX_1\n\nVersion \
                       References:\n  required from libc.so.6:\n    0x06969194 0x00 06 GLIBC_2.14\n    0x0d696914 0x00 05 \
                       GLIBC_2.4\n";
        let read: Vec<_> = read(headers).into_iter().map(|(library, versions)| (library, versions.len())).collect();
        assert_eq!(read, [("libc.so.6".to_owned(), 2), ("libz.so.1".to_owned(), 0)]);
    }
}
