//! Which versions of the C and C++ libraries a program asks for, and whether the oldest board has them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use object::elf::FileHeader64;
use object::endian::Endianness;
use object::read::elf::FileHeader;

/// Of each family of versions, the newest that a board has: those of Ubuntu 22.04, on which JetPack 6 is built, have
/// these and some more.
const NEWEST: &[(&str, &str)] =
    &[("GLIBC_", "2.34"), ("GLIBCXX_", "3.4.29"), ("CXXABI_", "1.3.13"), ("GCC_", "12.0.0")];

/// A version of a library that a program asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needed {
    /// The library, such as `libc.so.6`.
    pub library: String,
    /// The version's name, such as `GLIBC_2.34`.
    pub version: String,
}

/// Checks that a program or library of 64 bits runs with the C and C++ libraries of the oldest board.
///
/// # Errors
/// When it asks for newer ones, or cannot be read.
pub fn check(path: &Path) -> Result<()> {
    let newer: Vec<String> = needed(path)?
        .into_iter()
        .filter(|needed| is_newer(&needed.version))
        .map(|needed| format!("{} of {}", needed.version, needed.library))
        .collect();
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

/// What a program or library of 64 bits asks for.
///
/// # Errors
/// When it cannot be read.
pub fn needed(path: &Path) -> Result<Vec<Needed>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    read(&bytes).with_context(|| format!("{} is no ELF file of 64 bits that can be read", path.display()))
}

fn read(bytes: &[u8]) -> object::Result<Vec<Needed>> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    let mut all = Vec::new();
    let Some((mut libraries, strings)) = sections.gnu_verneed(endian, bytes)? else {
        return Ok(all);
    };
    let strings = sections.strings(endian, bytes, strings)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    while let Some((library, mut versions)) = libraries.next()? {
        let library = text(library.file(endian, strings)?);
        while let Some(version) = versions.next()? {
            all.push(Needed { library: library.clone(), version: text(version.name(endian, strings)?) });
        }
    }
    all.sort();
    Ok(all)
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
        let needed = needed(&std::env::current_exe().unwrap()).unwrap();
        assert!(
            needed.iter().any(|one| one.library == "libc.so.6" && one.version.starts_with("GLIBC_2.")),
            "{needed:?}"
        );
        assert!(read(b"#!/bin/sh\n").is_err());
    }
}
