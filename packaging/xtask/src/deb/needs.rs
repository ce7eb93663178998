//! Which of Debian's packages programs and libraries ask for: the same on every machine that builds, for every architecture.
//! dpkg-shlibdeps would need the libraries of a board on it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use crate::cross::symbols::Needs;

/// Parts of glibc that are libraries of their own.
const GLIBC: &[&str] =
    &["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "ld-linux-"];
/// From which GCC on its C++ library has a version of symbols, the newest first (the table in GCC's manual of libstdc++,
/// "ABI Policy and Guidelines"). Whatever is older is in the oldest system.
const LIBSTDCXX: &[(&str, &str)] = &[
    ("GLIBCXX_3.4.34", "15"),
    ("CXXABI_1.3.16", "15"),
    ("GLIBCXX_3.4.33", "14"),
    ("CXXABI_1.3.15", "14"),
    ("GLIBCXX_3.4.32", "13.2"),
    ("GLIBCXX_3.4.31", "13"),
    ("CXXABI_1.3.14", "13"),
    ("GLIBCXX_3.4.30", "12"),
];
/// The newest of the list above; a newer one is none that this file knows.
const NEWEST: &[(&str, &str)] = &[("GLIBCXX_", "3.4.34"), ("CXXABI_", "1.3.16")];
/// What the oldest system has that the packages are for: on older ones nothing was ever tried, so none is let in.
const OLDEST: &[(&str, &str)] = &[("libc6", "2.34"), ("libstdc++6", "11")];

/// The relations of a package that consists of these files, such as `libc6 (>= 2.34)`; what a file of the package itself
/// gives is no need.
pub(super) fn relations(needs: &[Needs], own: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut lowest: BTreeMap<&'static str, String> = BTreeMap::new();
    for (library, versions) in needs.iter().flatten() {
        if own.contains(library) {
            continue;
        }
        let (package, version) = package_of(library, versions)?;
        let oldest = || OLDEST.iter().find(|(name, _)| *name == package).map_or("", |(_, version)| version).to_owned();
        let known = lowest.entry(package).or_insert_with(oldest);
        if parts(&version) > parts(known) {
            *known = version;
        }
    }
    let relation = |(package, version): (&'static str, String)| match version.as_str() {
        "" => package.to_owned(),
        version => format!("{package} (>= {version})"),
    };
    Ok(lowest.into_iter().map(relation).collect())
}

/// Debian's package of a library, and the oldest version that has all these symbols.
fn package_of(library: &str, versions: &BTreeSet<String>) -> Result<(&'static str, String)> {
    let newest = |start: &str| {
        let numbers = versions.iter().filter_map(|version| version.strip_prefix(start));
        numbers.max_by_key(|version| parts(version)).unwrap_or_default().to_owned()
    };
    if GLIBC.iter().any(|start| library.starts_with(start)) {
        return Ok(("libc6", newest("GLIBC_")));
    }
    match library {
        // Every system has all its symbols that anything here asks for.
        "libz.so.1" => Ok(("zlib1g", String::new())),
        "libgcc_s.so.1" => Ok(("libgcc-s1", newest("GCC_"))),
        "libstdc++.so.6" => {
            for (start, known) in NEWEST {
                if parts(&newest(start)) > parts(known) {
                    bail!("a file needs {start}{} of {library}, which needs.rs has no GCC for: add it", newest(start));
                }
            }
            let gcc = LIBSTDCXX.iter().find(|(symbols, _)| versions.contains(*symbols));
            Ok(("libstdc++6", gcc.map_or("", |(_, gcc)| gcc).to_owned()))
        }
        other => bail!("a file needs the library {other}, and no package that would bring it is known"),
    }
}

/// A version as numbers, which compare as versions do.
fn parts(version: &str) -> Vec<u64> {
    version.split('.').filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn needs(libraries: &[(&str, &[&str])]) -> Needs {
        libraries.iter().map(|(library, versions)| ((*library).to_owned(), names(versions))).collect()
    }

    #[test]
    fn the_newest_symbols_decide() {
        let program = needs(&[
            ("libc10.so", &[]),
            ("libgcc_s.so.1", &["GCC_3.3", "GCC_4.2.0"]),
            ("libm.so.6", &["GLIBC_2.29"]),
            ("libstdc++.so.6", &["GLIBCXX_3.4.32", "GLIBCXX_3.4.9"]),
        ]);
        let library = needs(&[("libc.so.6", &["GLIBC_2.9", "GLIBC_2.36", "GLIBC_PRIVATE"])]);
        assert_eq!(
            relations(&[program, library], &names(&["libc10.so"])).unwrap(),
            ["libc6 (>= 2.36)", "libgcc-s1 (>= 4.2.0)", "libstdc++6 (>= 13.2)"]
        );
        let old = needs(&[("libc.so.6", &["GLIBC_2.9"]), ("libstdc++.so.6", &["CXXABI_1.3"])]);
        let zlib = needs(&[("libz.so.1", &[])]);
        assert_eq!(relations(&[zlib], &names(&[])).unwrap(), ["zlib1g"]);
        assert_eq!(relations(&[old], &names(&[])).unwrap(), ["libc6 (>= 2.34)", "libstdc++6 (>= 11)"]);
    }

    #[test]
    fn what_is_not_known_is_said_and_not_left_out() {
        let error = relations(&[needs(&[("libc10.so", &[])])], &names(&[])).unwrap_err().to_string();
        assert_eq!(error, "a file needs the library libc10.so, and no package that would bring it is known");
        let newer = needs(&[("libstdc++.so.6", &["GLIBCXX_3.4.99"])]);
        assert!(relations(&[newer], &names(&[])).unwrap_err().to_string().contains("GLIBCXX_3.4.99"));
    }
}
