//! The plain loop: decode, resize, forward, as fast as one can write it with the libraries that the daemon uses, and
//! nothing else. Every worker is a thread with its own decoder and buffers; the allocator is tuned as the daemon's is.

use std::path::PathBuf;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use engine::engine::tune_allocator;
use fast_image_resize::images::{Image as ResizeImage, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use load::frames;
use serde::{Deserialize, Serialize};
use tch::{CModule, Device, IValue, Kind, Tensor};
use turbojpeg::{Decompressor, Image, PixelFormat, ScalingFactor};

use crate::machine;

/// Time before frames count: libtorch optimises a module on its first runs.
const WARM_UP: Duration = Duration::from_millis(1500);

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TorchScript file
    #[arg(long)]
    pub model: PathBuf,
    /// Folder of JPEG frames
    #[arg(long)]
    pub frames: PathBuf,
    /// Width that the model is fed
    #[arg(long)]
    pub width: usize,
    /// Height that the model is fed
    #[arg(long)]
    pub height: usize,
    /// Threads, each with one thread of libtorch
    #[arg(long)]
    pub workers: usize,
    /// Seconds to measure
    #[arg(long)]
    pub seconds: f64,
    /// Frames a second of each thread; as many as it can when not given
    #[arg(long)]
    pub fps: Option<f64>,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Frames a second of all threads together.
    pub frames_per_s: f64,
    /// Median time of a frame in milliseconds: from its start, or from when it was due when paced.
    pub p50_ms: f64,
    /// 99 % take at most this, in milliseconds.
    pub p99_ms: f64,
    /// Resident memory at the end, in bytes.
    pub rss: u64,
}

impl Args {
    /// The command line that says the same.
    pub fn to_command(&self) -> Vec<String> {
        let text = |value: &PathBuf| value.display().to_string();
        let mut command = vec!["plain-loop".to_owned()];
        let mut option = |name: &str, value: String| command.extend([format!("--{name}"), value]);
        option("model", text(&self.model));
        option("frames", text(&self.frames));
        option("width", self.width.to_string());
        option("height", self.height.to_string());
        option("workers", self.workers.to_string());
        option("seconds", self.seconds.to_string());
        if let Some(fps) = self.fps {
            option("fps", fps.to_string());
        }
        command
    }
}

/// Runs the loop and prints its report.
///
/// # Errors
/// A model or frames that cannot be used.
pub fn run(args: &Args) -> Result<()> {
    tune_allocator();
    tch::set_num_interop_threads(1);
    tch::jit::set_tensor_expr_fuser_enabled(false);
    let frames = frames::load(&args.frames)?;
    let mut module = CModule::load(&args.model).with_context(|| format!("cannot load {}", args.model.display()))?;
    module.f_set_eval()?;
    let each: Vec<Result<Vec<Duration>>> = thread::scope(|scope| {
        let start = |_| scope.spawn(|| Worker::new(&module, args)?.run(&frames, args));
        let threads: Vec<_> = (0..args.workers).map(start).collect();
        let ended =
            |thread: thread::ScopedJoinHandle<'_, _>| thread.join().map_err(|_| anyhow!("a worker panicked"))?;
        threads.into_iter().map(ended).collect()
    });
    let mut times = each.into_iter().collect::<Result<Vec<_>>>()?.concat();
    times.sort();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).map_or(0.0, |t| t.as_secs_f64() * 1e3);
    let report = Report {
        frames_per_s: times.len() as f64 / args.seconds,
        p50_ms: at(0.50),
        p99_ms: at(0.99),
        rss: machine::rss(process::id())?,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// A thread's module, decoder and buffers.
struct Worker<'a> {
    module: &'a CModule,
    size: (usize, usize),
    jpeg: Decompressor,
    pixels: Vec<u8>,
    resizer: Resizer,
    scaled: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(module: &'a CModule, args: &Args) -> Result<Self> {
        let size = (args.width, args.height);
        let jpeg = Decompressor::new()?;
        Ok(Self { module, size, jpeg, pixels: vec![], resizer: Resizer::new(), scaled: vec![0; size.0 * size.1 * 3] })
    }

    /// The times of the frames that ended inside the measurement.
    fn run(mut self, frames: &[Bytes], args: &Args) -> Result<Vec<Duration>> {
        tch::set_num_threads(1);
        let _no_grad = tch::no_grad_guard();
        let begin = Instant::now();
        let end = WARM_UP + Duration::from_secs_f64(args.seconds);
        let mut times = Vec::new();
        for (number, frame) in (0_u32..).zip(frames.iter().cycle()) {
            let due = match args.fps {
                Some(fps) => begin + Duration::from_secs_f64(f64::from(number) / fps),
                None => Instant::now(),
            };
            thread::sleep(due.saturating_duration_since(Instant::now()));
            self.frame(frame)?;
            let done = begin.elapsed();
            if done >= end {
                break;
            }
            if done >= WARM_UP {
                times.push(due.elapsed());
            }
        }
        Ok(times)
    }

    fn frame(&mut self, frame: &[u8]) -> Result<IValue> {
        let (width, height) = self.size;
        let header = self.jpeg.read_header(frame)?;
        let scale = [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF]
            .into_iter()
            .find(|scale| scale.scale(header.width) >= width && scale.scale(header.height) >= height)
            .unwrap_or(ScalingFactor::ONE);
        self.jpeg.set_scaling_factor(scale)?;
        let (from_width, from_height) = (scale.scale(header.width), scale.scale(header.height));
        self.pixels.resize(from_width * from_height * 3, 0);
        self.jpeg.decompress(
            frame,
            Image {
                pixels: self.pixels.as_mut_slice(),
                width: from_width,
                pitch: from_width * 3,
                height: from_height,
                format: PixelFormat::RGB,
            },
        )?;
        let rgb = if (from_width, from_height) == (width, height) {
            &self.pixels
        } else {
            let from = ImageRef::new(from_width as u32, from_height as u32, &self.pixels, PixelType::U8x3)?;
            let mut to = ResizeImage::from_slice_u8(width as u32, height as u32, &mut self.scaled, PixelType::U8x3)?;
            let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
            self.resizer.resize(&from, &mut to, &options)?;
            &self.scaled
        };
        let planes = Tensor::f_from_data_size(rgb, &[height as i64, width as i64, 3], Kind::Uint8)?;
        let planes = planes.f_permute([2, 0, 1])?.f_contiguous()?.f_unsqueeze(0)?;
        let input = planes.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_mul_scalar_(1.0 / 255.0)?;
        Ok(self.module.forward_is(&[IValue::Tensor(input)])?)
    }
}
