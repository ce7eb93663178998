//! The package `forgesyted`: which file of the build and of the checkout goes where.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::content::{self, Entry, Package};
use super::programs::Programs;
use super::{Source, copyright, documents, guides, needs, version};
use crate::arch::Arch;
use crate::libtorch;

/// The program that finds a libtorch and starts the other one.
const FRONT: &str = "usr/bin/forgesyted";
/// The program that is linked with libtorch, which lies in `../lib` beside it.
const ENGINE: &str = "usr/lib/forgesyted/bin/forgesyted";
const NAME: &str = "forgesyted";

/// Puts the package together.
pub(super) fn package(programs: &Programs, arch: Arch, version: &str, source: &Source) -> Result<Package> {
    let mut entries = vec![Entry::program(FRONT, &programs.front), Entry::program(ENGINE, &programs.engine)];
    entries.extend(configuration(source)?);
    entries.extend(shipped(&source.root.join("config"))?);
    entries.extend(units(&source.root.join("systemd"))?);
    entries.extend(guides::entries(&programs.guide, &super::day(source.time)?)?);
    entries.extend(documents::entries(&source.root.join("docs"))?);
    entries.extend(about(arch, version, source)?);
    let scripts = source.root.join("packaging/deb/forgesyted");
    Ok(Package {
        name: NAME,
        version: version.to_owned(),
        architecture: arch.debian(),
        fields: fields(programs)?,
        entries,
        scripts: ["postinst", "prerm", "postrm"].map(|name| (name, scripts.join(name))).to_vec(),
        time: source.time,
    })
}

fn fields(programs: &Programs) -> Result<Vec<(&'static str, String)>> {
    // What libtorch gives is the other package's matter: a board may have its own.
    let own = libtorch::LIBRARIES.iter().map(|&name| name.to_owned()).collect();
    let mut depends = needs::relations(&[needs::of(&programs.front)?, needs::of(&programs.engine)?], &own)?;
    // systemd-sysusers makes the user.
    depends.push("systemd (>= 249)".to_owned());
    let (from, before) = version::libtorch_range();
    let other = super::LIBTORCH_NAME;
    Ok(vec![
        ("Maintainer", super::MAINTAINER.to_owned()),
        ("Section", "video".to_owned()),
        ("Priority", "optional".to_owned()),
        ("Depends", depends.join(", ")),
        // A daemon with a libtorch of its own does without. One that does not fit must not lie in its place.
        ("Recommends", format!("{other} (>= {from}), {other} (<< {before})")),
        ("Suggests", "avahi-daemon".to_owned()),
        ("Breaks", format!("{other} (<< {from}), {other} (>= {before})")),
        (
            "Description",
            "vision appliance: frames in, results of TorchScript models out\n A daemon that takes JPEG frames over \
             WebSocket or from local cameras, runs\n TorchScript models on them, and answers each frame in real time.\n .\n \
             It runs with the libtorch of the package forgesyted-libtorch, or with one of\n the machine's own that has CUDA."
                .to_owned(),
        ),
    ])
}

/// What an administrator changes.
fn configuration(source: &Source) -> Result<Vec<Entry>> {
    let packaging = source.root.join("packaging");
    Ok(vec![
        Entry::file("etc/forgesyted/forgesyted.toml", &source.root.join("config/forgesyted.toml")),
        Entry::folder("etc/forgesyted/pipelines.d"),
        // It may hold the token.
        Entry { mode: 0o640, ..Entry::file("etc/default/forgesyted", &packaging.join("deb/forgesyted/default")) },
        Entry::file("etc/avahi/services/forgesyted.service", &packaging.join("avahi/forgesyted.service")),
    ])
}

/// The pipelines, models and clips that ship.
fn shipped(config: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for folder in ["pipelines", "models", "replay"] {
        for (name, path) in content::files(&config.join(folder))? {
            if !name.starts_with('.') {
                entries.push(Entry::file(Path::new("usr/share/forgesyted").join(folder).join(name), &path));
            }
        }
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

/// What Debian's policy wants in the folder of documents: licences and changes.
fn about(arch: Arch, version: &str, source: &Source) -> Result<Vec<Entry>> {
    let folder = Path::new(documents::FOLDER);
    let crates = copyright::crates(arch)?;
    let changes = std::fs::read(source.root.join("CHANGELOG.md"))?;
    let entry = format!(
        "{NAME} ({version}) stable; urgency=medium\n\n  * See changelog.gz beside this file.\n\n -- {}  {}\n",
        super::MAINTAINER,
        super::date(source.time)?
    );
    Ok(vec![
        Entry::text(folder.join("copyright"), copyright::of_daemon(&crates)),
        Entry::text(folder.join("third-party-licences.gz"), super::gzip(copyright::texts(&crates)?.as_bytes())?),
        Entry::text(folder.join("changelog.gz"), super::gzip(&changes)?),
        Entry::text(folder.join("changelog.Debian.gz"), super::gzip(entry.as_bytes())?),
        Entry::text(Path::new("usr/share/lintian/overrides").join(NAME), source.overrides(NAME)?),
    ])
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
        assert_eq!(entries.iter().filter(|entry| entry.is_conffile()).count(), 3);
    }
}
