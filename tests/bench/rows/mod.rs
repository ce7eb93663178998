//! The rows of the table, one file each: what it measures, beside which limit, and the goal.

mod batch;
mod beside;
mod camera;
mod cnn;
mod convert;
mod latency;
mod memory;
mod noop;
mod overload;
mod page;
mod precision;
mod reload;
mod start;
mod text;
mod turns;

use std::fmt;

use anyhow::Result;
use clap::ValueEnum;

use crate::bench::Bench;
use crate::child;
use crate::limits::plain_loop::{self, Report};
use crate::machine::Cores;
use crate::model::{self, Cnn};
use crate::report::Outcome;

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Row {
    /// Frames a second through `noop`
    Noop,
    /// Frames a second through a CNN
    Cnn,
    /// Batches of several sessions
    Batch,
    /// Reply time of a single client
    Latency,
    /// Three times more than can be run
    Overload,
    /// Resident memory
    Memory,
    /// Resident memory after reloads
    Reload,
    /// From exec to ready
    Start,
    /// A CNN in half precision
    Precision,
    /// Raw camera frames to RGB
    Convert,
    /// Finding and reading five lines of text
    Text,
    /// Decoding where a node runs on each fifth frame
    Turns,
    /// Two busy programs that share the cores
    Beside,
    /// CPU time per captured frame; runs in the VM of `cargo xtask bench-vm` only
    Camera,
    /// What the web page costs its browser; runs only when it is named
    Page,
}

impl Row {
    /// The rows to measure, in the order of the table: those that are named, or else all that this machine can run.
    pub fn select(named: &[Row]) -> Vec<Row> {
        let special = [Row::Camera, Row::Page];
        let wanted = |row: &Row| if named.is_empty() { !special.contains(row) } else { named.contains(row) };
        Self::value_variants().iter().copied().filter(wanted).collect()
    }

    /// Cores that it needs: one for the server and one for its load.
    pub fn cores(self) -> usize {
        if self == Row::Camera { 1 } else { 2 }
    }

    /// Measures it.
    ///
    /// # Errors
    /// Why there is no figure.
    pub fn run(self, bench: &Bench) -> Result<Vec<Outcome>> {
        match self {
            Row::Noop => noop::run(bench),
            Row::Cnn => cnn::run(bench),
            Row::Batch => batch::run(bench),
            Row::Latency => latency::run(bench),
            Row::Overload => overload::run(bench),
            Row::Memory => memory::run(bench),
            Row::Reload => reload::run(bench),
            Row::Start => start::run(bench),
            Row::Precision => precision::run(bench),
            Row::Convert => convert::run(bench),
            Row::Text => text::run(bench),
            Row::Turns => turns::run(bench),
            Row::Beside => beside::run(bench),
            Row::Camera => camera::run(bench),
            Row::Page => page::run(bench),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value();
        f.write_str(name.as_ref().map_or("", |name| name.get_name()))
    }
}

/// The plain loop through the CNN.
fn plain_loop(
    bench: &Bench,
    cnn: &Cnn,
    workers: usize,
    seconds: f64,
    fps: Option<f64>,
    cores: Option<&Cores>,
) -> Result<Report> {
    let (width, height) = model::SIZE;
    let (model, frames) = (cnn.model.clone(), bench.frame_folder());
    let args = plain_loop::Args { model, frames, width, height, workers, seconds, fps };
    child::run_limit(&args.to_command(), cores)
}
