//! The order in which nodes run: Kahn's topological sort (A. B. Kahn, 1962), with the file's order among equals. Pure.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use thiserror::Error;

/// A node and the nodes whose outputs it sees, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphNode<'a> {
    /// Its id.
    pub id: &'a str,
    /// Ids of its inputs; none makes it an entry node.
    pub inputs: Vec<&'a str>,
}

/// Why the nodes are no DAG.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum GraphError {
    /// Two nodes have one id.
    #[error("node \"{0}\" is defined twice; ids are unique in a pipeline")]
    DuplicateId(String),
    /// An input that is no node.
    #[error("node \"{node}\": input \"{input}\" is no node of this pipeline")]
    UnknownInput {
        /// The node that names it.
        node: String,
        /// The unknown id.
        input: String,
    },
    /// A node is named twice among the inputs of one.
    #[error("node \"{node}\": input \"{input}\" stands twice")]
    RepeatedInput {
        /// The node that names it.
        node: String,
        /// The repeated id.
        input: String,
    },
    /// Nodes that wait for each other.
    #[error("nodes form a cycle: {}", .0.join(" → "))]
    Cycle(Vec<String>),
}

/// Positions of the nodes in the order in which they run.
///
/// # Errors
/// The first [`GraphError`] found. Every node of a graph without a cycle is reachable from an entry node; a node that
/// only a cycle leads to is reported as that cycle.
pub fn order(nodes: &[GraphNode<'_>]) -> Result<Vec<usize>, GraphError> {
    let inputs = resolve(nodes)?;
    // Of each node, how many inputs it still waits for, and the nodes that wait for it.
    let mut waits_for: Vec<usize> = inputs.iter().map(Vec::len).collect();
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (at, inputs) in inputs.iter().enumerate() {
        for &input in inputs {
            if let Some(readers) = readers.get_mut(input) {
                readers.push(at);
            }
        }
    }
    let mut runnable: BinaryHeap<Reverse<usize>> =
        waits_for.iter().enumerate().filter(|(_, count)| **count == 0).map(|(at, _)| Reverse(at)).collect();
    let mut done = vec![false; nodes.len()];
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(next)) = runnable.pop() {
        if let Some(done) = done.get_mut(next) {
            *done = true;
        }
        order.push(next);
        for &reader in readers.get(next).into_iter().flatten() {
            if let Some(count) = waits_for.get_mut(reader) {
                *count -= 1;
                if *count == 0 {
                    runnable.push(Reverse(reader));
                }
            }
        }
    }
    if order.len() == nodes.len() { Ok(order) } else { Err(GraphError::Cycle(find_cycle(nodes, &inputs, &done))) }
}

/// Checks ids and inputs, and turns the inputs into positions.
fn resolve(nodes: &[GraphNode<'_>]) -> Result<Vec<Vec<usize>>, GraphError> {
    let mut positions = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        if positions.insert(node.id, at).is_some() {
            return Err(GraphError::DuplicateId(node.id.to_owned()));
        }
    }
    let resolve_node = |node: &GraphNode<'_>| {
        let (mut resolved, mut seen) = (Vec::with_capacity(node.inputs.len()), HashSet::new());
        for &input in &node.inputs {
            let Some(&at) = positions.get(input) else {
                return Err(GraphError::UnknownInput { node: node.id.to_owned(), input: input.to_owned() });
            };
            if !seen.insert(at) {
                return Err(GraphError::RepeatedInput { node: node.id.to_owned(), input: input.to_owned() });
            }
            resolved.push(at);
        }
        Ok(resolved)
    };
    nodes.iter().map(resolve_node).collect()
}

/// Follows inputs that are not done, from any node that is not, until a node comes again.
fn find_cycle(nodes: &[GraphNode<'_>], inputs: &[Vec<usize>], done: &[bool]) -> Vec<String> {
    let open = |at: &usize| done.get(*at) == Some(&false);
    let mut path: Vec<usize> = Vec::new();
    let mut next = (0..nodes.len()).find(open);
    while let Some(at) = next {
        if let Some(start) = path.iter().position(|&seen| seen == at) {
            let name = |at: usize| nodes.get(at).map_or_else(String::new, |node| node.id.to_owned());
            return path.drain(start..).chain([at]).rev().map(name).collect();
        }
        path.push(at);
        next = inputs.get(at).and_then(|inputs| inputs.iter().copied().find(|input| open(input)));
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nodes<'a>(spec: &[(&'a str, &[&'a str])]) -> Vec<GraphNode<'a>> {
        spec.iter().map(|&(id, inputs)| GraphNode { id, inputs: inputs.to_vec() }).collect()
    }

    #[test]
    fn runs_inputs_first_and_keeps_the_files_order() {
        let graph = nodes(&[("c", &["a", "b"]), ("b", &[]), ("a", &["b"]), ("d", &[])]);
        assert_eq!(order(&graph), Ok(vec![1, 2, 0, 3]));
    }

    #[test]
    fn a_node_that_becomes_runnable_late_still_runs_before_later_ones() {
        let graph = nodes(&[("z", &[]), ("b", &["y"]), ("y", &["z"]), ("c", &[])]);
        assert_eq!(order(&graph), Ok(vec![0, 2, 1, 3]));
    }

    #[test]
    fn names_what_is_no_dag() {
        let error = |spec| order(&nodes(spec)).unwrap_err().to_string();
        assert_eq!(error(&[("a", &[]), ("a", &[])]), "node \"a\" is defined twice; ids are unique in a pipeline");
        assert_eq!(error(&[("a", &["x"])]), "node \"a\": input \"x\" is no node of this pipeline");
        assert_eq!(error(&[("a", &[]), ("b", &["a", "a"])]), "node \"b\": input \"a\" stands twice");
        assert_eq!(error(&[("a", &["a"])]), "nodes form a cycle: a → a");
        assert_eq!(
            error(&[("d", &["c"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"])]),
            "nodes form a cycle: c → b → a → c"
        );
    }

    proptest! {
        #[test]
        fn every_input_runs_before_its_node(edges in proptest::collection::vec((0_usize..8, 0_usize..8), 0..20)) {
            let ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
            let mut graph: Vec<GraphNode<'_>> = ids.iter().map(|&id| GraphNode { id, inputs: vec![] }).collect();
            for (from, to) in edges {
                if !graph[to].inputs.contains(&ids[from]) {
                    graph[to].inputs.push(ids[from]);
                }
            }
            if let Ok(order) = order(&graph) {
                let place = |id: &str| order.iter().position(|&at| graph[at].id == id);
                for node in &graph {
                    prop_assert!(node.inputs.iter().all(|input| place(input) < place(node.id)));
                }
            }
        }
    }
}
