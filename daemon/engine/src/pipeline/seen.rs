//! What a load looked at, and how each file was then: pipeline files, what they name, and folders that are away. Looking
//! again tells whether another load would find something else. Files are looked at, not subscribed to: that works on every
//! file system and across folders that are renamed, removed and made again, and costs a system call a file.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
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

/// Most bytes of a pipeline file.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The text of a pipeline file. It never waits: what is no file is not read.
///
/// # Errors
/// Why it cannot be read, and what to do.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let unreadable = |error: io::Error| match error.raw_os_error() {
        Some(libc::ENOENT) if path.is_symlink() => {
            "is a link to a file that is not there; correct the link, or remove it".to_owned()
        }
        Some(libc::ELOOP) => "is a link that leads back to itself; correct the link, or remove it".to_owned(),
        Some(libc::ENXIO) => no_file("a socket or device"),
        _ => format!("cannot be read: {error}"),
    };
    // Opened without waiting for a pipe's other end; whether it is a file is asked of what was opened.
    let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if about.is_dir() {
        return Err(no_file("a folder"));
    }
    if !about.is_file() {
        return Err(no_file("a pipe or device"));
    }
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("has over {MAX_FILE_BYTES} bytes, which no pipeline file needs; divide it into several"));
    }
    Ok(text)
}

fn no_file(what: &str) -> String {
    format!("is {what}, and a name that ends in .toml is a pipeline file's; rename or remove it")
}

/// What a folder has under names that end in `.toml`, by name, whether it is a file or not: what is none is reported when it is
/// read. Hidden ones (an editor's leftovers) are passed over.
pub(super) fn pipeline_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_is_no_file_is_refused_with_a_reason_and_without_waiting() {
        let home = std::env::temp_dir().join(format!("forgesyted-seen-{}", std::process::id()));
        fs::create_dir_all(home.join("folder.toml")).unwrap();
        symlink("gone.toml", home.join("dangling.toml")).unwrap();
        symlink("loop.toml", home.join("loop.toml")).unwrap();
        symlink("/dev/zero", home.join("device.toml")).unwrap();
        let _socket = UnixListener::bind(home.join("socket.toml")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(home.join("pipe.toml")).status().unwrap().success());
        fs::write(home.join("large.toml"), vec![b'#'; 2 << 20]).unwrap();
        fs::write(home.join("sound.toml"), "id = \"a\"").unwrap();
        fs::write(home.join(".hidden.toml"), "id = \"a\"").unwrap();
        let mut said = Vec::new();
        for file in pipeline_files(&home).unwrap() {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            said.push((name, read(&file).err().unwrap_or_default()));
        }
        fs::remove_dir_all(&home).unwrap();
        let expected = [
            ("dangling", "is a link to a file that is not there"),
            ("device", "is a pipe or device, "),
            ("folder", "is a folder, "),
            ("large", "has over 1048576 bytes"),
            ("loop", "is a link that leads back to itself"),
            ("pipe", "is a pipe or device, "),
            ("socket", "is a socket or device, "),
            ("sound", ""),
        ];
        assert_eq!(said.len(), expected.len(), "{said:?}");
        for ((name, reason), (expected_name, start)) in said.iter().zip(expected) {
            assert!(name == expected_name && reason.starts_with(start), "{name}: {reason}");
        }
        assert_eq!(said.last().map(|(_, reason)| reason.as_str()), Some(""));
    }
}
