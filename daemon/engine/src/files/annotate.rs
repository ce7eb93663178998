//! Frames with their results drawn on them, as JPEGs in a folder.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::paths::InputFile;
use crate::pipeline::encode::Encoder;
use crate::pipeline::image::Decoder;
use crate::pipeline::overlay;
use base::frame::Frame;

/// The pictures are to be looked at, and may be measured by.
const QUALITY: u8 = 90;

/// Bytes of a source's name that its pictures' names keep: file systems take 255, with number and ending.
const MOST_NAME_BYTES: usize = 200;

/// Writes pictures into a folder.
#[derive(Debug)]
pub(super) struct Annotator {
    folder: PathBuf,
    /// The files that are read, each as the system tells it from others.
    inputs: HashSet<(u64, u64)>,
    encoder: Encoder,
    decoder: Decoder,
}

impl Annotator {
    /// Makes the folder where it is not there. `inputs` are never written over.
    pub(super) fn new(folder: &Path, inputs: &[InputFile]) -> Result<Annotator, String> {
        fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        // A link that is read is kept as well as the file that it leads to.
        let both = |file: &InputFile| [fs::metadata(&file.path), fs::symlink_metadata(&file.path)];
        let inputs = inputs.iter().flat_map(both).flatten().map(|about| identity(&about)).collect();
        Ok(Annotator { folder: folder.to_owned(), inputs, encoder: Encoder::default(), decoder: Decoder::default() })
    }

    /// Writes a frame as `INDEX-NAME.jpg`: its number, and the name of the file that it came from. The picture appears whole,
    /// or not at all; an older one of that name is replaced.
    pub(super) fn write(&mut self, index: u64, source: &Path, frame: &Frame, result: &str) -> Result<(), Unwritten> {
        let result: Value = serde_json::from_str(result).unwrap_or_default();
        let jpeg =
            overlay::render(&mut self.encoder, &mut self.decoder, frame, &result, QUALITY).map_err(|reason| {
                Unwritten::Undrawable(format!("its picture cannot be drawn: {reason}; leave --annotate out"))
            })?;
        let name = source.file_stem().unwrap_or_default().to_string_lossy();
        let end = (0..=MOST_NAME_BYTES).rev().find(|&at| name.is_char_boundary(at)).unwrap_or_default();
        let name = name.get(..end).unwrap_or_default();
        let file = self.folder.join(format!("{index:06}-{name}.jpg"));
        if fs::symlink_metadata(&file).is_ok_and(|there| self.inputs.contains(&identity(&there))) {
            let file = file.display();
            return Err(Unwritten::Disk(format!(
                "{file} is among the files to run on; give --annotate another folder"
            )));
        }
        let partial = self.folder.join(format!(".{index:06}.{}.partial", std::process::id()));
        create(&partial, &jpeg).and_then(|()| fs::rename(&partial, &file)).map_err(|error| {
            let _ = fs::remove_file(&partial);
            Unwritten::Disk(unwritable(&file, &error))
        })
    }
}

/// Why there is no picture of a frame.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// It could not be drawn; others may be.
    Undrawable(String),
    /// The folder does not take it, and will not take others.
    Disk(String),
}

/// Makes a file that was not there: nothing is written through a link of this name.
fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let create = || fs::File::options().write(true).create_new(true).open(path);
    let created = match create() {
        // A program of the same number was ended in the middle of it.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => fs::remove_file(path).and_then(|()| create()),
        created => created,
    };
    created?.write_all(content)
}

/// What tells a file from all others: its file system, and its number there.
fn identity(about: &Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}

fn unwritable(path: &Path, error: &io::Error) -> String {
    format!(
        "{} cannot be written ({error}); give --annotate a folder that may be written to and has room",
        path.display()
    )
}
