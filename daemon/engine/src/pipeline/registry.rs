//! The loaded pipelines: looked up by every new session, swapped as a whole by a reload. Sessions hold their pipeline, so
//! one that was swapped out runs on until its last session ends.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::load::{self, LoadPlan, Rejection};
use super::origin::Stamp;
use super::seen::{Seen, pipeline_files};
use super::{Pipeline, PipelineView};
use crate::telemetry::metrics::Metrics;
use base::config::home_advice;

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
    /// Whether a pipeline of this id is loaded.
    pub fn is_valid_pipeline(&self, id: &str) -> bool {
        self.current.load().pipelines.contains_key(id)
    }

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

    /// Loads every pipeline file of the plan's folders. An unchanged one keeps its pipeline, and so does one that is
    /// broken now and was not before, or whose folder is away. Blocks for as long as the models take; nothing changes until [`PipelineRegistry::swap`].
    pub fn load(&self, plan: &LoadPlan, metrics: &Metrics) -> Loaded {
        let before = self.current.load();
        let mut loaded = Loaded::default();
        for dir in &plan.dirs {
            match pipeline_files(dir) {
                Ok(files) => load_files(files, plan, &before, metrics, &mut loaded),
                Err(error) => {
                    loaded.seen.note_missing(dir);
                    keep_dir(dir, &error, &before, &mut loaded);
                }
            }
        }
        loaded
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

/// A folder that cannot be listed keeps what it gave before: a disk that is away for a moment changes nothing.
fn keep_dir(dir: &Path, error: &io::Error, before: &Loaded, loaded: &mut Loaded) {
    let kept = || before.pipelines.values().filter(|pipeline| pipeline.file.parent() == Some(dir));
    let kept_previous = kept().next().is_some();
    loaded.pipelines.extend(kept().map(|pipeline| (pipeline.id.clone(), Arc::clone(pipeline))));
    if error.kind() == io::ErrorKind::NotFound && !kept_previous {
        loaded.missing_dirs.push(dir.to_owned());
    } else {
        let reason = format!("the folder cannot be listed: {error}{}", home_advice(dir));
        loaded.rejected.push(Rejection { file: dir.to_owned(), reason, kept_previous });
    }
}

fn load_files(files: Vec<PathBuf>, plan: &LoadPlan, before: &Loaded, metrics: &Metrics, loaded: &mut Loaded) {
    let mut defined_here: HashMap<String, PathBuf> = HashMap::new();
    for file in files {
        let known = before.pipelines.values().find(|pipeline| pipeline.file == file);
        // Before it is read: what is written meanwhile is a change.
        let stamp = Stamp::of(&file);
        let named = RefCell::default();
        let pipeline = match known.filter(|known| load::is_current(known, &file, plan)) {
            Some(unchanged) => {
                *named.borrow_mut() = unchanged.origin.files.clone();
                Ok(Arc::clone(unchanged))
            }
            None => load::load(&file, plan, &named).map(Arc::new),
        };
        loaded.seen.note_file(&file, stamp, named.into_inner());
        let pipeline = match pipeline {
            Ok(pipeline) => pipeline,
            Err(reason) => {
                let kept_previous = known.is_some();
                loaded.rejected.push(Rejection { file: file.clone(), reason, kept_previous });
                let Some(still_good) = known else { continue };
                Arc::clone(still_good)
            }
        };
        if let Some(first) = defined_here.get(&pipeline.id) {
            let reason = format!("id \"{}\" is defined by {} already", pipeline.id, first.display());
            loaded.rejected.push(Rejection { file, reason, kept_previous: false });
            continue;
        }
        defined_here.insert(pipeline.id.clone(), file);
        let counted = counted(pipeline, metrics);
        loaded.pipelines.insert(counted.id.clone(), counted);
    }
}

/// The pipeline with its series, which an accepted one has.
pub(super) fn counted(mut pipeline: Arc<Pipeline>, metrics: &Metrics) -> Arc<Pipeline> {
    if let Some(new) = Arc::get_mut(&mut pipeline) {
        new.metrics = Some(metrics.pipeline(&new.id, &new.node_ids()));
    }
    pipeline
}
