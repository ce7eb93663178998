//! Makes the shipped models that are code: every `config/models/*.py` becomes the `.pt` beside it. The text models are weights:
//! `config/models/text` trains them, and docs/models.md has their checksums.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

use crate::torchscript;

/// Writes `<config_dir>/models/<name>.pt` from every `<config_dir>/models/<name>.py` and returns the paths written, in
/// order of their names. The same source always gives the same bytes.
///
/// # Errors
/// When the folder or a source cannot be read, holds no source or one that is not a module (see
/// [`torchscript::archive`]), or a file cannot be written. The error names the path.
pub fn write_all(config_dir: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for source in sources(config_dir)? {
        let target = source.with_extension("pt");
        let bytes = compile(&source)?;
        fs::write(&target, bytes).map_err(|e| at("cannot write", &target, &e))?;
        written.push(target);
    }
    Ok(written)
}

/// The sources of the models, in order of their names.
fn sources(config_dir: &Path) -> Result<Vec<PathBuf>> {
    let folder = config_dir.join("models");
    let unreadable = |e: Error| at("cannot read", &folder, &e);
    let mut sources = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|e| e == "py") {
            sources.push(path);
        }
    }
    if sources.is_empty() {
        let none = Error::new(ErrorKind::NotFound, "it holds no .py file");
        return Err(at("no model sources in", &folder, &none));
    }
    sources.sort();
    Ok(sources)
}

/// The bytes of the `.pt` that belongs to `source`.
fn compile(source: &Path) -> Result<Vec<u8>> {
    let text = fs::read_to_string(source).map_err(|e| at("cannot read", source, &e))?;
    let name = source.file_stem().unwrap_or_default().to_string_lossy();
    torchscript::archive(&name, &text).map_err(|e| at("cannot make a module from", source, &e))
}

fn at(what: &str, path: &Path, error: &Error) -> Error {
    Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn shipped() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")
    }

    #[test]
    fn the_shipped_models_are_what_this_makes() {
        for source in sources(&shipped()).unwrap() {
            let committed = fs::read(source.with_extension("pt")).unwrap();
            let stale = format!("{} is stale: run `cargo xtask models`", source.display());
            assert!(committed == compile(&source).unwrap(), "{stale}");
        }
    }

    #[test]
    fn every_shipped_model_has_a_source_or_a_checksum() {
        let page = fs::read_to_string(shipped().join("../docs/models.md")).unwrap();
        for entry in fs::read_dir(shipped().join("models")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "pt") || path.with_extension("py").is_file() {
                continue;
            }
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let said = crate::shell::output(Command::new("sha256sum").arg(&path)).unwrap();
            let sum = said.split(' ').next().unwrap();
            let is_row = |line: &&str| line.starts_with(&format!("| `{name}`"));
            let row = page.lines().find(is_row).unwrap_or_else(|| panic!("docs/models.md has no row for {name}"));
            assert!(row.contains(sum), "{name} has another checksum than docs/models.md says: {sum}");
        }
    }

    #[test]
    fn the_text_models_are_small() {
        let bytes = |name: &str| fs::metadata(shipped().join("models").join(name)).unwrap().len();
        assert!(bytes("text_detector.pt") + bytes("text_reader.pt") <= 4_000_000);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write_all(Path::new("no-such-folder")).unwrap_err();
        assert!(error.to_string().contains("no-such-folder"), "{error}");
    }
}
