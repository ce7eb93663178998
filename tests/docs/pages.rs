//! Links resolve, examples parse, and no page names the machine it was written on.

use engine::pipeline::definition;
use engine::pipeline::graph::{self, GraphNode};
use serde_json::{Deserializer, Value};

use crate::markdown::{page, pages};

#[test]
fn every_relative_link_resolves() {
    let mut broken = Vec::new();
    assert!(pages().iter().map(|page| page.links().len()).sum::<usize>() > 50);
    for from in pages() {
        for link in from.links().into_iter().filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { from.folder().join(&from.name) } else { from.folder().join(path) };
            let there = path.is_empty() || target.exists();
            let anchored = anchor.is_empty() || {
                let root = from.folder().join(if from.name.starts_with("docs/") { ".." } else { "." });
                let name = if path.is_empty() {
                    from.name.clone()
                } else {
                    let target = target.canonicalize().unwrap_or_default();
                    let root = root.canonicalize().unwrap();
                    target.strip_prefix(root).map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
                };
                there && page(&name).anchors().contains(&anchor.to_owned())
            };
            if !(there && anchored) {
                broken.push(format!("{}: {link}", from.name));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_page_is_in_the_index() {
    let index = page("docs/README.md").links();
    for page in pages() {
        if let Some(name) = page.name.strip_prefix("docs/").filter(|name| *name != "README.md") {
            assert!(index.iter().any(|link| link == name), "docs/README.md does not list {name}");
        }
    }
}

#[test]
fn every_json_example_parses() {
    let mut examples = 0;
    for page in pages() {
        for block in page.blocks("json") {
            let values: Result<Vec<Value>, _> = Deserializer::from_str(&block).into_iter().collect();
            assert!(values.is_ok_and(|values| !values.is_empty()), "{}: no JSON:\n{block}", page.name);
            examples += 1;
        }
    }
    assert!(examples > 5);
}

#[test]
fn every_pipeline_example_is_a_pipeline() {
    let mut examples = 0;
    for page in pages() {
        for block in page.blocks("toml").into_iter().filter(|block| block.contains("[[node]]")) {
            let definition =
                definition::parse(&block).unwrap_or_else(|error| panic!("{}: {error}\n{block}", page.name));
            let nodes: Vec<GraphNode<'_>> = definition
                .nodes
                .iter()
                .map(|node| GraphNode { id: &node.id, inputs: node.inputs.iter().map(String::as_str).collect() })
                .collect();
            assert!(graph::order(&nodes).is_ok(), "{}: {block}", page.name);
            examples += 1;
        }
    }
    assert!(examples >= 2);
}

#[test]
fn no_page_names_a_machine() {
    for page in pages() {
        for path in ["/work/", "/root/", "/home/", "/Users/", "/tmp/"] {
            assert!(!page.text.contains(path), "{} has a path of a machine: {path}", page.name);
        }
    }
}
