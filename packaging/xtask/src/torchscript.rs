//! Writes a TorchScript archive (`.pt`) from TorchScript source text, without Python and without libtorch.
//!
//! The format is PyTorch's public one, described in its repository under `torch/csrc/jit/docs/serialization.md`; the
//! numbers of the file format versions are in `caffe2/serialize/versions.h`. A `.pt` is a zip archive of one folder:
//!
//! | entry | content |
//! |---|---|
//! | `<name>/data.pkl` | the module object, pickled: its class and the values of its attributes |
//! | `<name>/byteorder` | `little` |
//! | `<name>/code/__torch__.py` | the source of the class |
//! | `<name>/constants.pkl` | the tensors that the source names as `CONSTANTS.cN`, pickled: here the empty tuple |
//! | `<name>/version` | the file format version |
//!
//! libtorch compiles the source when it loads the file, so an error in it shows there, with its line. The source is
//! TorchScript as `torch.jit.save` prints it: one class that derives from `Module`; `torch.xyz` is the operator
//! `aten::xyz`; types are `Tensor`, `int`, `float`, `str`, `List[…]`, `Dict[…]`, `Any`; comments are allowed; the
//! module's attributes are declared in its body. Beside Python's operators and statements it has `annotate(T, value)`,
//! which gives a literal a type (`annotate(Dict[str, Any], {…})`), `inf`, `nan`, and `ops.prim.RaiseException("why")` in
//! place of `raise`.
//!
//! Entries are stored uncompressed with a fixed time, so the same source always gives the same bytes.

use std::io::{Cursor, Error, ErrorKind, Result, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The file format that the 2.x releases of PyTorch write (`kProducedFileFormatVersion`). An older number would make
/// libtorch replace operators by what they meant then.
const FORMAT_VERSION: &str = "10\n";

/// `()` in pickle's protocol 2: protocol, empty tuple, stop.
const EMPTY_TUPLE_PICKLE: &[u8] = b"\x80\x02).";

/// Makes the bytes of a `.pt` file with one module that has no parameters.
///
/// `name` is the archive's folder (letters, digits, `_` and `-`). `source` holds exactly one class that derives from
/// `Module`, with a method `forward`; its only attribute is `training : bool`, which is false. Helper functions and
/// further methods are allowed.
///
/// # Errors
/// `InvalidInput` when the name or the classes are not as said above. The source itself is not compiled here.
pub fn archive(name: &str, source: &str) -> Result<Vec<u8>> {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return Err(invalid(format!("{name:?} cannot be an archive's name: use letters, digits, _ and -")));
    }
    let class = module_class(source)?;
    let entries: [(&str, &[u8]); 5] = [
        ("data.pkl", &module_pickle(class)),
        ("byteorder", b"little"),
        ("code/__torch__.py", source.as_bytes()),
        ("constants.pkl", EMPTY_TUPLE_PICKLE),
        ("version", FORMAT_VERSION.as_bytes()),
    ];
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (entry, content) in entries {
        zip.start_file(format!("{name}/{entry}"), options)?;
        zip.write_all(content)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// The name of the one class in `source` that derives from `Module`.
fn module_class(source: &str) -> Result<&str> {
    let mut names = source.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("class ")?.split_once('(')?;
        rest.starts_with("Module)").then_some(name.trim())
    });
    match (names.next(), names.next()) {
        (Some(name), None) if !name.is_empty() => Ok(name),
        (Some(first), Some(second)) => {
            Err(invalid(format!("the source has two modules, {first} and {second}: keep one `class …(Module):`")))
        }
        _ => Err(invalid("the source has no module: it needs a line `class Name(Module):`".to_owned())),
    }
}

/// An object of `__torch__.<class>` with the state `{'training': False}`, in pickle's protocol 2.
fn module_pickle(class: &str) -> Vec<u8> {
    let mut pickle = Vec::new();
    pickle.extend_from_slice(b"\x80\x02"); // PROTO 2
    pickle.extend_from_slice(format!("c__torch__\n{class}\n").as_bytes()); // GLOBAL
    pickle.extend_from_slice(b"q\x00"); // BINPUT 0: remember the class
    pickle.extend_from_slice(b")\x81"); // EMPTY_TUPLE, NEWOBJ: the object, made with no arguments
    pickle.extend_from_slice(b"}("); // EMPTY_DICT, MARK: its state
    pickle.extend_from_slice(b"X\x08\x00\x00\x00training"); // BINUNICODE, length, text
    pickle.extend_from_slice(b"q\x01"); // BINPUT 1
    pickle.extend_from_slice(b"\x89"); // NEWFALSE
    pickle.extend_from_slice(b"ub."); // SETITEMS, BUILD, STOP
    pickle
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    const SOURCE: &str =
        "class Twice(Module):\n  training : bool\n  def forward(self, x: Tensor) -> Tensor:\n    return x + x\n";

    #[test]
    fn has_the_entries_that_torch_jit_load_reads() {
        let bytes = archive("twice", SOURCE).unwrap();
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut found = Vec::new();
        for i in 0..zip.len() {
            let mut file = zip.by_index(i).unwrap();
            assert_eq!(file.compression(), CompressionMethod::Stored, "{:?}", file.name());
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            found.push((file.name().unwrap().to_string(), content));
        }
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["twice/data.pkl", "twice/byteorder", "twice/code/__torch__.py", "twice/constants.pkl", "twice/version"]
        );
        assert!(found[0].1.starts_with(b"\x80\x02c__torch__\nTwice\n"));
        assert_eq!(found[2].1, SOURCE.as_bytes());
        assert_eq!(found[4].1, b"10\n");
    }

    #[test]
    fn the_same_source_gives_the_same_bytes() {
        assert_eq!(archive("twice", SOURCE).unwrap(), archive("twice", SOURCE).unwrap());
    }

    #[test]
    fn says_what_is_wrong_with_a_source_or_a_name() {
        let none = archive("x", "def f(x: Tensor) -> Tensor:\n  return x\n").unwrap_err();
        assert!(none.to_string().contains("no module"), "{none}");
        let two = archive("x", "class A(Module):\n  pass\nclass B(Module):\n  pass\n").unwrap_err();
        assert!(two.to_string().contains("A and B"), "{two}");
        for name in ["", "a/b", "a b"] {
            assert!(archive(name, SOURCE).is_err(), "{name:?}");
        }
    }
}
