//! JPEG frames to send, from files.

use std::fs;
use std::path::{Path, PathBuf};

use base::frame::jpeg;
use bytes::Bytes;

use super::LoadError;

/// Most files taken from one folder: all are held in memory.
const MAX_FILES: usize = 1000;

/// Loads one JPEG file, or every `.jpg` and `.jpeg` file of a folder in the order of their names, numbers in
/// them as numbers; hidden ones are passed over.
///
/// # Errors
/// A path that cannot be read, a file that does not start as a JPEG does (`FF D8`), a folder with no JPEG file or
/// with more than 1000.
pub fn load(path: &Path) -> Result<Vec<Bytes>, LoadError> {
    let unreadable =
        |path: &Path, e: std::io::Error| LoadError::Frames(format!("Cannot read {}: {e}.", path.display()));
    let mut files = Vec::new();
    if fs::metadata(path).map_err(|e| unreadable(path, e))?.is_dir() {
        for entry in fs::read_dir(path).map_err(|e| unreadable(path, e))? {
            let file = entry.map_err(|e| unreadable(path, e))?.path();
            let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if is_jpeg_name(&file) && !hidden {
                files.push(file);
            }
        }
        alphanumeric_sort::sort_path_slice(&mut files);
        if files.is_empty() || files.len() > MAX_FILES {
            return Err(LoadError::Frames(format!(
                "The folder {} holds {} JPEG files (.jpg, .jpeg); give one with 1 to {MAX_FILES}.",
                path.display(),
                files.len()
            )));
        }
    } else {
        files.push(PathBuf::from(path));
    }
    files
        .iter()
        .map(|file| {
            let bytes = fs::read(file).map_err(|e| unreadable(file, e))?;
            if jpeg::starts(&bytes) {
                Ok(Bytes::from(bytes))
            } else {
                Err(LoadError::Frames(format!(
                    "{} is not a JPEG file: it does not start with FF D8. Give JPEG files only.",
                    file.display()
                )))
            }
        })
        .collect()
}

fn is_jpeg_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    extension.eq_ignore_ascii_case("jpg") || extension.eq_ignore_ascii_case("jpeg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_their_names_and_bad_ones_are_named() {
        let folder = std::env::temp_dir().join(format!("forgesyted-load-frames-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert!(load(&folder).unwrap_err().to_string().contains("0 JPEG files"));
        fs::write(folder.join("b.JPG"), b"\xFF\xD8b").unwrap();
        fs::write(folder.join("a.jpeg"), b"\xFF\xD8a").unwrap();
        fs::write(folder.join("notes.txt"), b"no").unwrap();
        assert_eq!(load(&folder).unwrap(), [&b"\xFF\xD8a"[..], &b"\xFF\xD8b"[..]]);
        assert_eq!(load(&folder.join("b.JPG")).unwrap().len(), 1);
        fs::write(folder.join("c.jpg"), b"GIF89a").unwrap();
        assert!(load(&folder).unwrap_err().to_string().contains("c.jpg is not a JPEG"));
        fs::remove_dir_all(&folder).unwrap();
        assert!(load(&folder).unwrap_err().to_string().starts_with("Cannot read"));
    }
}
