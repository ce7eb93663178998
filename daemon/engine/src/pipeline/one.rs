//! One pipeline of those that the folders hold, for commands that run one. The others are not loaded, and may be broken.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::load::{self, LoadPlan};
use super::{Pipeline, definition, registry, seen};
use crate::telemetry::metrics::Metrics;
use base::config;

/// Loads and warms the pipeline of this id: of the last folder that has it, as the daemon does.
///
/// # Errors
/// What to tell whoever asked: no file has the id (with the ids that there are, and the files that cannot be read), or why
/// its file does not load.
pub fn load_one(id: &str, plan: &LoadPlan, metrics: &Metrics) -> Result<Arc<Pipeline>, String> {
    let (mut files, mut unread) = (BTreeMap::<String, PathBuf>::new(), Vec::new());
    for dir in &plan.dirs {
        let mut defined_here = BTreeMap::new();
        for file in seen::pipeline_files(dir).unwrap_or_default() {
            match seen::read(&file).and_then(|text| definition::parse(&text).map_err(|error| error.to_string())) {
                Ok(definition) => {
                    defined_here.entry(definition.id).or_insert(file);
                }
                Err(reason) => unread.push(format!("{} is broken: {}", file.display(), config::shortened(reason))),
            }
        }
        files.extend(defined_here);
    }
    let Some(file) = files.get(id) else { return Err(unknown(id, plan, &files, &unread)) };
    let pipeline =
        load::load(file, plan, &RefCell::default()).map_err(|reason| format!("{}: {reason}", file.display()))?;
    Ok(registry::counted(Arc::new(pipeline), metrics))
}

fn unknown(id: &str, plan: &LoadPlan, files: &BTreeMap<String, PathBuf>, unread: &[String]) -> String {
    let known: Vec<&str> = files.keys().map(String::as_str).collect();
    let dirs: Vec<String> = plan.dirs.iter().map(|dir| dir.display().to_string()).collect();
    let there = match known.is_empty() {
        true => format!("there is none in {}; see pipelines.dirs", dirs.join(", ")),
        false => format!("there are {}", known.join(", ")),
    };
    let broken: String = unread.iter().map(|file| format!(". {file}")).collect();
    format!("there is no pipeline \"{id}\": {there}{broken}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use crate::pipeline::torch::Device;
    use base::config::Precision;

    #[test]
    fn one_is_loaded_and_the_others_may_be_broken() {
        let home = std::env::temp_dir().join(format!("forgesyted-one-{}", std::process::id()));
        let write = |file: &str, text: &str| {
            let path = home.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let noop =
            |id: &str, name: &str| format!("id = \"{id}\"\nname = \"{name}\"\n[[node]]\nid = \"n\"\nkind = \"noop\"\n");
        write("a/yard.toml", &noop("yard", "the first folder's"));
        write("a/lost.toml", "id = \"lost\"\n[[node]]\nid = \"n\"\nkind = \"measure\"\nmodel = \"gone.pt\"\n");
        write("b/mine.toml", &noop("yard", "the second folder's"));
        write("b/zz.toml", "id = \"broken\"\nnonsense\n");
        let dirs = vec![home.join("a"), home.join("b"), home.join("absent")];
        let plan = LoadPlan { dirs, model_dirs: Vec::new(), device: Device::Cpu, precision: Precision::Fp32 };
        let metrics = Metrics::new("0", "0").unwrap();
        let yard = load_one("yard", &plan, &metrics).unwrap();
        assert_eq!((yard.id(), yard.file()), ("yard", home.join("b/mine.toml").as_path()));
        let lost = load_one("lost", &plan, &metrics).unwrap_err();
        assert!(lost.contains("lost.toml: node \"n\": model \"gone.pt\" is not there"), "{lost}");
        let unknown = load_one("nowhere", &plan, &metrics).unwrap_err();
        assert!(unknown.starts_with("there is no pipeline \"nowhere\": there are lost, yard. "), "{unknown}");
        assert!(unknown.contains("zz.toml is broken: line 2: "), "{unknown}");
        let nothing = LoadPlan { dirs: vec![home.join("absent")], ..plan };
        let none = load_one("yard", &nothing, &metrics).unwrap_err();
        assert!(none.contains("there is none in ") && none.ends_with("absent; see pipelines.dirs"), "{none}");
        fs::remove_dir_all(home).unwrap();
    }
}
