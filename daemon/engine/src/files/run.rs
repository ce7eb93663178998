//! Files through a pipeline: a thread reads and decodes ahead, and this one runs what it brings, in order. What the daemon
//! runs for a client, this runs for files: the same pipeline, the same service.

use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::time::Instant;

use super::annotate::{Annotator, Unwritten};
use super::paths::InputFile;
use super::{Ended, Found, read};
use crate::pipeline::service::{self, FrameFailure, FrameRun, Scratch};
use crate::pipeline::{Pipeline, PipelineState, torch};
use base::frame::Frame;
use base::frame::validator::FrameLimits;
use base::protocol;

/// Frames that are read before they can run: enough to keep reading and running apart, and little memory.
const READ_AHEAD: usize = 4;

/// Damaged frames of one file that are told one by one; the rest of them is counted.
const TOLD_OF_A_FILE: u64 = 5;

/// What to run, and what to make of it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The files, in order.
    pub files: Vec<InputFile>,
    /// The largest frames that are taken.
    pub limits: FrameLimits,
    /// Runs every so-manieth frame, beginning with the first.
    pub stride: NonZeroU64,
    /// Ends after so many frames were taken.
    pub max_frames: Option<u64>,
    /// Where pictures with their results drawn go; none are made otherwise.
    pub annotate: Option<PathBuf>,
    /// Whether every line says which file its frame is of, and which frame it is in there.
    pub with_paths: bool,
    /// libtorch's threads for one operation.
    pub threads: usize,
}

/// What there is to tell, as it comes.
#[derive(Debug)]
pub enum Event<'a> {
    /// A frame's result: one line of JSON, without its end.
    Line(&'a str),
    /// One sentence about a file or a frame that could not be read, run or written.
    Problem(&'a str),
    /// How far it is: frames taken, and bytes of all files.
    Progress {
        /// Frames taken so far.
        frames: u64,
        /// Bytes read so far, about.
        bytes: u64,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Frames that have a result.
    pub results: u64,
    /// Files and frames that could not be read, run or written.
    pub problems: u64,
}

/// Where a frame stands.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Among all frames of the run, from 1.
    index: u64,
    /// Its file's place in the plan.
    file: usize,
    /// Within its file, from 1.
    in_file: u64,
    /// Which session it is of: a film is one, and so are pictures that follow each other.
    session: u64,
    /// Within its session, from 1.
    in_session: u64,
}

/// What the reading thread brings.
enum Brought {
    Frame { place: Place, frame: Result<Frame, String>, bytes: u64 },
    BadFile { file: usize, reason: String },
}

/// Runs the plan. `stop` ends it after the frame in hand, and so does `tell` when it breaks; reading ends with it, wherever it is.
///
/// # Errors
/// One sentence: the folder for pictures cannot be made.
pub fn run(
    plan: &Plan,
    pipeline: &Pipeline,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<Summary, String> {
    let annotator = plan.annotate.as_deref().map(|folder| Annotator::new(folder, &plan.files)).transpose()?;
    let _no_grad = torch::prepare_thread(plan.threads);
    let (sender, receiver) = mpsc::sync_channel(READ_AHEAD);
    let over = AtomicBool::new(false);
    let ended = || stop.load(Ordering::Relaxed) || over.load(Ordering::Relaxed);
    let mut runner = Runner {
        plan,
        pipeline,
        annotator,
        scratch: Scratch::default(),
        state: PipelineState::default(),
        session: 0,
        frames: 0,
        told: (0, 0),
        summary: Summary::default(),
    };
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().name("read".to_owned());
        reader
            .spawn_scoped(scope, move || bring(plan, &ended, &sender))
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        for brought in receiver {
            if stop.load(Ordering::Relaxed) || runner.take(brought, tell) == ControlFlow::Break(()) {
                break;
            }
        }
        over.store(true, Ordering::Relaxed);
        let _ = runner.count_untold(tell);
        Ok(runner.summary)
    })
}

/// The reading thread: goes through the files until nobody wants more.
fn bring(plan: &Plan, ended: &Ended<'_>, to: &SyncSender<Brought>) {
    let mut place = Place::default();
    let (mut taken, mut bytes_before, mut enough) = (0, 0, false);
    let mut after_picture = false;
    for (at, file) in plan.files.iter().enumerate() {
        if !(after_picture && file.kind.is_picture()) {
            (place.session, place.in_session) = (place.session + 1, 0);
        }
        after_picture = file.kind.is_picture();
        (place.file, place.in_file) = (at, 0);
        let mut take = |found: Found<'_>| {
            if ended() {
                return ControlFlow::Break(());
            }
            place =
                Place { index: place.index + 1, in_file: place.in_file + 1, in_session: place.in_session + 1, ..place };
            if (place.in_session - 1) % plan.stride != 0 {
                return ControlFlow::Continue(());
            }
            let bytes = bytes_before + found.read_bytes.min(file.bytes);
            taken += 1;
            let gone = to.send(Brought::Frame { place, frame: (found.make)(), bytes }).is_err();
            enough = gone || Some(taken) == plan.max_frames;
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        if let Err(reason) = read(file, plan.limits, ended, &mut take)
            && to.send(Brought::BadFile { file: at, reason }).is_err()
        {
            return;
        }
        if enough || ended() {
            return;
        }
        bytes_before += file.bytes;
    }
}

