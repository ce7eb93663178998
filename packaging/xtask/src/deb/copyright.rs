//! Who has a right to what is in a package: Debian's machine-readable `copyright`, and the licences of the crates that are
//! linked into the programs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::arch::Arch;
use crate::files::{self, files};
use crate::{cargo, shell};

/// Whose the project is.
const OWNER: &str = "2026 the developers of forgesyted";
/// How names of files with a licence start, in capitals.
const LICENCE_FILES: &[&str] = &["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE", "README.IJG"];

/// A crate that is linked into the daemon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Crate {
    name: String,
    version: String,
    licence: String,
    folder: PathBuf,
}

/// The crates of others that are linked into the daemon, sorted.
pub(super) fn crates(arch: Arch) -> Result<Vec<Crate>> {
    let mut tree = cargo::command("tree");
    tree.args([
        "--locked",
        "--package",
        "forgesyted",
        "--package",
        "forgesyted-engine",
        "--edges",
        "normal,no-proc-macro",
        "--target",
        arch.target(),
    ]);
    let linked = shell::output(tree.args(["--prefix", "none", "--format", "{p}"]))?;
    let mut metadata = cargo::command("metadata");
    metadata.args(["--locked", "--format-version", "1", "--filter-platform", arch.target()]);
    let metadata: Value = serde_json::from_str(&shell::output(&mut metadata)?).context("cargo metadata is no JSON")?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("cargo metadata names no packages")?;
    let mut crates = Vec::new();
    for package in packages {
        let field = |name: &str| package.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, version) = (field("name"), field("version"));
        // The project's own have no source.
        let foreign = package.get("source").is_some_and(|source| !source.is_null());
        if foreign && linked.lines().any(|line| is_of(line, &name, &version)) {
            let folder = Path::new(&field("manifest_path")).parent().unwrap_or(Path::new("")).to_path_buf();
            crates.push(Crate { licence: expression(&field("license")), name, version, folder });
        }
    }
    crates.sort();
    Ok(crates)
}

/// Whether a line of `cargo tree`, such as `bytes v1.12.1 (*)`, is about this crate.
fn is_of(line: &str, name: &str, version: &str) -> bool {
    let mut words = line.split(' ');
    words.next() == Some(name) && words.next().and_then(|word| word.strip_prefix('v')) == Some(version)
}

/// A licence as SPDX writes it: older crates have a `/` for "or".
fn expression(licence: &str) -> String {
    licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

/// The daemon's `copyright`.
pub(super) fn of_daemon(crates: &[Crate]) -> String {
    // The letters in the clip are pictures of Roboto's (tests/support/demo/letters.png).
    let mut text = format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: forgesyted\n\nFiles: *\n\
         Copyright: {OWNER}\nLicense: Apache-2.0\n\nFiles: usr/share/forgesyted/replay/demo.mjpeg\n\
         Copyright: {OWNER}\n 2015 Google Inc.\nLicense: Apache-2.0\n\
         Comment: The letters in its pictures are those of Roboto Bold, which is Google's.\n\n\
         Files: usr/bin/forgesyted\n usr/lib/forgesyted/bin/forgesyted\n\
         Copyright: {OWNER}\n the authors of the crates below, whose names and years are in their licences\nLicense: Apache-2.0\n\
         Comment: These crates are linked into the programs, each under the licence behind its name. The texts of their\n \
         licences, with the names of their authors, are in third-party-licences.gz beside this file.\n \
         Their sources are on https://crates.io, by the same names and versions.\n .\n"
    );
    for one in crates {
        let _ = writeln!(text, " {} {}: {}", one.name, one.version, one.licence);
    }
    text.push_str(
        "\nLicense: Apache-2.0\n On Debian systems, the text of the Apache License, Version 2.0, is in\n \
         /usr/share/common-licenses/Apache-2.0.\n",
    );
    text
}

/// The texts of the crates' licences, each once, below the names of the crates that have it.
pub(super) fn texts(crates: &[Crate]) -> Result<String> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut silent = Vec::new();
    for one in crates {
        let name = format!("{} {}", one.name, one.version);
        let files = licence_files(&one.folder)?;
        if files.is_empty() {
            silent.push(format!("{name} ({})", one.licence));
        }
        for file in files {
            let bytes = files::read(&file)?;
            let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n").trim_end().to_owned();
            let of = texts.entry(text).or_default();
            if of.last() != Some(&name) {
                of.push(name.clone());
            }
        }
    }
    let mut sorted: Vec<_> = texts.into_iter().map(|(text, names)| (names.join(", "), text)).collect();
    sorted.sort();
    let rule = "=".repeat(100);
    let mut all: String =
        sorted.into_iter().map(|(names, text)| format!("{rule}\n{names}\n{rule}\n\n{text}\n\n")).collect();
    if !silent.is_empty() {
        let _ = writeln!(all, "{rule}\nWithout a text of their own: {}\n{rule}", silent.join(", "));
    }
    Ok(all)
}

/// The files with a licence in the folder of a crate, and in the folders of sources of others that it carries.
fn licence_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_licence = |name: &str| LICENCE_FILES.iter().any(|start| name.to_uppercase().starts_with(start));
    let mut folders = vec![folder.to_path_buf()];
    folders.extend(files::list(folder)?.into_iter().filter(|path| path.is_dir()));
    let mut found = Vec::new();
    for folder in folders {
        found.extend(files(&folder)?.into_iter().filter(|(name, _)| is_licence(name)).map(|(_, path)| path));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_linked_is_named_with_its_licence() {
        let crates = crates(Arch::host().unwrap()).unwrap();
        let licence = |name: &str| crates.iter().find(|one| one.name == name).map(|one| one.licence.as_str());
        assert_eq!(licence("hyper"), Some("MIT"));
        assert_eq!(licence("tch"), Some("MIT OR Apache-2.0"));
        // What only builds or tests is not in the programs, and our own is no third party's.
        for name in ["proptest", "serde_derive", "bindgen", "forgesyted"] {
            assert_eq!(licence(name), None, "{name}");
        }
        let text = of_daemon(&crates);
        assert!(text.contains("\n tokio ") && text.starts_with("Format: https://"), "{text}");
        // The MPL-2.0, of symphonia's crates, wants this said.
        assert!(text.contains("\n Their sources are on https://crates.io"), "{text}");
        assert!(text.contains("\n\nFiles: usr/share/forgesyted/replay/demo.mjpeg\nCopyright: "), "{text}");
    }

    #[test]
    fn texts_of_carried_sources_come_along_and_equal_ones_stand_once() {
        let home = std::env::temp_dir().join(format!("xtask-licences-{}", std::process::id()));
        let one = |name: &str, files: &[(&str, &str)]| {
            let folder = home.join(name);
            for (file, text) in files {
                let path = folder.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            fs::create_dir_all(&folder).unwrap();
            Crate { name: name.to_owned(), version: "1".to_owned(), licence: "MIT".to_owned(), folder }
        };
        let crates = [
            one("a", &[("LICENSE-MIT", "free\r\n"), ("src/lib.rs", "code")]),
            one("b", &[("license.txt", "free"), ("zlib/COPYING", "as is")]),
            one("c", &[("Cargo.toml", "")]),
        ];
        let texts = texts(&crates).unwrap();
        assert_eq!(texts.matches("\nfree\n").count(), 1);
        assert!(texts.contains("=\na 1, b 1\n=") && texts.contains("=\nb 1\n="), "{texts}");
        assert!(texts.contains("Without a text of their own: c 1 (MIT)"), "{texts}");
        fs::remove_dir_all(&home).unwrap();
    }
}
