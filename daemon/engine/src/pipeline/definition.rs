//! A pipeline file: TOML with `id`, `name` and one `[[node]]` table a node. This reads the shape; what a kind's own
//! settings mean is the kind's business.

use std::path::PathBuf;

use serde::Deserialize;
use thiserror::Error;

use super::origin::Stamp;
use base::config::{DeviceChoice, Precision};

/// A pipeline file that was read.
#[derive(Debug)]
pub(super) struct Defined {
    pub(super) file: PathBuf,
    /// The file before it was read.
    pub(super) stamp: Stamp,
    pub(super) definition: Definition,
}

/// What a pipeline file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The id that clients name.
    pub id: String,
    /// A name for people; the id where none is given.
    pub name: Option<String>,
    /// The nodes, in the file's order.
    #[serde(default, rename = "node")]
    pub nodes: Vec<NodeDefinition>,
}

/// One `[[node]]` table.
#[derive(Debug, Deserialize)]
pub struct NodeDefinition {
    /// Its id in this pipeline.
    pub id: String,
    /// What it does.
    pub kind: String,
    /// Ids of the nodes whose outputs it sees.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Runs on one of so many frames; on each when left out.
    pub every: Option<u64>,
    /// Runs only where an earlier node found something: see [`super::gate`].
    pub when: Option<String>,
    /// Where its model runs, when not where the engine's do.
    pub device: Option<DeviceChoice>,
    /// What its model computes with, when not what the engine's do.
    pub precision: Option<Precision>,
    /// Most frames that run as one batch; the node chooses where none is given.
    pub max_batch: Option<usize>,
    /// The kind's own settings.
    #[serde(flatten)]
    pub settings: toml::Table,
}

/// Why a pipeline file cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DefinitionError {
    /// It is no TOML, or a key is unknown, missing or of the wrong type.
    #[error("line {line}: {message}")]
    Toml {
        /// 1 for the first line.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// An id that cannot be a metric label or a query parameter as it stands.
    #[error("{what} id \"{id}\": use 1 to 64 letters, digits, '_', '-' or '.'")]
    BadId {
        /// `pipeline` or `node`.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// A node id that the metrics use for something else.
    #[error("node id \"{0}\" is taken: stream_stage_seconds uses it as a stage of every pipeline")]
    ReservedId(String),
    /// More nodes than a pipeline may have.
    #[error("the pipeline has {0} nodes, and at most {MAX_NODES} are taken; divide it into several pipelines")]
    TooManyNodes(usize),
    /// No node at all.
    #[error("the pipeline has no [[node]]")]
    NoNodes,
}

/// Most nodes of a pipeline. Each has series of its own among the metrics, and each of its outputs is kept for a frame's time.
pub const MAX_NODES: usize = 256;

/// Stages of `stream_stage_seconds` that are no node.
const RESERVED: [&str; 3] = ["wait", "decode", "total"];

/// Reads a pipeline file's text.
///
/// # Errors
/// The first [`DefinitionError`] found.
pub fn parse(text: &str) -> Result<Definition, DefinitionError> {
    let definition: Definition = toml::from_str(text).map_err(|error| DefinitionError::Toml {
        line: error.span().map_or(1, |span| 1 + text.get(..span.start).unwrap_or("").matches('\n').count()),
        message: error.message().replace('\n', " "),
    })?;
    check_id("pipeline", &definition.id)?;
    if definition.nodes.len() > MAX_NODES {
        return Err(DefinitionError::TooManyNodes(definition.nodes.len()));
    }
    for node in &definition.nodes {
        check_id("node", &node.id)?;
        if RESERVED.contains(&node.id.as_str()) {
            return Err(DefinitionError::ReservedId(node.id.clone()));
        }
    }
    if definition.nodes.is_empty() { Err(DefinitionError::NoNodes) } else { Ok(definition) }
}

fn check_id(what: &'static str, id: &str) -> Result<(), DefinitionError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if (1..=64).contains(&id.len()) && id.chars().all(allowed) {
        return Ok(());
    }
    Err(DefinitionError::BadId { what, id: id.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_nodes_and_leaves_their_settings() {
        let text = "id = \"yard\"\n[[node]]\nid = \"a\"\nkind = \"measure\"\nmodel = \"a.pt\"\n";
        let definition = parse(text).unwrap();
        assert_eq!((definition.id.as_str(), definition.name), ("yard", None));
        assert_eq!(definition.nodes[0].settings["model"].as_str(), Some("a.pt"));
    }

    #[test]
    fn says_the_line_of_what_it_cannot_read() {
        for (text, line) in [
            ("id = \"a\"\n= 3", 2),
            ("id = \"a\"\nidd = 3", 2),
            ("id = 3", 1),
            ("id = \"a\"\n\n[[node]]\nid = \"a\"", 3),
            ("id = \"a\"\n[[node]]\nid = \"a\"\nkind = 4", 4),
        ] {
            assert!(
                matches!(parse(text), Err(DefinitionError::Toml { line: found, .. }) if found == line),
                "{text}: {:?}",
                parse(text)
            );
        }
    }

    #[test]
    fn refuses_ids_that_are_no_labels() {
        for id in ["", "a b", "../etc", "ä", &"x".repeat(65)] {
            let text = format!("id = \"{id}\"\n[[node]]\nid = \"a\"\nkind = \"noop\"");
            assert!(matches!(parse(&text), Err(DefinitionError::BadId { what: "pipeline", .. })), "{id}");
        }
        let reserved = parse("id = \"a\"\n[[node]]\nid = \"total\"\nkind = \"noop\"");
        assert_eq!(reserved.unwrap_err(), DefinitionError::ReservedId("total".into()));
        assert_eq!(parse("id = \"a\"").unwrap_err(), DefinitionError::NoNodes);
    }

    #[test]
    fn a_pipeline_has_a_limited_number_of_nodes() {
        let chain = |count: usize| -> String {
            let node = |at: usize| format!("[[node]]\nid = \"n{at}\"\nkind = \"noop\"\n");
            std::iter::once("id = \"a\"\n".to_owned()).chain((0..count).map(node)).collect()
        };
        assert!(parse(&chain(MAX_NODES)).is_ok());
        assert_eq!(parse(&chain(4000)).unwrap_err(), DefinitionError::TooManyNodes(4000));
    }
}
