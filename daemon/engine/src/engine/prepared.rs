//! What every command that runs models makes first: libtorch is made ready, the device chosen, the metrics registered.

use super::EnginePlan;
use super::device::{self, PlanError};
use crate::pipeline::{LoadPlan, torch};
use crate::telemetry::metrics::Metrics;
use base::config::Config;

/// What pipelines are loaded with, and an engine is started with.
#[derive(Debug)]
pub struct Prepared {
    /// How the engine runs.
    pub engine: EnginePlan,
    /// What pipelines are loaded with.
    pub load: LoadPlan,
    /// What counts them.
    pub metrics: Metrics,
}

impl Prepared {
    /// Prepares this process for the configuration.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn new(config: &Config) -> Result<Prepared, PlanError> {
        torch::prepare_process();
        let engine = device::plan(&config.engine)?;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), torch::TORCH_VERSION)
            .map_err(|error| PlanError::Metrics(error.to_string()))?;
        let load = LoadPlan::new(&config.pipelines, engine.device, config.engine.precision);
        Ok(Prepared { engine, load, metrics })
    }
}
