//! Pages as text: fenced blocks, table rows, links, headings. As much of Markdown as the pages use.

use std::fs;
use std::path::PathBuf;

use forgesyted_tests::sources;

/// A page.
#[derive(Debug)]
pub struct Page {
    /// Its path from the checkout, such as `docs/pipelines.md`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// README, CHANGELOG and every page of `docs/`.
pub fn pages() -> Vec<Page> {
    let root = sources::root();
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let docs = docs.map(|name| format!("docs/{}", name.to_string_lossy())).filter(|name| name.ends_with(".md"));
    let mut names: Vec<String> = docs.chain(["README.md".to_owned(), "CHANGELOG.md".to_owned()]).collect();
    names.sort();
    names.into_iter().map(|name| page(&name)).collect()
}

/// One page.
pub fn page(name: &str) -> Page {
    let text = fs::read_to_string(sources::root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Page { name: name.to_owned(), text }
}

impl Page {
    /// The fenced blocks of a language, without the indentation of the list that they stand in.
    pub fn blocks(&self, language: &str) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut open: Option<(usize, String, String)> = None;
        for line in self.text.lines() {
            let content = line.trim_start();
            open = match (open, content.strip_prefix("```")) {
                (None, Some(found)) => Some((line.len() - content.len(), found.to_owned(), String::new())),
                (Some((_, found, block)), Some(_)) => {
                    if found == language {
                        blocks.push(block);
                    }
                    None
                }
                (Some((indent, found, mut block)), None) => {
                    block.push_str(line.get(indent..).unwrap_or_default());
                    block.push('\n');
                    Some((indent, found, block))
                }
                (None, None) => None,
            };
        }
        assert!(open.is_none(), "{}: a fenced block is not closed", self.name);
        blocks
    }

    /// The only block of a language.
    pub fn block(&self, language: &str) -> String {
        let [block] = <[String; 1]>::try_from(self.blocks(language))
            .unwrap_or_else(|found| panic!("{}: {} blocks of {language}, and one is expected", self.name, found.len()));
        block
    }

    /// The rows of the table whose header begins with this cell.
    pub fn table(&self, first: &str) -> Vec<Vec<String>> {
        let mut lines = self.text.lines().skip_while(|line| !line.starts_with(&format!("| {first} |")));
        assert!(lines.next().is_some(), "{}: no table begins with {first:?}", self.name);
        lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect()
    }

    /// The text without fenced blocks.
    pub fn prose(&self) -> String {
        let mut inside = false;
        let outside = |line: &&str| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            !inside && !fence
        };
        self.text.lines().filter(outside).map(|line| format!("{line}\n")).collect()
    }

    /// The targets of all links outside blocks and code.
    pub fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let plain: String = prose.split('`').step_by(2).collect();
        plain.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
    }

    /// The anchors of its headings, as GitHub makes them.
    pub fn anchors(&self) -> Vec<String> {
        let headings = self.prose();
        let headings = headings.lines().filter(|line| line.starts_with('#'));
        headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// The folder it lies in.
    pub fn folder(&self) -> PathBuf {
        sources::root().join(&self.name).parent().unwrap().to_owned()
    }
}

/// The text of a cell that is one piece of code.
pub fn code(cell: &str) -> &str {
    cell.trim_matches('`').trim()
}

/// The cells of a row; a `|` inside code does not divide.
fn cells(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut in_code = false;
    for character in row.trim().trim_matches('|').chars() {
        in_code ^= character == '`';
        match character {
            '|' if !in_code => cells.push(String::new()),
            _ => cells.last_mut().unwrap().push(character),
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
