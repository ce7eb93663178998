//! The package `forgesyted`: which file of the build and of the checkout goes where.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::content::{self, Entry, Package};
use super::programs::Programs;
use super::{Source, copyright, documents, guides, needs, version};
use crate::arch::Arch;
use crate::cross::symbols;
use crate::libtorch;

/// The program that finds a libtorch and starts the other one.
const FRONT: &str = "usr/bin/forgesyted";
/// The program that is linked with libtorch, which lies in `../lib` beside it.
const ENGINE: &str = "usr/lib/forgesyted/bin/forgesyted";
const NAME: &str = "forgesyted";
/// Who answers for its changes.
const MAINTAINER: &str = "forgesyted developers <developers@forgesyted.invalid>";
/// The service's environment, among the files about the package.
const DEFAULT: &str = "default";

/// Puts the package together.
pub(super) fn package(programs: &Programs, arch: Arch, version: &str, source: &Source) -> Result<Package> {
    let mut entries = vec![Entry::program(FRONT, &programs.front), Entry::program(ENGINE, &programs.engine)];
    entries.extend(configuration(source)?);
    entries.extend(shipped(&source.root.join("config"))?);
    entries.extend(units(&source.root.join("systemd"))?);
    entries.extend(guides::completions(&programs.guide)?);
    entries.extend(documents::entries(&source.root.join("docs"))?);
    let crates = copyright::crates(arch)?;
    entries.push(Entry::text(Path::new(documents::FOLDER).join("third-party-licences"), copyright::texts(&crates)?));
    let mut about = Entry::files("", &source.packaging(NAME), |name| name != DEFAULT)?;
    about.push(Entry::text("copyright", copyright::of_daemon(&crates)));
    about.push(Entry::text("changelog", changelog(version, source)?));
    about.extend(guides::manual(&programs.guide, &super::day(source.time)?)?);
    // What libtorch gives is the other package's matter: a board may have its own.
    let own = libtorch::LIBRARIES.iter().map(|&name| name.to_owned()).collect();
    let needs = needs::relations(&[symbols::needs(&programs.front)?, symbols::needs(&programs.engine)?], &own)?;
    let (from, before) = version::libtorch_range();
    let changes = Some(source.root.join("CHANGELOG.md"));
    let values = vec![("needs:Depends", needs.join(", ")), ("libtorch:From", from), ("libtorch:Before", before)];
    Ok(Package { name: NAME, about, entries, changes, values, time: source.time })
}

/// Debian's changelog, which leads to the project's own.
fn changelog(version: &str, source: &Source) -> Result<String> {
    let date = super::date(source.time)?;
    Ok(format!(
        "{NAME} ({version}) stable; urgency=medium\n\n  * See changelog.gz beside this file.\n\n -- {MAINTAINER}  {date}\n"
    ))
}

/// What an administrator changes.
fn configuration(source: &Source) -> Result<Vec<Entry>> {
    let packaging = source.root.join("packaging");
    Ok(vec![
        Entry::file("etc/forgesyted/forgesyted.toml", &source.root.join("config/forgesyted.toml")),
        Entry::folder("etc/forgesyted/pipelines.d"),
        // It may hold the token.
        Entry { mode: 0o640, ..Entry::file("etc/default/forgesyted", &source.packaging(NAME).join(DEFAULT)) },
        Entry::file("etc/avahi/services/forgesyted.service", &packaging.join("avahi/forgesyted.service")),
    ])
}

/// The pipelines, models and clips that ship.
fn shipped(config: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for folder in ["pipelines", "models", "replay"] {
        let place = Path::new("usr/share/forgesyted").join(folder);
        entries.extend(Entry::files(place, &config.join(folder), |name| !name.starts_with('.'))?);
    }
    Ok(entries)
}

/// The files for systemd, each in the folder of its kind.
fn units(folder: &Path) -> Result<Vec<Entry>> {
    content::files(folder)?.iter().map(|(name, path)| Ok(Entry::file(place_of_unit(name)?, path))).collect()
}

fn place_of_unit(name: &str) -> Result<PathBuf> {
    let conf = |kind: &str| name.strip_suffix(&format!(".{kind}.conf")).map(|start| format!("{start}.conf"));
    if let Some(name) = conf("sysusers") {
        return Ok(Path::new("usr/lib/sysusers.d").join(name));
    }
    if let Some(name) = conf("tmpfiles") {
        return Ok(Path::new("usr/lib/tmpfiles.d").join(name));
    }
    if name.ends_with(".service") || name.ends_with(".socket") {
        return Ok(Path::new("usr/lib/systemd/system").join(name));
    }
    bail!("systemd/{name} is of no kind that has a place in the package")
}

