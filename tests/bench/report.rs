//! What a row says: what was measured, the limit beside it, the goal, and whether it is reached.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::json;

use crate::machine::Facts;

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    row: &'static str,
    what: String,
    measured: f64,
    unit: &'static str,
    beside: Option<Beside>,
    goal: Option<Goal>,
    reached: Option<bool>,
}

/// The limit, in the same unit.
#[derive(Clone, Debug, Serialize)]
struct Beside {
    what: &'static str,
    value: f64,
}

/// What is judged, and by what.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Goal {
    /// The value that is judged; a ratio to the limit, mostly.
    pub value: f64,
    /// Its bound.
    pub bound: Bound,
    /// What it is counted in, as it ends the line: `of the limit`, `s`.
    pub counted: &'static str,
}

/// A bound.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

impl Outcome {
    /// A measured value, without limit or goal.
    pub fn new(row: &'static str, what: impl Into<String>, measured: f64, unit: &'static str) -> Self {
        Self { row, what: what.into(), measured, unit, beside: None, goal: None, reached: None }
    }

    /// With the limit beside it.
    pub fn beside(self, what: &'static str, value: f64) -> Self {
        Self { beside: Some(Beside { what, value }), ..self }
    }

    /// With a goal.
    pub fn goal(self, value: f64, bound: Bound, counted: &'static str) -> Self {
        let reached = match bound {
            Bound::AtLeast(least) => value >= least,
            Bound::AtMost(most) => value <= most,
        };
        Self { goal: Some(Goal { value, bound, counted }), reached: Some(reached), ..self }
    }

    /// Whether there is a goal.
    pub fn has_goal(&self) -> bool {
        self.goal.is_some()
    }

    /// Whether there is a goal that is not reached.
    pub fn is_missed(&self) -> bool {
        self.reached == Some(false)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, what, measured, unit, beside, goal, .. } = self;
        let measured = format!("{} {unit}", number(*measured));
        let beside = beside.as_ref().map_or(String::new(), |it| format!("{} {}", it.what, number(it.value)));
        write!(f, "{row:<10}{what:<40}{measured:>17}  {beside:<28}")?;
        if let Some(Goal { value, bound, counted }) = goal {
            let bound = match bound {
                Bound::AtLeast(least) => format!("≥ {}", number(*least)),
                Bound::AtMost(most) => format!("≤ {}", number(*most)),
            };
            let verdict = if self.is_missed() { "MISSED" } else { "ok" };
            write!(f, "{:<34}{verdict}", format!("{} {bound} {counted}", number(*value)))?;
        }
        Ok(())
    }
}

/// Writes everything as JSON.
///
/// # Errors
/// When the file cannot be written.
pub fn write(file: &Path, facts: &Facts, quick: bool, outcomes: &[Outcome]) -> Result<()> {
    let all = json!({ "machine": facts, "quick": quick, "outcomes": outcomes });
    fs::write(file, format!("{all:#}\n")).with_context(|| format!("cannot write {}", file.display()))
}

/// Enough digits to compare by, and no more.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}
