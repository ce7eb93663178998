//! The files that a command line names: each path is a file or a folder, and what a file is shows in its first bytes.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{open, unreadable};

/// Endings of the files that are taken from a folder, in small letters.
pub const EXTENSIONS: [&str; 9] = ["jpg", "jpeg", "png", "mjpeg", "mjpg", "avi", "mp4", "m4v", "mov"];

/// Endings that make a file of JPEGs MJPEG, whatever its first bytes are.
const MJPEG_EXTENSIONS: [&str; 2] = ["mjpeg", "mjpg"];

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One JPEG.
    Jpeg,
    /// One PNG.
    Png,
    /// JPEGs one after the other, whatever lies between them.
    Mjpeg,
    /// AVI (RIFF).
    Avi,
    /// MP4 and its relatives (ISO/IEC 14496-12; QuickTime).
    Mp4,
}

/// A file to read frames from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub kind: Kind,
    /// Its size.
    pub bytes: u64,
}

/// A path that gives no frames, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The path.
    pub path: PathBuf,
    /// What is wrong with it: the end of a sentence that begins with the path.
    pub reason: String,
}

impl Kind {
    /// Whether each file is one picture, so that files next to each other make one session.
    pub fn is_picture(self) -> bool {
        matches!(self, Kind::Jpeg | Kind::Png)
    }
}

/// The files of these paths, in their order; those of a folder by name. Subfolders, hidden files and files of other endings
/// are passed over in a folder.
pub fn find(paths: &[PathBuf]) -> (Vec<InputFile>, Vec<Refused>) {
    let (mut files, mut refused) = (Vec::new(), Vec::new());
    for path in paths {
        let found = match fs::metadata(path) {
            Ok(about) if about.is_dir() => folder(path),
            Ok(_) => Ok(vec![path.clone()]),
            Err(_) if path.to_str().is_some_and(|text| text.contains("://")) => {
                Err("is an address, and only files are read; save what it gives to a file first".to_owned())
            }
            Err(error) => Err(unreadable(&error)),
        };
        match found {
            Ok(found) => {
                for path in found {
                    match look_at(&path) {
                        Ok(file) => files.push(file),
                        Err(reason) => refused.push(Refused { path, reason }),
                    }
                }
            }
            Err(reason) => refused.push(Refused { path: path.clone(), reason }),
        }
    }
    (files, refused)
}

/// The files of a folder, by name, numbers in names as numbers.
fn folder(path: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| unreadable(&error))? {
        let file = entry.map_err(|error| unreadable(&error))?.path();
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && EXTENSIONS.contains(&extension(&file).as_str()) && file.is_file() {
            files.push(file);
        }
    }
    alphanumeric_sort::sort_path_slice(&mut files);
    match files.is_empty() {
        true => Err(format!(
            "has no file that ends in {}; give another folder, or name files themselves",
            EXTENSIONS.map(|ending| format!(".{ending}")).join(", ")
        )),
        false => Ok(files),
    }
}

fn look_at(path: &Path) -> Result<InputFile, String> {
    let file = open(path)?;
    let bytes = file.metadata().map_err(|error| unreadable(&error))?.len();
    let mut start = Vec::new();
    file.take(16).read_to_end(&mut start).map_err(|error| unreadable(&error))?;
    match kind(&start, &extension(path)) {
        Some(kind) => Ok(InputFile { path: path.to_owned(), kind, bytes }),
        None if start.is_empty() => Err("is empty; copy or record it again".to_owned()),
        None => Err("is none of JPEG, PNG, MJPEG, AVI and MP4; convert it to one of these".to_owned()),
    }
}

/// What a file is, by its first bytes; its ending tells JPEGs in a row from one JPEG.
fn kind(start: &[u8], extension: &str) -> Option<Kind> {
    let fourcc = |at: usize| start.get(at..at + 4).unwrap_or_default();
    match start {
        _ if MJPEG_EXTENSIONS.contains(&extension) => (!start.is_empty()).then_some(Kind::Mjpeg),
        [0xFF, 0xD8, ..] if ["jpg", "jpeg"].contains(&extension) => Some(Kind::Jpeg),
        [0xFF, 0xD8, ..] => Some(Kind::Mjpeg),
        [0x89, b'P', b'N', b'G', ..] => Some(Kind::Png),
        [b'R', b'I', b'F', b'F', ..] if fourcc(8) == b"AVI " => Some(Kind::Avi),
        // QuickTime files need not begin with `ftyp`. Those that have none at all are refused with a command that helps (`mp4`).
        _ if [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"].iter().any(|name| fourcc(4) == *name) => {
            Some(Kind::Mp4)
        }
        _ => None,
    }
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_files_come_in_the_order_of_their_numbers_without_hidden_ones() {
        let home = std::env::temp_dir().join(format!("forgesyted-paths-{}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        for name in ["frame_10.jpg", "frame_2.jpg", "frame_1.jpg", "._frame_1.jpg"] {
            fs::write(home.join(name), [0xFF, 0xD8, 0xFF]).unwrap();
        }
        let (found, refused) = find(std::slice::from_ref(&home));
        fs::remove_dir_all(&home).unwrap();
        let names: Vec<_> = found.iter().filter_map(|file| file.path.file_name()).collect();
        assert_eq!(names, ["frame_1.jpg", "frame_2.jpg", "frame_10.jpg"]);
        assert!(refused.is_empty());
    }
}
