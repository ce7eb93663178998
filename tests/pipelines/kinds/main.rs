//! Node kinds through the real daemon, on real modules. Lives here: what each kind makes of detections and pictures, a file
//! each, and when nodes run (`turns`). Does not live here: what settings say (beside the code of each kind), and pipelines
//! as such (`streaming/pipeline_integration`).

mod classify;
mod detect;
mod filter;
mod segment;
mod track;
mod turns;

use forgesyted_tests::Builder;

/// A node of a kind with its settings.
fn node(id: &str, kind: &str, settings: &str) -> String {
    format!("[[node]]\nid = \"{id}\"\nkind = \"{kind}\"\n{settings}\n")
}

/// A node `find` that runs the detector of this module.
fn find() -> String {
    node("find", "measure", "model = \"find.pt\"")
}

/// Why the only pipeline beside `noop` is left out.
fn rejection(builder: Builder) -> String {
    let daemon = builder.start();
    let rejected = daemon.events().of_kind("pipeline_rejected");
    assert_eq!(rejected.len(), 1, "{rejected:?}");
    rejected[0]["err"].as_str().unwrap().to_owned()
}
