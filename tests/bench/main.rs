//! The benchmarks: what the daemon does, beside what this machine can do at best, measured in the same run.
//!
//! Lives here: the rows (`rows`, one file each), the limits that stand beside them (`limits`, which run as processes of
//! their own), and what rows share: the machine, the daemon under test, the models and frames, rounds, the report. Does
//! not live here: the load generator (`load`, which users have as well) and building what is measured
//! (`cargo xtask bench`). docs/benchmarks.md says what each row means.

mod bench;
mod child;
mod daemon;
mod limits;
mod machine;
mod model;
mod report;
mod rounds;
mod rows;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

/// Measures the release daemon beside the limits of this machine.
#[derive(Debug, Parser)]
#[command(name = "forgesyted-bench")]
struct Args {
    /// Measure these rows only; may be given several times
    #[arg(long, value_name = "NAME")]
    row: Vec<rows::Row>,

    /// Shorter rounds: rougher figures in about a third of the time
    #[arg(long)]
    quick: bool,

    /// Write the results to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    #[command(subcommand)]
    limit: Option<limits::Limit>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.limit {
        Some(limit) => limit.run().map(|()| true),
        None => measure(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("forgesyted-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the rows; whether every one reached its goals.
fn measure(args: &Args) -> Result<bool> {
    let rows = rows::Row::select(&args.row);
    let bench = bench::Bench::new(args.quick, rows.iter().map(|row| row.cores()).max().unwrap_or(1))?;
    let facts = machine::Facts::read();
    println!("{facts}");
    let mut outcomes = Vec::new();
    for row in rows {
        let measured = row.run(&bench).with_context(|| format!("row {row} was not measured"))?;
        measured.iter().for_each(|outcome| println!("{outcome}"));
        outcomes.extend(measured);
    }
    if let Some(file) = &args.json {
        report::write(file, &facts, args.quick, &outcomes)?;
    }
    let missed = outcomes.iter().filter(|outcome| outcome.is_missed()).count();
    println!("{} goals, {missed} missed", outcomes.iter().filter(|outcome| outcome.has_goal()).count());
    Ok(missed == 0)
}