/// Runs frames, and keeps what goes from one to the next.
struct Runner<'a> {
    plan: &'a Plan,
    pipeline: &'a Pipeline,
    annotator: Option<Annotator>,
    scratch: Scratch,
    state: PipelineState,
    /// Whose state it is.
    session: u64,
    frames: u64,
    /// A file, and its damaged frames so far.
    told: (usize, u64),
    summary: Summary,
}

type Tell<'a> = dyn FnMut(Event<'_>) -> ControlFlow<()> + 'a;

impl Runner<'_> {
    fn take(&mut self, brought: Brought, tell: &mut Tell<'_>) -> ControlFlow<()> {
        match brought {
            Brought::BadFile { file, reason } => {
                self.count_untold(tell)?;
                self.summary.problems += 1;
                tell(Event::Problem(&format!("{} {reason}", self.path(file).display())))
            }
            Brought::Frame { place, frame, bytes } => {
                self.frames += 1;
                let frames = self.frames;
                match frame.and_then(|frame| self.run(place, &frame).map(|result| (frame, result))) {
                    Ok((frame, result)) => self.deliver(place, &frame, &result, tell)?,
                    Err(reason) => self.bad_frame(place, &reason, tell)?,
                }
                tell(Event::Progress { frames, bytes })
            }
        }
    }

    fn run(&mut self, place: Place, frame: &Frame) -> Result<String, String> {
        if self.session != place.session {
            (self.session, self.state) = (place.session, PipelineState::default());
        }
        let run =
            FrameRun { frame_index: place.in_session, frame, could_run_at: Instant::now(), state: &mut self.state };
        service::run_on_frame(self.pipeline, run, &mut self.scratch).map_err(|failure| match failure {
            FrameFailure::Undecodable(error) => error.to_string(),
            FrameFailure::Node { node, reason } => format!("node \"{node}\" failed: {reason}"),
        })
    }

    fn deliver(&mut self, place: Place, frame: &Frame, result: &str, tell: &mut Tell<'_>) -> ControlFlow<()> {
        self.summary.results += 1;
        let line = match self.plan.with_paths {
            false => protocol::result_message(place.index, result),
            true => {
                let path = serde_json::Value::from(self.path(place.file).to_string_lossy());
                format!(
                    r#"{{"frame_index":{},"path":{path},"frame":{},"result":{result}}}"#,
                    place.index, place.in_file
                )
            }
        };
        tell(Event::Line(&line))?;
        let source = self.plan.files.get(place.file).map_or(Path::new(""), |file| &file.path);
        let drawn = self.annotator.as_mut().map(|annotator| annotator.write(place.index, source, frame, result));
        match drawn {
            None | Some(Ok(())) => ControlFlow::Continue(()),
            Some(Err(Unwritten::Undrawable(reason))) => self.bad_frame(place, &reason, tell),
            Some(Err(Unwritten::Disk(reason))) => {
                self.summary.problems += 1;
                // What failed for one picture (no room, no right) fails for the next.
                tell(Event::Problem(&reason))?;
                ControlFlow::Break(())
            }
        }
    }

    fn bad_frame(&mut self, place: Place, reason: &str, tell: &mut Tell<'_>) -> ControlFlow<()> {
        if self.told.0 != place.file {
            self.count_untold(tell)?;
            self.told = (place.file, 0);
        }
        self.summary.problems += 1;
        self.told.1 += 1;
        if self.told.1 > TOLD_OF_A_FILE {
            return ControlFlow::Continue(());
        }
        tell(Event::Problem(&format!("{}, frame {}: {reason}", self.path(place.file).display(), place.in_file)))
    }

    /// Says how many damaged frames of the file were not told.
    fn count_untold(&mut self, tell: &mut Tell<'_>) -> ControlFlow<()> {
        let (file, damaged) = std::mem::take(&mut self.told);
        match damaged.saturating_sub(TOLD_OF_A_FILE) {
            0 => ControlFlow::Continue(()),
            untold => tell(Event::Problem(&format!("{}: {untold} more such frames", self.path(file).display()))),
        }
    }

    fn path(&self, file: usize) -> &Path {
        self.plan.files.get(file).map_or(Path::new(""), |file| &file.path)
    }
}
