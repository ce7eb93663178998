//! Frames with their results drawn on them, as JPEGs in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::pipeline::encode::Encoder;
use crate::pipeline::frame::Frame;
use crate::pipeline::image::Decoder;
use crate::pipeline::overlay;

/// The pictures are to be looked at, and may be measured by.
const QUALITY: u8 = 90;

/// Writes pictures into a folder.
#[derive(Debug)]
pub(super) struct Annotator {
    folder: PathBuf,
    encoder: Encoder,
    decoder: Decoder,
}

impl Annotator {
    /// Makes the folder where it is not there.
    pub(super) fn new(folder: &Path) -> Result<Annotator, String> {
        fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        Ok(Annotator { folder: folder.to_owned(), encoder: Encoder::default(), decoder: Decoder::default() })
    }

    /// Writes a frame as `INDEX-NAME.jpg`: its number, and the name of the file that it came from. The picture appears whole,
    /// or not at all.
    pub(super) fn write(&mut self, index: u64, source: &Path, frame: &Frame, result: &str) -> Result<(), String> {
        let result: Value = serde_json::from_str(result).unwrap_or_default();
        let jpeg = overlay::render(&mut self.encoder, &mut self.decoder, frame, &result, QUALITY)
            .map_err(|reason| format!("frame {index} cannot be drawn: {reason}"))?;
        let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let file = self.folder.join(format!("{index:06}-{name}.jpg"));
        let partial = self.folder.join(format!(".{index:06}.partial"));
        fs::write(&partial, jpeg).and_then(|()| fs::rename(&partial, &file)).map_err(|error| {
            let _ = fs::remove_file(&partial);
            unwritable(&file, &error)
        })
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> String {
    format!(
        "{} cannot be written ({error}); give --annotate a folder that may be written to and has room",
        path.display()
    )
}
