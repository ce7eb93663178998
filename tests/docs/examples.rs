//! Every example of a pipeline in the pages is loaded as it stands there, with stand-ins for the models that it names.

use std::collections::BTreeSet;
use std::path::PathBuf;

use base::config::Precision;
use engine::pipeline::LoadPlan;
use engine::pipeline::registry::PipelineRegistry;
use engine::pipeline::torch::Device;
use engine::telemetry::metrics::Metrics;
use forgesyted_tests::folder::Folder;
use forgesyted_tests::modules::{archive, detector, module};

use crate::markdown::page;

/// The models that examples name, and TorchScript that has the form of each.
fn models() -> Vec<(&'static str, String)> {
    let measures = module("float", "return 0.5");
    let finds = detector("_0 = torch.append(found, self.found_one(10.0, 10.0, 90.0, 90.0, 0.9, \"person\", 0))");
    let scores = |classes: usize| {
        module("Tensor", &format!("return torch.add(torch.zeros([x.size(0), {classes}], dtype=6), 0.5)"))
    };
    vec![
        ("scene.pt", measures.clone()),
        ("gate.pt", measures),
        ("find.pt", finds),
        ("weather.pt", scores(3)),
        ("clothes.pt", scores(2)),
    ]
}

#[test]
fn every_pipeline_of_the_page_loads() {
    let folder = Folder::new();
    for (name, source) in models() {
        folder.write(name, archive("model", &source));
    }
    let examples: Vec<String> =
        page("docs/pipelines.md").blocks("toml").into_iter().filter(|block| block.contains("[[node]]")).collect();
    assert!(examples.len() >= 5, "{} examples", examples.len());
    for (at, example) in examples.iter().enumerate() {
        folder.write(format!("example-{at}.toml"), example);
    }
    let plan = LoadPlan {
        dirs: vec![folder.path().to_owned()],
        model_dirs: Vec::<PathBuf>::new(),
        device: Device::Cpu,
        precision: Precision::Fp32,
    };
    let loaded = PipelineRegistry::default().load(&plan, &Metrics::new("0", "0").unwrap());
    assert_eq!(loaded.rejected, []);
    assert_eq!(loaded.pipelines.len(), examples.len());
    // A kind without an example is not documented. Those of the other pages are loaded by tests of their own.
    let elsewhere = ["docs/nodes-detect.md", "docs/nodes-text.md"].map(|path| page(path).blocks("toml")).concat();
    let lines = examples.iter().chain(&elsewhere).flat_map(|example| example.lines());
    let kinds: BTreeSet<&str> = lines.filter_map(kind_of).collect();
    for kind in engine::pipeline::nodes::kinds() {
        assert!(kinds.contains(kind), "no page has an example of the kind {kind}");
    }
}

fn kind_of(line: &str) -> Option<&str> {
    Some(line.strip_prefix("kind = \"")?.split_once('"')?.0)
}
