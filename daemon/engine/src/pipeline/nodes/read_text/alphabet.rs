//! The setting `alphabet`: what each class of a reader stands for, from class 1 on.

use std::fs;

use serde::Deserialize;

use super::super::NodeSetup;

/// What ends the name of a file. No alphabet ends so: it would have the "t" twice.
const FILE_ENDING: &str = ".txt";
/// Most bytes of a file; the largest alphabets in use (Chinese) have some 20 thousand characters.
const MAX_BYTES: u64 = 1 << 20;

/// The setting as it stands in a pipeline file.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Alphabet(String);

impl Alphabet {
    /// Its characters in the order of the classes.
    ///
    /// # Errors
    /// One sentence: no character, one that stands twice, no such file, none that can be read.
    pub(super) fn read(&self, setup: &NodeSetup<'_>) -> Result<Vec<String>, String> {
        let characters = if self.0.ends_with(FILE_ENDING) { self.read_file(setup)? } else { each(&self.0) };
        check(&characters)?;
        Ok(characters)
    }

    fn read_file(&self, setup: &NodeSetup<'_>) -> Result<Vec<String>, String> {
        let found = setup.find_file(self.0.as_ref(), "alphabet")?;
        let wrong = |why: String| format!("alphabet {}: {why}", found.display());
        let bytes = fs::metadata(&found).map_err(|error| wrong(error.to_string()))?.len();
        if bytes > MAX_BYTES {
            return Err(wrong(format!("{bytes} bytes; an alphabet has at most {MAX_BYTES}")));
        }
        Ok(of_text(&fs::read_to_string(&found).map_err(|error| wrong(error.to_string()))?))
    }
}

/// One line with all characters, or a line for each.
fn of_text(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    match lines[..] {
        [line] => each(line),
        _ => lines.into_iter().map(str::to_owned).collect(),
    }
}

fn each(text: &str) -> Vec<String> {
    text.chars().map(String::from).collect()
}

fn check(characters: &[String]) -> Result<(), String> {
    if characters.is_empty() {
        return Err("alphabet has no character".to_owned());
    }
    let mut sorted: Vec<&String> = characters.iter().collect();
    sorted.sort();
    match sorted.windows(2).find_map(|pair| (pair.first() == pair.last()).then(|| pair.first()).flatten()) {
        None => Ok(()),
        Some(twice) => Err(format!("alphabet has {twice:?} twice; every class stands for another character")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_line_or_a_line_for_each() {
        assert_eq!(of_text("ab c\n"), ["a", "b", " ", "c"]);
        assert_eq!(of_text("a\nb\n \nch\n"), ["a", "b", " ", "ch"]);
        assert_eq!(of_text("a\r\nb"), ["a", "b"]);
        assert!(of_text("").is_empty());
    }

    #[test]
    fn characters_stand_once() {
        assert_eq!(check(&each("abc ")), Ok(()));
        assert!(check(&each("abca")).unwrap_err().contains("\"a\" twice"));
        assert!(check(&[]).unwrap_err().contains("no character"));
        assert!(check(&each("alphabet.txt")).is_err(), "so a name of a file is never taken for one");
    }
}
