//! The command line of `forgesyted bench`: how fast a pipeline is on this machine.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use super::ConfigArgs;

/// Measures how fast a pipeline is on this machine, and says what state the machine is in.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Pipeline to measure
    #[arg(long, value_name = "ID")]
    pub pipeline: String,

    /// Seconds to measure
    #[arg(long, default_value = "10", value_parser = seconds, conflicts_with = "frames")]
    pub seconds: Duration,

    /// Measure this many frames, however long they take
    #[arg(long, value_name = "N")]
    pub frames: Option<NonZeroU64>,

    /// Sessions, each with one frame running at a time [default: as many as the engine has workers]
    #[arg(long, value_name = "N")]
    pub sessions: Option<NonZeroUsize>,

    /// Picture, video or folder of pictures to run (64 frames of it at most); without it camera-like frames of 640x480 are made
    #[arg(long, value_name = "PATH")]
    pub input: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,

    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Longest measurement.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let fits = seconds.filter(|time| !time.is_zero() && *time <= LONGEST);
    fits.ok_or_else(|| format!("give a number of seconds above 0, up to {}", LONGEST.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        bench: Args,
    }

    #[test]
    fn the_command_line() {
        let parse = |line: &str| Command::try_parse_from(line.split_whitespace()).map(|command| command.bench);
        let args = parse("bench --pipeline yard").unwrap();
        assert_eq!((args.seconds, args.frames, args.sessions), (Duration::from_secs(10), None, None));
        let args = parse("bench --pipeline yard --frames 7 --sessions 3 --input a.jpg --json").unwrap();
        assert_eq!((args.frames.map(NonZeroU64::get), args.sessions.map(NonZeroUsize::get)), (Some(7), Some(3)));
        assert!(args.json && args.input == Some("a.jpg".into()));
        for wrong in ["bench", "bench --pipeline a --seconds 0", "bench --pipeline a --frames 1 --seconds 2"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
