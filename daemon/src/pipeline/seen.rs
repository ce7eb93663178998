//! What a load looked at, and how each file was then: pipeline files, what they name, and folders that are away. Looking
//! again tells whether another load would find something else. Files are looked at, not subscribed to: that works on every
//! file system and across folders that are renamed, removed and made again, and costs a system call a file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::load::{self, LoadPlan};
use super::origin::{Named, Stamp};

/// Files and folders as they were at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    places: BTreeMap<PathBuf, Place>,
}

/// A pipeline file, or a folder that cannot be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    stamp: Option<Stamp>,
    named: Named,
}

impl Seen {
    /// Notes a pipeline file, as it was before it was read, with the files that it names.
    pub(super) fn note_file(&mut self, file: &Path, stamp: Option<Stamp>, named: Named) {
        self.places.insert(file.to_owned(), Place { stamp, named });
    }

    /// Notes a folder that cannot be listed.
    pub(super) fn note_missing(&mut self, dir: &Path) {
        self.note_file(dir, None, Named::default());
    }

    /// The same places as they are now. What a new or changed file names is not known before it is loaded; that it is new
    /// or changed is enough.
    pub(crate) fn again(&self, plan: &LoadPlan) -> Seen {
        let mut now = Seen::default();
        for dir in &plan.dirs {
            let Ok(files) = pipeline_files(dir) else {
                now.note_missing(dir);
                continue;
            };
            for file in files {
                let look = |(named, _): &(PathBuf, Option<Stamp>)| {
                    (named.clone(), load::find(named, &file, plan).and_then(|found| Stamp::of(&found)))
                };
                let named = self.places.get(&file).map(|place| place.named.iter().map(look).collect());
                now.note_file(&file, Stamp::of(&file), named.unwrap_or_default());
            }
        }
        now
    }
}

/// The `.toml` files of a folder, by name; hidden ones (an editor's leftovers) are passed over.
pub(super) fn pipeline_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
