//! Which file each pipeline is loaded from, decided from definitions alone: of the last folder that has its id, and there the first
//! by name. Every command decides here. What does not win costs its reading, and is not loaded.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Pipeline;
use super::definition::{self, Defined};
use super::load::{self, LoadPlan, Rejection};
use super::origin::Stamp;
use super::seen::{self, Seen, pipeline_files};
use base::config;

/// Pipelines by id.
pub(super) type ById = BTreeMap<String, Arc<Pipeline>>;

/// The decision.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// By id.
    pub(super) winners: BTreeMap<String, Winner>,
    /// Files and folders that cannot be read, and files whose id another of their folder has.
    pub(super) rejected: Vec<Rejection>,
    /// Folders that do not exist.
    pub(super) missing_dirs: Vec<PathBuf>,
    /// What was looked at.
    pub(super) seen: Seen,
}

/// What a pipeline comes from.
#[derive(Debug)]
pub(super) enum Winner {
    /// Its file is to be loaded.
    File(Box<Defined>),
    /// It is loaded already: it would be made of the same again, or what it was made of cannot be read now.
    Kept(Arc<Pipeline>),
}

/// Decides, where `before` is loaded already.
pub(super) fn choose(plan: &LoadPlan, before: &ById) -> Choice {
    let mut choice = Choice::default();
    for dir in &plan.dirs {
        match pipeline_files(dir) {
            Ok(files) => choice.read_folder(files, plan, before),
            Err(error) => choice.keep_folder(dir, &error, before),
        }
    }
    choice
}

/// The pipeline that this file gave.
pub(super) fn of_file<'a>(pipelines: &'a ById, file: &Path) -> Option<&'a Arc<Pipeline>> {
    pipelines.values().find(|pipeline| pipeline.file == file)
}

impl Choice {
    fn read_folder(&mut self, files: Vec<PathBuf>, plan: &LoadPlan, before: &ById) {
        let mut winners: BTreeMap<String, Winner> = BTreeMap::new();
        for file in files {
            let of_this_file = || before.values().filter(|pipeline| pipeline.file == file);
            let same = of_this_file().find(|known| load::is_current(known, &file, plan));
            let known = same.or_else(|| of_this_file().next());
            // Before it is read: what is written meanwhile is a change.
            let stamp = Stamp::of(&file);
            self.seen.note_file(&file, stamp.clone(), same.map(|same| same.origin.files.clone()).unwrap_or_default());
            let kept = |known: &Arc<Pipeline>| (known.id.clone(), Winner::Kept(Arc::clone(known)));
            let claim = match same.map(kept).map_or_else(|| read(&file, stamp), Ok) {
                Ok(claim) => Some(claim),
                Err(reason) => {
                    self.reject(&file, config::shortened(reason), known.is_some());
                    known.map(kept)
                }
            };
            let Some((id, winner)) = claim else { continue };
            match winners.get(&id) {
                None => _ = winners.insert(id, winner),
                Some(first) => {
                    let reason = format!("id \"{id}\" is defined by {} already", first.file().display());
                    self.reject(&file, reason, false);
                }
            }
        }
        self.winners.extend(winners);
    }

    /// A folder that cannot be listed keeps what it gave before: a disk that is away for a moment changes nothing.
    fn keep_folder(&mut self, dir: &Path, error: &io::Error, before: &ById) {
        self.seen.note_missing(dir);
        let of_dir = || before.values().filter(|pipeline| pipeline.file.parent() == Some(dir));
        let kept_previous = of_dir().next().is_some();
        self.winners.extend(of_dir().map(|kept| (kept.id.clone(), Winner::Kept(Arc::clone(kept)))));
        if error.kind() == io::ErrorKind::NotFound && !kept_previous {
            self.missing_dirs.push(dir.to_owned());
        } else {
            let reason = format!("the folder cannot be listed: {error}{}", config::home_advice(dir));
            self.reject(dir, reason, kept_previous);
        }
    }

    fn reject(&mut self, file: &Path, reason: String, kept_previous: bool) {
        self.rejected.push(Rejection { file: file.to_owned(), reason, kept_previous });
    }
}

/// The file's id, and what it says.
fn read(file: &Path, stamp: Option<Stamp>) -> Result<(String, Winner), String> {
    let text = seen::read(file)?;
    // A file that has none is refused by the reading, with a reason.
    let stamp = stamp.ok_or("has only just come; load it again")?;
    let definition = definition::parse(&text).map_err(|error| error.to_string())?;
    let id = definition.id.clone();
    Ok((id, Winner::File(Box::new(Defined { file: file.to_owned(), stamp, definition }))))
}

