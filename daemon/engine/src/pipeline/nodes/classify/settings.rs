//! The settings of `classify`.

use std::path::PathBuf;

use serde::Deserialize;

use crate::pipeline::nodes::labels::Labels;
use crate::pipeline::torch::Normalise;

/// Largest side of `input_size`, in pixels.
const MAX_SIDE: usize = 2048;
/// Most classes that are given.
const MAX_TOP: usize = 100;
/// Keys that say something else in a detection or a result.
const TAKEN: [&str; 13] = [
    "area",
    "box",
    "carried",
    "class_id",
    "detections",
    "label",
    "masks",
    "polygon",
    "polygons",
    "score",
    "text",
    "text_score",
    "track_id",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) model: PathBuf,
    pub(super) input_size: [usize; 2],
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
    pub(super) labels: Option<Labels>,
    #[serde(default = "one")]
    pub(super) top_k: usize,
    #[serde(default = "yes")]
    pub(super) softmax: bool,
    of: Option<Scope>,
    #[serde(default = "classes")]
    pub(super) key: String,
}

/// What is classified.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scope {
    /// The whole frame.
    Frame,
    /// The part of the frame that each detection covers.
    Detections,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

fn classes() -> String {
    "classes".to_owned()
}

impl Settings {
    /// Checks what needs no model.
    pub(super) fn check(&self) -> Result<(), String> {
        let [width, height] = self.input_size;
        if !((1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height)) {
            return Err(format!("input_size = [{width}, {height}]: width and height are 1 to {MAX_SIDE}"));
        }
        if !(1..=MAX_TOP).contains(&self.top_k) {
            return Err(format!("top_k = {}: give 1 to {MAX_TOP} classes", self.top_k));
        }
        if self.mean.is_some_and(|mean| !mean.iter().all(|value| value.is_finite())) {
            return Err("mean: three numbers, of red, green and blue".to_owned());
        }
        if self.std.is_some_and(|std| !std.iter().all(|value| value.is_finite() && *value > 0.0)) {
            return Err("std: three numbers above 0, of red, green and blue".to_owned());
        }
        if self.key.is_empty() || TAKEN.contains(&self.key.as_str()) {
            return Err(format!("key = \"{}\": that key says something else; choose another", self.key));
        }
        Ok(())
    }

    /// What is classified: as `of` says, else the detections of `inputs` where there are some.
    pub(super) fn scope(&self, inputs: &[String]) -> Result<Scope, String> {
        let default = if inputs.is_empty() { Scope::Frame } else { Scope::Detections };
        match self.of.unwrap_or(default) {
            Scope::Detections if inputs.is_empty() => {
                Err("of = \"detections\" without `inputs`: name the node whose detections it takes".to_owned())
            }
            scope => Ok(scope),
        }
    }

    pub(super) fn normalise(&self) -> Normalise {
        match (self.mean, self.std) {
            (None, None) => Normalise::Unit,
            (mean, std) => Normalise::Channels { mean: mean.unwrap_or([0.0; 3]), std: std.unwrap_or([1.0; 3]) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Settings, String> {
        let base = if text.contains("input_size") { "" } else { "input_size = [224, 224]\n" };
        let settings: Settings = toml::from_str(&format!("model = \"a.pt\"\n{base}{text}"))
            .map_err(|error: toml::de::Error| error.message().to_owned())?;
        settings.check()?;
        Ok(settings)
    }

    #[test]
    fn settings_are_checked() {
        for (text, says) in [
            ("speed = 3", "unknown field `speed`"),
            ("input_size = [0, 3]", "width and height are 1 to 2048"),
            ("input_size = [3, 4000]", "width and height are 1 to 2048"),
            ("top_k = 0", "top_k = 0: give 1 to 100"),
            ("top_k = 101", "top_k = 101: give 1 to 100"),
            ("mean = [0, 0, nan]", "mean: three numbers"),
            ("mean = [0, 0]", "invalid length 2"),
            ("std = [1, 0, 1]", "std: three numbers above 0"),
            ("labels = 3", "did not match any variant"),
            ("key = \"label\"", "key = \"label\": that key says something else"),
            ("key = \"text\"", "key = \"text\": that key says something else"),
            ("key = \"polygons\"", "key = \"polygons\": that key says something else"),
            ("key = \"\"", "key = \"\""),
            ("of = \"crops\"", "unknown variant `crops`"),
        ] {
            let error = settings(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn inputs_say_what_is_classified_unless_of_does() {
        let inputs = ["find".to_owned()];
        assert_eq!(settings("").unwrap().scope(&[]), Ok(Scope::Frame));
        assert_eq!(settings("").unwrap().scope(&inputs), Ok(Scope::Detections));
        assert_eq!(settings("of = \"frame\"").unwrap().scope(&inputs), Ok(Scope::Frame));
        assert!(settings("of = \"detections\"").unwrap().scope(&[]).unwrap_err().contains("`inputs`"));
    }

    #[test]
    fn mean_and_deviation_each_have_a_default() {
        assert_eq!(settings("").unwrap().normalise(), Normalise::Unit);
        let half = Normalise::Channels { mean: [0.0; 3], std: [0.5; 3] };
        assert_eq!(settings("std = [0.5, 0.5, 0.5]").unwrap().normalise(), half);
    }
}
