//! One pipeline of those that the folders hold, for commands that run one. The others are not loaded, and may be broken.

use std::cell::RefCell;
use std::sync::Arc;

use super::Pipeline;
use super::choice::{self, Choice, Winner};
use super::load::{self, LoadPlan};

use crate::telemetry::metrics::Metrics;

/// Loads and warms the pipeline of this id, from the file that the daemon would take it from.
///
/// # Errors
/// What to tell whoever asked: no file has the id (with the ids that there are, and the files that cannot be read), or why
/// its file does not load.
pub fn load_one(id: &str, plan: &LoadPlan, metrics: &Metrics) -> Result<Arc<Pipeline>, String> {
    let choice = choice::choose(plan, &choice::ById::default());
    let Some(Winner::File(defined)) = choice.winners.get(id) else { return Err(unknown(id, plan, &choice)) };
    let loaded = load::load(defined, plan, &RefCell::default());
    let pipeline = loaded.map_err(|reason| format!("{}: {reason}", defined.file.display()))?;
    Ok(Arc::new(pipeline.counted(metrics)))
}

fn unknown(id: &str, plan: &LoadPlan, choice: &Choice) -> String {
    let known: Vec<&str> = choice.winners.keys().map(String::as_str).collect();
    let dirs: Vec<String> = plan.dirs.iter().map(|dir| dir.display().to_string()).collect();
    let there = match known.is_empty() {
        true => format!("there is none in {}; see pipelines.dirs", dirs.join(", ")),
        false => format!("there are {}", known.join(", ")),
    };
    let broken = choice.rejected.iter().map(|file| format!(". {} is broken: {}", file.file.display(), file.reason));
    format!("there is no pipeline \"{id}\": {there}{}", broken.collect::<String>())
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
