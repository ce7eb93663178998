//! What `forgesyted bench` tells: the measurement, and beside it the state of the board that it was made on. As JSON it has the
//! fields of these types; what is not known is `null` there, and `unknown` in the table.

use std::fmt::Write;

use serde::Serialize;

use super::Measured;
use crate::telemetry::stage::StageTimes;
use base::machine::clocks::{Moment, Power};

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The pipeline's id.
    pub pipeline: String,
    /// What was run.
    pub input: Input,
    /// Sessions, each with one frame running at a time.
    pub sessions: usize,
    /// Seconds measured, without the warm-up.
    pub seconds: f64,
    /// Frames that have a result.
    pub frames: u64,
    /// Frames that failed.
    pub failed: u64,
    /// Why the first of them did.
    pub first_failure: Option<String>,
    /// Frames with a result a second, all sessions together.
    pub fps: f64,
    /// Each stage of a frame, in order; `total` is from the moment it could run to its result.
    pub stages: Vec<Stage>,
    /// How often so many frames ran as one.
    pub batches: Vec<Batch>,
    /// This process's memory.
    pub memory: Memory,
    /// What it was measured on.
    pub board: Board,
}

/// The frames that were run.
#[derive(Clone, Debug, Serialize)]
pub struct Input {
    /// Where they are from; camera-like pictures are made where none is given.
    pub path: Option<String>,
    /// How many different ones.
    pub frames: usize,
    /// Mean bytes of one, compressed or not.
    pub mean_bytes: u64,
}

/// One stage.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// `wait`, `decode`, a node's id, or `total`.
    pub stage: String,
    /// Its times.
    #[serde(flatten)]
    pub times: StageTimes,
}

/// Frames that ran as one.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Batch {
    /// How many.
    pub frames: usize,
    /// How often.
    pub runs: u64,
}

/// Resident memory of this process, in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// Before the pipeline was loaded.
    pub before_load_bytes: Option<u64>,
    /// After it was loaded and warmed.
    pub after_load_bytes: Option<u64>,
    /// The most there ever was.
    pub peak_bytes: Option<u64>,
}

/// The machine and its state.
#[derive(Clone, Debug, Serialize)]
pub struct Board {
    /// Its name.
    pub model: Option<String>,
    /// Its processor.
    pub cpu: Option<String>,
    /// Cores that this program may use.
    pub cores: usize,
    /// Where models ran.
    pub device: String,
    /// The version of libtorch.
    pub libtorch: String,
    /// Frames that run at once.
    pub workers: usize,
    /// libtorch's threads for each of them.
    pub threads_per_worker: usize,
    /// Power mode and governors.
    pub power: Power,
    /// Clocks, load and temperatures before.
    pub before: Moment,
    /// And after.
    pub after: Moment,
}

impl Report {
    /// Adds what was measured to what is known beforehand.
    pub fn fill(&mut self, measured: Measured) {
        self.seconds = measured.took.as_secs_f64();
        self.frames = measured.results;
        (self.failed, self.first_failure) = measured.failed;
        self.fps = if self.seconds > 0.0 { self.frames as f64 / self.seconds } else { 0.0 };
        self.stages = measured.stages.into_iter().map(|(stage, times)| Stage { stage, times }).collect();
        self.batches = measured.batches.into_iter().map(|(frames, runs)| Batch { frames, runs }).collect();
    }

    /// The report for a terminal.
    pub fn to_table(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_table(&mut out);
        out
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        let Input { path, frames, mean_bytes } = &self.input;
        writeln!(out, "pipeline {}, {} session(s), {:.1} s measured", self.pipeline, self.sessions, self.seconds)?;
        let from = path.as_deref().unwrap_or("made, like a camera's");
        writeln!(out, "input    {from}: {frames} frame(s), {:.0} kB each", *mean_bytes as f64 / 1e3)?;
        writeln!(out)?;
        writeln!(out, "frames/s        {:>10.1}", self.fps)?;
        writeln!(out, "frames          {:>10}", self.frames)?;
        writeln!(out, "failed          {:>10}", self.failed)?;
        if let Some(reason) = &self.first_failure {
            writeln!(out, "                {reason}")?;
        }
        writeln!(out)?;
        writeln!(out, "{:<16}{:>10}{:>10}{:>10}{:>10}", "stage (ms)", "p50", "p99", "max", "frames")?;
        for Stage { stage, times } in &self.stages {
            let StageTimes { count, p50_ms, p99_ms, max_ms } = times;
            writeln!(out, "{stage:<16}{p50_ms:>10.3}{p99_ms:>10.3}{max_ms:>10.3}{count:>10}")?;
        }
        writeln!(out)?;
        let batches: Vec<String> =
            self.batches.iter().map(|batch| format!("{} ({} times)", batch.frames, batch.runs)).collect();
        writeln!(out, "frames at once  {}", batches.join(", "))?;
        let mb = |bytes: Option<u64>| known(bytes.map(|bytes| format!("{:.0} MB", bytes as f64 / 1e6)));
        let Memory { before_load_bytes, after_load_bytes, peak_bytes } = self.memory;
        let (before, after, peak) = (mb(before_load_bytes), mb(after_load_bytes), mb(peak_bytes));
        writeln!(out, "memory          {before} before loading, {after} loaded, {peak} at most")?;
        writeln!(out)?;
        self.board.write_table(out)
    }
}