#[cfg(test)]
mod tests {
    use super::super::content::Content;
    use super::*;

    #[test]
    fn files_for_systemd_have_their_places() {
        for (name, place) in [
            ("forgesyted.service", "usr/lib/systemd/system/forgesyted.service"),
            ("forgesyted.socket", "usr/lib/systemd/system/forgesyted.socket"),
            ("forgesyted.sysusers.conf", "usr/lib/sysusers.d/forgesyted.conf"),
            ("forgesyted.tmpfiles.conf", "usr/lib/tmpfiles.d/forgesyted.conf"),
        ] {
            assert_eq!(place_of_unit(name).unwrap(), Path::new(place));
        }
        assert!(place_of_unit("README").is_err());
    }

    #[test]
    fn what_ships_is_what_lies_in_config() {
        let entries = shipped(&crate::paths::config()).unwrap();
        for place in ["pipelines/scene.toml", "models/scene.pt", "replay/demo.mjpeg"] {
            let place = Path::new("usr/share/forgesyted").join(place);
            assert!(entries.iter().any(|entry| entry.place == place && entry.mode == 0o644), "{}", place.display());
        }
    }

    /// Names of pages in a text, after this.
    fn pages_after<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
        let name = |rest: &'a str| rest.split(|c: char| !c.is_ascii_alphanumeric() && !"-_./".contains(c)).next();
        let names = text.split(before).skip(1).filter_map(name);
        names.map(|name| name.trim_end_matches('.')).filter(|name| !name.is_empty()).collect()
    }

    #[test]
    fn every_page_that_a_file_or_a_message_names_is_in_the_package() {
        let source = Source::of_checkout().unwrap();
        let pages = documents::entries(&source.root.join("docs")).unwrap();
        let is_there = |name: &str| pages.iter().any(|page| page.place == Path::new(documents::FOLDER).join(name));
        let installed = format!("/{}/", documents::FOLDER);
        let mut files = configuration(&source).unwrap();
        files.extend(shipped(&source.root.join("config")).unwrap());
        files.extend(units(&source.root.join("systemd")).unwrap());
        let mut named = 0;
        for entry in files {
            let Content::File(path) = entry.content else { continue };
            // Models and clips are no text.
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            for name in pages_after(&text, &installed) {
                assert!(is_there(name), "{} names {name}", path.display());
                named += 1;
            }
            let bare = text.lines().find(|line| line.replace(&installed, "").contains("docs/"));
            assert_eq!(bare, None, "{} names a page by a path that the package does not have", path.display());
        }
        assert!(named >= 7, "{named}");
        let mut told = 0;
        for (path, text) in sources(&source.root.join("daemon")) {
            for name in pages_after(&text, "document(\"").into_iter().chain(pages_after(&text, &installed)) {
                assert!(is_there(name), "{} names {name}", path.display());
                told += 1;
            }
            let is_code = |line: &&str| !line.trim_start().starts_with("//") && !line.contains("include_str!");
            let code = text.lines().filter(is_code).filter(|line| !line.contains("document_in("));
            let bare: Vec<&str> =
                code.filter(|line| pages_after(line, "docs/").iter().any(|name| name.ends_with(".md"))).collect();
            assert!(bare.is_empty(), "{}: a page is named by config::document: {bare:?}", path.display());
        }
        assert!(told >= 2, "{told}");
    }

    /// Every file of Rust below a folder.
    fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let read = |path: PathBuf| match path.is_dir() {
            true => sources(&path),
            false => vec![(path.clone(), std::fs::read_to_string(&path).unwrap())],
        };
        entries.flat_map(read).collect()
    }

    #[test]
    fn the_token_is_for_root_only() {
        let source = Source::of_checkout().unwrap();
        let entries = configuration(&source).unwrap();
        let default = entries.iter().find(|entry| entry.place == Path::new("etc/default/forgesyted")).unwrap();
        assert_eq!(default.mode & 0o007, 0);
        let files = entries.iter().filter(|entry| entry.content != Content::Folder);
        assert_eq!(files.filter(|entry| entry.place.starts_with("etc")).count(), 3);
    }
}
