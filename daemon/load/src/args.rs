//! The command line of `forgesyted load`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::{LoadError, LoadPlan, LoadReport, Pace, frames};
use base::frame::synthetic::synthetic;

/// How many different synthetic frames are made.
const SYNTHETIC_FRAMES: usize = 16;

/// Sends frames to a daemon as many clients would, and reports what it serves.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Streaming endpoint to load
    #[arg(long, default_value = "ws://localhost:8000/ws/video/stream?pipeline_id=scene")]
    pub url: String,

    /// Number of sessions (connections)
    #[arg(long, default_value_t = 1)]
    pub sessions: usize,

    /// Frames a second of each session; without it each session waits for a reply before the next frame
    #[arg(long)]
    pub fps: Option<f64>,

    /// Seconds to measure
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub seconds: Duration,

    /// Seconds to send before measuring
    #[arg(long, default_value = "1", value_parser = seconds)]
    pub warm_up: Duration,

    /// Report in windows of this many seconds too
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub every: Option<Duration>,

    /// JPEG file, or folder of JPEG files, to send; without it camera-like frames are made
    #[arg(long, value_name = "PATH", conflicts_with = "size")]
    pub frames: Option<PathBuf>,

    /// Size of the frames that are made
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "640x480", value_parser = size)]
    pub size: (usize, usize),

    /// Token to send, when the daemon requires one
    #[arg(long)]
    pub token: Option<String>,

    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command and prints its report on standard output. The exit code is 0 when every session ran to its end by
/// the protocol and results came, else 1.
///
/// # Errors
/// When there is no report: frames unreadable, no connection, a refused upgrade, or every session turned away.
pub async fn main(args: Args) -> Result<ExitCode, LoadError> {
    let plan = args.plan()?;
    let report = super::run(plan).await?;
    if let Some(rejected) = rejected(&report) {
        return Err(rejected);
    }
    let text = if args.json {
        let json = serde_json::to_string_pretty(&report);
        json.map_err(|e| LoadError::Internal(format!("the report could not be written ({e})")))? + "\n"
    } else {
        report.to_table()
    };
    let mut out = std::io::stdout().lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.map_err(|e| LoadError::Internal(format!("the report could not be printed ({e})")))?;
    let good = report.results > 0 && report.errors.is_empty() && report.protocol_errors == 0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Args {
    fn plan(&self) -> Result<LoadPlan, LoadError> {
        let frames = match &self.frames {
            Some(path) => frames::load(path)?,
            None => synthetic(self.size.0, self.size.1, SYNTHETIC_FRAMES).map_err(LoadError::Frames)?,
        };
        Ok(LoadPlan {
            sessions: self.sessions,
            pace: self.fps.map_or(Pace::ClosedLoop, Pace::Fps),
            duration: self.seconds,
            warm_up: self.warm_up,
            frames: Arc::new(frames),
            report_every: self.every,
            token: self.token.clone(),
            ..LoadPlan::new(&self.url, Vec::new())
        })
    }
}

/// The error that every session met before a result came, when there is one.
fn rejected(report: &LoadReport) -> Option<LoadError> {
    let (code, error) = report.errors.first_key_value()?;
    let all = error.sessions == report.sessions as u64 && report.results_per_s == 0.0 && report.results == 0;
    all.then(|| LoadError::Rejected { address: report.url.clone(), code: code.clone(), detail: error.detail.clone() })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "give a number of seconds, such as 10 or 0.5".to_owned());
    Duration::try_from_secs_f64(seconds?).map_err(|_| "give a number of seconds from 0".to_owned())
}

fn size(text: &str) -> Result<(usize, usize), String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    sides.ok_or_else(|| "give width and height in pixels, such as 640x480".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        load: Args,
    }

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Command::try_parse_from(line.split_whitespace()).map(|command| command.load)
    }

    #[test]
    fn the_defaults_are_a_closed_loop_of_one_session() {
        let plan = parse("load --size 16x16").unwrap().plan().unwrap();
        assert_eq!((plan.sessions, plan.pace), (1, Pace::ClosedLoop));
        assert_eq!((plan.duration, plan.warm_up), (Duration::from_secs(10), Duration::from_secs(1)));
        assert!(plan.url.ends_with("/ws/video/stream?pipeline_id=scene"));
        assert_eq!(plan.frames.len(), SYNTHETIC_FRAMES);
    }

    #[test]
    fn every_option_reaches_the_plan() {
        let line = "load --url ws://h:1/p --sessions 3 --fps 7.5 --seconds 0.5 --warm-up 0 --every 0.1 --size 32x16 \
                    --token t --json";
        let args = parse(line).unwrap();
        assert!(args.json);
        let plan = args.plan().unwrap();
        assert_eq!((plan.url.as_str(), plan.sessions, plan.pace), ("ws://h:1/p", 3, Pace::Fps(7.5)));
        assert_eq!(plan.report_every, Some(Duration::from_millis(100)));
        assert_eq!((plan.warm_up, plan.token.as_deref()), (Duration::ZERO, Some("t")));
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for line in
            ["load --seconds -1", "load --seconds NaN", "load --size 640", "load --size axb", "load --sessions x"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("load --frames a --size 1x1").is_err());
    }
}