impl Board {
    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        let mhz = |clock: Option<f64>| known(clock.map(|clock| format!("{clock:.0} MHz")));
        let Power { mode, cpu_governor, cpu_max_mhz } = &self.power;
        writeln!(out, "board           {}", known(self.model.clone()))?;
        writeln!(out, "processor       {}, {} core(s)", known(self.cpu.clone()), self.cores)?;
        writeln!(
            out,
            "device          {}, {} worker(s) with {} thread(s) each, libtorch {}",
            self.device, self.workers, self.threads_per_worker, self.libtorch
        )?;
        writeln!(out, "power mode      {}", known(mode.clone()))?;
        writeln!(out, "governor        {}, up to {}", known(cpu_governor.clone()), mhz(*cpu_max_mhz))?;
        for (name, moment) in [("before", &self.before), ("after", &self.after)] {
            let temperatures: Vec<String> = moment
                .temperatures
                .iter()
                .map(|temperature| format!("{} {:.0} °C", temperature.zone, temperature.celsius))
                .collect();
            let temperatures = known((!temperatures.is_empty()).then(|| temperatures.join(", ")));
            let load = known(moment.load1.map(|load| format!("{load:.2}")));
            writeln!(
                out,
                "{name:<16}CPU {}, GPU {}, load {load}, temperature {temperatures}",
                mhz(moment.cpu_mhz),
                mhz(moment.gpu_mhz)
            )?;
        }
        Ok(())
    }
}

fn known(what: Option<String>) -> String {
    what.unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use base::machine::Temperature;

    fn report() -> Report {
        let moment = Moment { cpu_mhz: Some(1510.4), gpu_mhz: None, load1: Some(1.5), temperatures: Vec::new() };
        let hot = Temperature { zone: "cpu-thermal".to_owned(), celsius: 61.5 };
        let mut report = Report {
            pipeline: "yard".to_owned(),
            input: Input { path: None, frames: 16, mean_bytes: 50_400 },
            sessions: 2,
            seconds: 0.0,
            frames: 0,
            failed: 0,
            first_failure: None,
            fps: 0.0,
            stages: Vec::new(),
            batches: Vec::new(),
            memory: Memory {
                before_load_bytes: Some(90_000_000),
                after_load_bytes: None,
                peak_bytes: Some(150_600_000),
            },
            board: Board {
                model: None,
                cpu: Some("A CPU".to_owned()),
                cores: 6,
                device: "cpu".to_owned(),
                libtorch: "2.11.0".to_owned(),
                workers: 2,
                threads_per_worker: 1,
                power: Power { mode: Some("15W".to_owned()), cpu_governor: None, cpu_max_mhz: None },
                before: moment.clone(),
                after: Moment { temperatures: vec![hot], ..moment },
            },
        };
        let times = StageTimes { count: 30, p50_ms: 1.25, p99_ms: 2.5, max_ms: 3.0 };
        report.fill(Measured {
            took: Duration::from_secs(2),
            results: 30,
            failed: (1, Some("a node failed".to_owned())),
            stages: vec![("total".to_owned(), times)],
            batches: vec![(1, 10), (4, 5)],
        });
        report
    }

    #[test]
    fn the_table_says_what_is_known_and_what_is_not() {
        let table = report().to_table();
        for line in [
            "frames/s              15.0",
            "failed                   1",
            "total                1.250     2.500     3.000        30",
            "frames at once  1 (10 times), 4 (5 times)",
            "memory          90 MB before loading, unknown loaded, 151 MB at most",
            "board           unknown",
            "power mode      15W",
            "governor        unknown, up to unknown",
            "before          CPU 1510 MHz, GPU unknown, load 1.50, temperature unknown",
            "after           CPU 1510 MHz, GPU unknown, load 1.50, temperature cpu-thermal 62 °C",
        ] {
            assert!(table.lines().any(|found| found == line), "{line}\n{table}");
        }
    }

    #[test]
    fn the_json_has_null_for_what_is_not_known() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!((&json["fps"], &json["stages"][0]["p99_ms"]), (&15.0.into(), &2.5.into()));
        assert!(json["board"]["model"].is_null() && json["memory"]["after_load_bytes"].is_null());
        assert_eq!(json["batches"][1], serde_json::json!({ "frames": 4, "runs": 5 }));
        assert_eq!(json["board"]["after"]["temperatures"][0]["celsius"], 61.5);
    }
}
