//! What is wrong with a configuration, where, and which known name was probably meant.

use std::fmt;
use std::path::PathBuf;

/// Where a problem is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole: it could not be read.
    File(PathBuf),
    /// A line of the file, counted from 1.
    Line {
        /// The configuration file.
        file: PathBuf,
        /// Line number.
        line: usize,
        /// Dotted key, such as `stream.drop_threshold`; `None` for a syntax error.
        key: Option<String>,
    },
    /// An environment variable, by name.
    Variable(String),
}

/// One thing that is wrong, in words for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// What was found and what is allowed.
    pub message: String,
}

/// Everything that is wrong with a configuration; never empty. `Display` gives one problem a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.problems))]
pub struct ConfigError {
    /// The problems: those of the file first, by line, then those of the environment.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Line { file, line, key: None } => write!(f, "{}:{line}", file.display()),
            Self::Line { file, line, key: Some(key) } => write!(f, "{}:{line}: {key}", file.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shortened(format!("{}: {}", self.place, self.message)))
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

/// Longest sentence that is repeated whole, in characters.
const LONGEST: usize = 1000;

/// The sentence, with its middle left out where a long text of somebody's file made it long: its ends say what is wrong and
/// what to do.
pub fn shortened(sentence: String) -> String {
    let count = sentence.chars().count();
    if count <= LONGEST {
        return sentence;
    }
    let half = LONGEST / 2;
    let start = sentence.chars().take(half);
    start.chain(" … ".chars()).chain(sentence.chars().skip(count - half)).collect()
}

/// Names in one line.
pub(super) fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// The name of `known` closest to `name`, where one is close enough to be what was meant.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may differ: `drop_treshold` is a slip, `colour` is another word.
    let most = (name.chars().count() / 3).clamp(1, 6);
    known
        .map(|candidate| (strsim::levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_sentence_keeps_its_ends() {
        let short = shortened(format!("kind \"{}\" is unknown", "ä".repeat(100_000)));
        assert!(short.starts_with("kind \"ä") && short.ends_with("ä\" is unknown"), "{short}");
        assert_eq!(short.chars().count(), LONGEST + 3);
        assert_eq!(shortened("x".repeat(LONGEST)).len(), LONGEST);
    }

    #[test]
    fn nearest_is_near_or_nothing() {
        let known = ["drop_threshold", "max_lag_ms", "listen"];
        assert_eq!(nearest("drop_treshold", known.into_iter()), Some("drop_threshold"));
        assert_eq!(nearest("listne", known.into_iter()), Some("listen"));
        assert_eq!(nearest("colour", known.into_iter()), None);
        assert_eq!(nearest("größe", ["grösse", "größer"].into_iter()), Some("größer"), "letters count, not bytes");
    }
}
