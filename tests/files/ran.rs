//! A run of the binary, and what came of it.

use std::path::PathBuf;

use forgesyted_tests::{Builder, Daemon, modules, sources};
use serde_json::Value;

/// What the binary said, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub status: Option<i32>,
    pub lines: Vec<Value>,
    pub said: String,
}

/// A folder with the pipeline `colour`, which gives the mean of red, green and blue, 0 to 1.
pub fn builder() -> Builder {
    let mean = modules::module(
        "Dict[str, Any]",
        "means = torch.mean(x, [0, 2, 3])\nreturn annotate(Dict[str, Any], {\"rgb\": means})",
    );
    Daemon::builder().measure("colour", &mean)
}

/// Runs `forgesyted run` with these words.
pub fn run(builder: &Builder, words: &[&str]) -> Ran {
    let output = builder.words("run", words).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Ran {
        status: output.status.code(),
        lines: text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        said: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs `forgesyted run --pipeline colour` with further words.
pub fn colours(builder: &Builder, words: &[&str]) -> Ran {
    run(builder, &[&["--pipeline", "colour"], words].concat())
}

impl Ran {
    /// The mean colour of each line, 0 to 255; the lines must be numbered as `indices`.
    pub fn colours(&self, indices: impl IntoIterator<Item = u64>) -> Vec<[u8; 3]> {
        let indices: Vec<u64> = indices.into_iter().collect();
        let found: Vec<u64> = self.lines.iter().map(|line| line["frame_index"].as_u64().unwrap()).collect();
        assert_eq!(found, indices, "{self:?}");
        let level = |line: &Value, at: usize| (line["result"]["rgb"][at].as_f64().unwrap() * 255.0).round() as u8;
        self.lines.iter().map(|line| [0, 1, 2].map(|at| level(line, at))).collect()
    }

    /// Its lines on standard error.
    pub fn said(&self) -> Vec<&str> {
        self.said.lines().collect()
    }
}

/// Whether colours are the same but for what compression does to them.
pub fn assert_near(found: &[[u8; 3]], expected: &[[u8; 3]]) {
    let near = |(a, b): (&[u8; 3], &[u8; 3])| a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 4);
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(near),
        "found {found:?}\nexpected {expected:?}"
    );
}

/// A video of the fixtures.
pub fn video(name: &str) -> String {
    let path: PathBuf = sources::root().join("tests/files/videos").join(name);
    assert!(path.is_file(), "{}", path.display());
    path.to_str().unwrap().to_owned()
}
