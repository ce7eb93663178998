//! The command line of `forgesyted run`: a pipeline on files.

use std::num::NonZeroU64;
use std::path::PathBuf;

use super::ConfigArgs;

/// Runs a pipeline on pictures and videos, and prints a line of JSON for each frame.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Pipeline to run
    #[arg(long, value_name = "ID")]
    pub pipeline: String,

    /// Run every Nth frame, beginning with the first
    #[arg(long, value_name = "N", default_value = "1")]
    pub stride: NonZeroU64,

    /// End after this many frames were run
    #[arg(long, value_name = "N")]
    pub max_frames: Option<NonZeroU64>,

    /// Write every frame with its result drawn on it into this folder, as JPEG
    #[arg(long, value_name = "DIR")]
    pub annotate: Option<PathBuf>,

    /// Say in every line which file its frame is of, and which frame it is in there
    #[arg(long)]
    pub paths: bool,

    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,

    /// Pictures (JPEG, PNG), videos (MJPEG, AVI with MJPEG, MP4 with H.264), or folders of them
    #[arg(value_name = "PATH", required = true)]
    pub files: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        run: Args,
    }

    #[test]
    fn the_command_line() {
        let parse = |line: &str| Command::try_parse_from(line.split_whitespace()).map(|command| command.run);
        let args = parse("run --pipeline yard a.jpg films").unwrap();
        assert_eq!((args.pipeline.as_str(), args.stride.get(), args.max_frames), ("yard", 1, None));
        assert_eq!(args.files, [PathBuf::from("a.jpg"), PathBuf::from("films")]);
        let args = parse("run --pipeline yard --stride 5 --max-frames 9 --annotate out --paths a.mp4").unwrap();
        assert_eq!((args.stride.get(), args.max_frames.map(NonZeroU64::get), args.paths), (5, Some(9), true));
        assert_eq!(args.annotate, Some("out".into()));
        for wrong in ["run a.jpg", "run --pipeline yard", "run --pipeline yard --stride 0 a.jpg"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
