//! `forgesyted cameras`: lists the video devices of this machine; `forgesyted cameras test` captures from one.

mod measure;
mod table;

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;

use base::capture;
use base::capture::v4l2::{self, DeviceInfo};
use base::command_line::{ConfigArgs, fail};
use base::config::{self, CameraConfig, CameraDevice, CameraFormat, Config};

/// Lists cameras, or tries one.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Capture from a camera for a while, and report rate, losses and latency
    Test(TestArgs),
}

#[derive(Debug, clap::Args)]
struct TestArgs {
    /// A camera of the configuration, or a device.
    #[arg(
        help = "A camera of the configuration, or a device: /dev/video0, usb:VID:PID[:SERIAL], replay:FOLDER_OR_FILE"
    )]
    name: String,

    /// Seconds to capture
    #[arg(long, default_value = "3", value_parser = seconds)]
    seconds: Duration,

    /// Size to ask for, instead of the configured one
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size)]
    size: Option<(u32, u32)>,

    /// Frames a second to ask for, instead of the configured rate
    #[arg(long, value_parser = rate)]
    fps: Option<f64>,

    /// Format to ask for, instead of the configured one: auto, MJPG, YUYV, …
    #[arg(long, value_parser = format)]
    format: Option<CameraFormat>,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    config: ConfigArgs,
}

/// The list as JSON.
#[derive(Serialize)]
struct List {
    devices: Vec<DeviceInfo>,
}

/// A fault as JSON.
#[derive(Serialize)]
struct Failed<'a> {
    error: &'static str,
    detail: &'a str,
}

/// Longest capture.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Runs the command. Exit status 0, or 1 when the devices cannot be listed or the camera has a fault.
pub fn run(args: Args) -> ExitCode {
    match args.action {
        Some(Action::Test(args)) => test(args),
        None => list(args.json),
    }
}

fn list(as_json: bool) -> ExitCode {
    let devices = match v4l2::list() {
        Ok(devices) => devices,
        Err(error) => return fail(&format!("cannot list the devices in /dev: {error}")),
    };
    match as_json {
        true => print_json(&List { devices }),
        false if devices.is_empty() => print("There are no video devices."),
        false => print(table::table(&devices).trim_end()),
    }
    ExitCode::SUCCESS
}

fn test(mut args: TestArgs) -> ExitCode {
    if let Some(instead) = config::instead_of(&args.name) {
        return fail(&instead);
    }
    let config = match CameraDevice::parse(&args.name) {
        Some(device) => Ok(CameraConfig { name: args.name.clone(), device, ..CameraConfig::blank() }),
        None => {
            let source = std::mem::take(&mut args.config).source();
            let loaded = source.read().map_err(|error| error.to_string());
            loaded.and_then(|loaded| configured(&args.name, loaded.config))
        }
    };
    let config = match config {
        Ok(config) => args.asked(config),
        Err(error) => return fail(&error),
    };
    let began = Instant::now();
    let report = capture::open(&config)
        .and_then(|mut opened| measure::measure(&mut *opened.capture, opened.notes, began, args.seconds));
    match report {
        Ok(report) if args.json => print_json(&report),
        Ok(report) => print(&report.to_string()),
        Err(fault) => {
            if args.json {
                print_json(&Failed { error: fault.reason.as_str(), detail: &fault.detail });
            }
            return fail(&format!("{}: {fault}", fault.reason.as_str()));
        }
    }
    ExitCode::SUCCESS
}

/// The camera of this name.
fn configured(name: &str, config: Config) -> Result<CameraConfig, String> {
    let names: Vec<String> = config.cameras.iter().map(|camera| camera.name.clone()).collect();
    config.cameras.into_iter().find(|camera| camera.name == name).ok_or_else(|| {
        let there = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        format!("no camera of the configuration is named {name} ({there}), and a device would be an absolute path, usb:… or replay:…")
    })
}

/// Prints to standard output; a reader that went away is no fault of ours.
fn print(text: &str) {
    _ = writeln!(std::io::stdout(), "{text}");
}

fn print_json(value: &impl Serialize) {
    // Structs of texts and numbers: they can always be written.
    print(&serde_json::to_string_pretty(value).unwrap_or_default());
}

impl TestArgs {
    /// The camera with what the command line asks for instead.
    fn asked(&self, camera: CameraConfig) -> CameraConfig {
        let (width, height) = self.size.unwrap_or((camera.width, camera.height));
        let (fps, format) = (self.fps.unwrap_or(camera.fps), self.format.unwrap_or(camera.format));
        CameraConfig { width, height, fps, format, ..camera }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let fits = seconds.filter(|time| !time.is_zero() && *time <= LONGEST);
    fits.ok_or_else(|| format!("give a number of seconds above 0, up to {}", LONGEST.as_secs()))
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    sides.filter(|(w, h)| *w > 0 && *h > 0).ok_or_else(|| "give width and height in pixels, such as 640x480".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let fps = text.parse().ok().filter(|fps| (0.1..=1000.0).contains(fps));
    fps.ok_or_else(|| "give frames a second from 0.1 to 1000".to_owned())
}

fn format(text: &str) -> Result<CameraFormat, String> {
    CameraFormat::parse(text).ok_or_else(|| format!("give auto or one of {}", CameraFormat::KNOWN.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        cameras: Args,
    }

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Command::try_parse_from(line.split_whitespace()).map(|command| command.cameras)
    }

    fn test_args(line: &str) -> TestArgs {
        let Some(Action::Test(args)) = parse(line).unwrap().action else { panic!("{line}") };
        args
    }

    fn camera(name: &str) -> CameraConfig {
        CameraConfig { name: name.to_owned(), ..CameraConfig::blank() }
    }

    #[test]
    fn the_command_line() {
        assert!(parse("cameras").unwrap().action.is_none());
        assert!(parse("cameras --json").unwrap().json);
        let args = test_args("cameras test door");
        assert_eq!((args.name.as_str(), args.seconds, args.json), ("door", Duration::from_secs(3), false));
        assert_eq!(args.asked(camera("door")), camera("door"));
        let args = test_args("cameras test /dev/video0 --seconds 0.5 --size 320x240 --fps 7.5 --format MJPG --json");
        assert_eq!((args.seconds, args.json), (Duration::from_millis(500), true));
        let format = CameraFormat::Fourcc(*b"MJPG");
        assert_eq!(args.asked(camera("")), CameraConfig { width: 320, height: 240, fps: 7.5, format, ..camera("") });
        for wrong in
            ["--seconds 0", "--seconds NaN", "--seconds 1e9", "--size 640", "--size 0x480", "--fps 0", "--format H264"]
        {
            assert!(parse(&format!("cameras test door {wrong}")).is_err(), "{wrong}");
        }
        assert!(parse("cameras test").is_err());
    }

    #[test]
    fn cameras_are_found_by_name() {
        let config = || Config { cameras: vec![camera("door"), camera("yard")], ..Config::default() };
        assert_eq!(configured("yard", config()), Ok(camera("yard")));
        assert!(configured("roof", config()).unwrap_err().contains("named roof (it has door, yard)"));
        assert!(configured("roof", Config::default()).unwrap_err().contains("(it has none)"));
    }
}
