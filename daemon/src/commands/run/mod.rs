//! `forgesyted run`: a pipeline on files. The command line stands here; `perform` does it, and `screen` is what is seen of it
//! meanwhile.

#[cfg(feature = "engine")]
mod perform;
#[cfg(feature = "engine")]
mod screen;

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::process::ExitCode;

use super::ConfigArgs;

/// Runs a pipeline on pictures and videos, and prints a line of JSON for each frame.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Pipeline to run
    #[arg(long, value_name = "ID")]
    pipeline: String,

    /// Run every Nth frame, beginning with the first
    #[arg(long, value_name = "N", default_value = "1")]
    stride: NonZeroU64,

    /// End after this many frames were run
    #[arg(long, value_name = "N")]
    max_frames: Option<NonZeroU64>,

    /// Write every frame with its result drawn on it into this folder, as JPEG
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,

    /// Say in every line which file its frame is of, and which frame it is in there
    #[arg(long)]
    paths: bool,

    #[command(flatten)]
    config: ConfigArgs,

    /// Pictures (JPEG, PNG), videos (MJPEG, AVI with MJPEG, MP4 with H.264), or folders of them
    #[arg(value_name = "PATH", required = true)]
    files: Vec<PathBuf>,
}

/// Runs the command. Exit status 0 when every frame has a result, 1 otherwise, 130 when it was interrupted.
pub fn run(args: Args) -> ExitCode {
    #[cfg(feature = "engine")]
    return perform::run(args);
    #[cfg(not(feature = "engine"))]
    return super::front::become_it(&args.config.source());
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
