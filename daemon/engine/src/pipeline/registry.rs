//! The loaded pipelines: looked up by every new session, swapped as a whole by a reload. Sessions hold their pipeline, so
//! one that was swapped out runs on until its last session ends.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::choice::{self, Choice, Winner};
use super::load::{self, LoadPlan, Rejection};
use super::seen::Seen;
use super::{Pipeline, PipelineView};
use crate::telemetry::metrics::Metrics;

/// The pipelines in use and the files that were left out.
#[derive(Debug, Default)]
pub struct PipelineRegistry {
    current: ArcSwap<Loaded>,
}

/// One load's outcome.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// By id.
    pub pipelines: BTreeMap<String, Arc<Pipeline>>,
    /// Files that were left out.
    pub rejected: Vec<Rejection>,
    /// Configured folders that do not exist.
    pub missing_dirs: Vec<PathBuf>,
    pub(super) seen: Seen,
}

impl PipelineRegistry {
    /// The pipeline of this id.
    pub fn get(&self, id: &str) -> Option<Arc<Pipeline>> {
        self.current.load().pipelines.get(id).cloned()
    }

    /// Whether no pipeline is loaded.
    pub fn is_empty(&self) -> bool {
        self.current.load().pipelines.is_empty()
    }

    /// Ids of all pipelines, sorted.
    pub fn ids(&self) -> Vec<String> {
        self.current.load().pipelines.keys().cloned().collect()
    }

    /// What the last load gave.
    pub fn loaded(&self) -> Arc<Loaded> {
        self.current.load_full()
    }

    /// Loads every pipeline of the plan's folders. An unchanged one stays as it is, and so does one that was good and is
    /// broken now, or whose folder is away. Blocks for as long as the models take; nothing changes until [`PipelineRegistry::swap`].
    pub fn load(&self, plan: &LoadPlan, metrics: &Metrics) -> Loaded {
        let current = self.current.load();
        let before = &current.pipelines;
        let Choice { winners, mut rejected, missing_dirs, mut seen } = choice::choose(plan, before);
        let mut pipelines = BTreeMap::new();
        for (id, winner) in &winners {
            let defined = match winner {
                Winner::Kept(kept) => {
                    pipelines.insert(id.clone(), Arc::clone(kept));
                    continue;
                }
                Winner::File(defined) => defined,
            };
            let named = RefCell::default();
            let loaded = load::load(defined, plan, &named);
            seen.note_file(&defined.file, Some(defined.stamp.clone()), named.into_inner());
            match loaded {
                Ok(pipeline) => _ = pipelines.insert(id.clone(), Arc::new(pipeline.counted(metrics))),
                Err(reason) => {
                    // What it gave under another id goes on too, unless another file has that id now.
                    let renamed =
                        || choice::of_file(before, &defined.file).filter(|old| !winners.contains_key(&old.id));
                    let good = before.get(id).or_else(renamed);
                    let (file, kept_previous) = (defined.file.clone(), good.is_some());
                    rejected.push(Rejection { file, reason, kept_previous });
                    pipelines.extend(good.map(|good| (good.id.clone(), Arc::clone(good))));
                }
            }
        }
        let folder = |file: &PathBuf| plan.dirs.iter().position(|dir| dir == file || file.parent() == Some(dir));
        rejected.sort_by_cached_key(|rejection| (folder(&rejection.file), rejection.file.clone()));
        Loaded { pipelines, rejected, missing_dirs, seen }
    }

    /// What is otherwise on disk than at the last load: none where another load would find the same.
    pub fn changes(&self, plan: &LoadPlan) -> Option<Seen> {
        let seen = &self.current.load().seen;
        Some(seen.again(plan)).filter(|now| now != seen)
    }

    /// Puts a load's pipelines in the place of the current ones.
    pub fn swap(&self, loaded: Loaded) {
        self.current.store(Arc::new(loaded));
    }
}

impl Loaded {
    /// All pipelines, as the list shows them.
    pub fn list(&self) -> Vec<PipelineView> {
        self.pipelines.values().map(|pipeline| pipeline.view()).collect()
    }

    /// Names of the files that were left out.
    pub fn rejected_files(&self) -> Vec<String> {
        self.rejected.iter().filter_map(Rejection::name).collect()
    }
}