impl Winner {
    fn file(&self) -> &Path {
        match self {
            Winner::File(defined) => &defined.file,
            Winner::Kept(pipeline) => &pipeline.file,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::pipeline::load_one;
    use crate::pipeline::registry::{Loaded, PipelineRegistry};
    use crate::pipeline::torch::Device;
    use crate::telemetry::metrics::Metrics;
    use base::config::Precision;

    /// Two folders, `shipped` and `own`, and every way to load from them.
    struct Home {
        folder: PathBuf,
        plan: LoadPlan,
        metrics: Metrics,
        registry: PipelineRegistry,
    }

    impl Home {
        fn new(name: &str) -> Home {
            let folder = std::env::temp_dir().join(format!("forgesyted-choice-{name}-{}", std::process::id()));
            let dirs = vec![folder.join("shipped"), folder.join("own")];
            dirs.iter().for_each(|dir| fs::create_dir_all(dir).unwrap());
            let plan = LoadPlan { dirs, model_dirs: Vec::new(), device: Device::Cpu, precision: Precision::Fp32 };
            Home { folder, plan, metrics: Metrics::new("0", "0").unwrap(), registry: PipelineRegistry::default() }
        }

        fn write(&self, file: &str, id: &str, kind: &str) {
            let text = format!("id = \"{id}\"\n[[node]]\nid = \"n\"\nkind = {kind}\n");
            fs::write(self.folder.join(file), text).unwrap();
        }

        /// A load and a swap; the file that each pipeline is of, and those that were refused.
        fn reload(&self) -> (Vec<String>, Vec<String>) {
            let loaded = self.registry.load(&self.plan, &self.metrics);
            let name = |file: &Path| file.strip_prefix(&self.folder).unwrap().display().to_string();
            let files = loaded.pipelines.values().map(|pipeline| name(pipeline.file())).collect();
            let kept = |kept: bool| if kept { " kept" } else { "" };
            let refused = loaded.rejected.iter().map(|it| name(&it.file) + kept(it.kept_previous)).collect();
            self.registry.swap(loaded);
            (files, refused)
        }

        fn one(&self, id: &str) -> Result<PathBuf, String> {
            load_one(id, &self.plan, &self.metrics).map(|pipeline| pipeline.file().to_owned())
        }
    }

    impl Drop for Home {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    const NOOP: &str = "\"noop\"";
    const LOST: &str = "\"measure\"\nmodel = \"lost.pt\"";

    fn is(files: &[&str]) -> Vec<String> {
        files.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_does_not_win_is_not_loaded() {
        let home = Home::new("loser");
        home.write("shipped/yard.toml", "yard", LOST);
        home.write("own/mine.toml", "yard", NOOP);
        for _ in 0..2 {
            assert_eq!(home.reload(), (is(&["own/mine.toml"]), is(&[])));
        }
        assert_eq!(home.one("yard"), Ok(home.folder.join("own/mine.toml")));
        assert!(home.registry.changes(&home.plan).is_none());
        home.write("shipped/yard.toml", "yard", NOOP);
        assert!(home.registry.changes(&home.plan).is_some(), "it is watched all the same");
        fs::remove_file(home.folder.join("own/mine.toml")).unwrap();
        assert_eq!(home.reload(), (is(&["shipped/yard.toml"]), is(&[])));
    }

    #[test]
    fn no_other_file_stands_in_for_a_winner_that_does_not_load() {
        let home = Home::new("winner");
        home.write("shipped/yard.toml", "yard", NOOP);
        home.write("own/a.toml", "yard", LOST);
        home.write("own/b.toml", "yard", NOOP);
        assert_eq!(home.reload(), (is(&[]), is(&["own/a.toml", "own/b.toml"])));
        let reason = home.one("yard").unwrap_err();
        assert!(reason.contains("own/a.toml: node \"n\": model \"lost.pt\" is not there"), "{reason}");
    }

    #[test]
    fn what_served_serves_on_whatever_becomes_of_its_files() {
        let home = Home::new("kept");
        home.write("shipped/yard.toml", "yard", NOOP);
        assert_eq!(home.reload(), (is(&["shipped/yard.toml"]), is(&[])));
        home.write("own/mine.toml", "yard", LOST);
        assert_eq!(home.reload(), (is(&["shipped/yard.toml"]), is(&["own/mine.toml kept"])));
        home.write("own/mine.toml", "yard", NOOP);
        assert_eq!(home.reload(), (is(&["own/mine.toml"]), is(&[])));
        // A file that cannot be read keeps its place before the shipped one.
        fs::write(home.folder.join("own/mine.toml"), "id =").unwrap();
        assert_eq!(home.reload(), (is(&["own/mine.toml"]), is(&["own/mine.toml kept"])));
        home.write("own/mine.toml", "garden", LOST);
        assert_eq!(home.reload(), (is(&["shipped/yard.toml"]), is(&["own/mine.toml"])));
        home.write("shipped/yard.toml", "barn", LOST);
        assert_eq!(home.reload(), (is(&["shipped/yard.toml"]), is(&["shipped/yard.toml kept", "own/mine.toml"])));
        let Loaded { pipelines, .. } = &*home.registry.loaded();
        assert!(pipelines.contains_key("yard") && pipelines.len() == 1, "{pipelines:?}");
    }
}
