//! Names of a model's classes: a list in the pipeline file, or a file with one name a line.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;

use super::NodeSetup;

/// Most bytes of a file of labels; ImageNet's 21 thousand names have half a million.
const MAX_BYTES: u64 = 4 << 20;

/// The setting `labels`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Labels {
    /// The names, in the order of the classes.
    List(Vec<String>),
    /// A text file, one name a line; searched as models are.
    File(PathBuf),
}

impl Labels {
    /// The names, in the order of the classes. Empty lines at the end of a file are no names.
    ///
    /// # Errors
    /// One sentence: no such file, none that can be read, no name at all.
    pub(super) fn read(&self, setup: &NodeSetup<'_>) -> Result<Vec<String>, String> {
        let names = match self {
            Labels::List(names) => names.clone(),
            Labels::File(file) => {
                let found = setup.find_file(file, "labels")?;
                let wrong = |why: String| format!("labels {}: {why}", found.display());
                let bytes = fs::metadata(&found).map_err(|error| wrong(error.to_string()))?.len();
                if bytes > MAX_BYTES {
                    return Err(wrong(format!("{bytes} bytes; a file of labels has at most {MAX_BYTES}")));
                }
                let text = fs::read_to_string(&found).map_err(|error| wrong(error.to_string()))?;
                text.trim_end().lines().map(|line| line.trim().to_owned()).collect()
            }
        };
        if names.is_empty() || names.iter().all(String::is_empty) {
            Err("labels has no name".to_owned())
        } else {
            Ok(names)
        }
    }
}

/// The name of a class; its number where there is no name.
pub(super) fn name(labels: &[String], class_id: i64) -> String {
    let known = usize::try_from(class_id).ok().and_then(|at| labels.get(at)).filter(|name| !name.is_empty());
    known.cloned().unwrap_or_else(|| class_id.to_string())
}
