//! The package `forgesyted`: which file of the build and of the checkout goes where.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::pack::Words;
use super::programs::Programs;
use super::work::Work;
use super::{Source, copyright, documents, guides, needs, version};
use crate::arch::Arch;
use crate::cross::symbols;
use crate::files::{copy, write};
use crate::libtorch;

const NAME: &str = "forgesyted";
/// The program that finds a libtorch and starts the other one.
const FRONT: &str = "usr/bin/forgesyted";
/// The program that is linked with libtorch, which lies in `../lib` beside it.
const ENGINE: &str = "usr/lib/forgesyted/bin/forgesyted";
/// The daemon's user, and where systemd looks for it.
const USER: (&str, &str) = ("systemd/forgesyted.sysusers.conf", "usr/lib/sysusers.d/forgesyted.conf");
/// The service's environment.
const ENVIRONMENT: &str = "etc/default/forgesyted";
/// Who answers for its changes.
const MAINTAINER: &str = "forgesyted developers <developers@forgesyted.invalid>";

/// Lays out the package in `stage`: what is made here, beside the files that `debian/install` names.
pub(super) fn lay_out(
    programs: &Programs,
    arch: Arch,
    version: &str,
    source: &Source,
    stage: &Path,
) -> Result<(Work, Words)> {
    let work = Work::begin(NAME, &source.packaging(NAME), &source.root, stage)?;
    copy(&programs.front, &work.place(FRONT))?;
    copy(&programs.engine, &work.place(ENGINE))?;
    copy(&source.root.join(USER.0), &work.place(USER.1))?;
    environment(&work, source)?;
    guides::lay_out(&work, &programs.guide, &super::day(source.time)?)?;
    for (name, page) in documents::pages(&source.root.join("docs"))? {
        write(&work.place(Path::new(documents::FOLDER).join(name)), page)?;
    }
    let crates = copyright::crates(arch)?;
    write(&work.place(Path::new(documents::FOLDER).join("third-party-licences")), copyright::texts(&crates)?)?;
    write(&work.about("copyright"), copyright::of_daemon(&crates))?;
    write(&work.about("changelog"), changelog(version, source)?)?;
    // What libtorch gives is the other package's matter: a board may have its own.
    let own = libtorch::LIBRARIES.iter().map(|&name| name.to_owned()).collect();
    let needs = needs::relations(&[symbols::needs(&programs.front)?, symbols::needs(&programs.engine)?], &own)?;
    let (from, before) = version::libtorch_range();
    let values = vec![("needs:Depends", needs.join(", ")), ("libtorch:From", from), ("libtorch:Before", before)];
    Ok((work, Words { values, changes: Some(source.root.join("CHANGELOG.md")), time: source.time }))
}

/// It may hold the token.
fn environment(work: &Work, source: &Source) -> Result<()> {
    let place = work.place(ENVIRONMENT);
    copy(&source.packaging(NAME).join("default"), &place)?;
    fs::set_permissions(&place, Permissions::from_mode(0o640)).context("cannot hide the service's environment")
}

/// Debian's changelog, which leads to the project's own.
fn changelog(version: &str, source: &Source) -> Result<String> {
    let date = super::date(source.time)?;
    Ok(format!(
        "{NAME} ({version}) stable; urgency=medium\n\n  * See changelog.gz beside this file.\n\n -- {MAINTAINER}  {date}\n"
    ))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::files::{files, remove_folder};
    use crate::{paths, shell};

    /// The files of the checkout that the package has as they are, and their places in it.
    fn installed() -> Vec<(PathBuf, PathBuf)> {
        let source = Source::of_checkout().unwrap();
        let list = fs::read_to_string(source.packaging(NAME).join("install")).unwrap();
        let mut all = vec![
            (source.root.join(USER.0), USER.1.into()),
            (source.packaging(NAME).join("default"), ENVIRONMENT.into()),
        ];
        for line in list.lines() {
            let (patterns, folder) = line.rsplit_once(' ').unwrap();
            let mut expand = std::process::Command::new("sh");
            expand.args(["-c", &format!("printf '%s\\n' {patterns}")]).current_dir(&source.root);
            for file in shell::output(&mut expand).unwrap().lines().map(|file| source.root.join(file)) {
                assert!(file.is_file(), "there is no {}", file.display());
                all.push((file.clone(), Path::new(folder).join(file.file_name().unwrap())));
            }
        }
        all
    }

    #[test]
    fn files_for_systemd_have_their_places() {
        let installed = installed();
        for (_, file) in files(&paths::root().join("systemd")).unwrap() {
            let place = installed.iter().find(|(source, _)| *source == file).map(|(_, place)| place);
            let folder = place.unwrap_or_else(|| panic!("{} is in no package", file.display())).parent().unwrap();
            let kind = if file.ends_with("forgesyted.sysusers.conf") { "sysusers.d" } else { "systemd/system" };
            assert_eq!(folder, Path::new("usr/lib").join(kind), "{}", file.display());
        }
    }

    #[test]
    fn what_ships_is_what_lies_in_config() {
        let installed = installed();
        for folder in ["pipelines", "models", "replay"] {
            for (name, _) in files(&paths::config().join(folder)).unwrap() {
                let place = Path::new("usr/share/forgesyted").join(folder).join(name);
                assert!(installed.iter().any(|(_, installed)| *installed == place), "{}", place.display());
            }
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
        let pages = documents::pages(&source.root.join("docs")).unwrap();
        let is_there = |name: &str| pages.iter().any(|(page, _)| page == name);
        let folder = format!("/{}/", documents::FOLDER);
        let mut named = 0;
        for (path, _) in installed() {
            // Models and clips are no text.
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            for name in pages_after(&text, &folder) {
                assert!(is_there(name), "{} names {name}", path.display());
                named += 1;
            }
            let bare = text.lines().find(|line| line.replace(&folder, "").contains("docs/"));
            assert_eq!(bare, None, "{} names a page by a path that the package does not have", path.display());
        }
        assert!(named >= 7, "{named}");
        let mut told = 0;
        for (path, text) in sources(&source.root.join("daemon")) {
            for name in pages_after(&text, "document(\"").into_iter().chain(pages_after(&text, &folder)) {
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
        let stage = std::env::temp_dir().join(format!("xtask-token-{}", std::process::id()));
        let work = Work::begin(NAME, &source.packaging(NAME), &source.root, &stage).unwrap();
        environment(&work, &source).unwrap();
        let about = fs::metadata(work.place(ENVIRONMENT)).unwrap();
        assert_eq!(about.permissions().mode() & 0o007, 0);
        assert_eq!(installed().iter().filter(|(_, place)| place.starts_with("etc")).count(), 3);
        remove_folder(&stage).unwrap();
    }
}
