//! Whether a module takes batches: found out at load, by running it, and never assumed. A traced module may have kept the
//! number 1, and one that looks at the whole batch (a maximum, a count) would mix what belongs to several sessions.

use super::{NodeSetup, fails_on};
use crate::pipeline::torch::{Array, Device, Input, Module, Normalise, Returned};
use base::config::Precision;

/// Most frames of one batch that a pipeline file may ask for.
pub(in crate::pipeline) const MOST_BATCH_FRAMES: usize = 64;
/// Most frames of one batch on a GPU, where the file does not say.
const ON_A_GPU: usize = 8;
/// How far a number of a row may be from that of the picture's own run, as a share of itself.
const OF_ITSELF: f32 = 1e-2;
/// What is added to it, as a share of the largest number of its tensor: batches take other kernels, which add in another
/// order, and numbers near 0 are the differences of larger ones. A GPU multiplies with fewer digits (TF32).
const OF_LARGEST: f32 = 1e-5;
const OF_LARGEST_ON_A_GPU: f32 = 1e-3;
/// Half precision: bfloat16 has 8 bits of them.
const OF_LARGEST_IN_HALF: f32 = 2e-2;
/// The numbers of classifiers and readers are all scores, none of them small beside pixels.
const OF_LARGEST_SCORE: f32 = 1e-3;
/// Different pictures that a module is tried on, and as many crops go together at the trial.
const PICTURES: usize = 3;

/// Why a module runs picture by picture.
enum Refusal {
    /// It fails on a single one, whatever batches are.
    Alone(String),
    /// What it did with a batch.
    Together(String),
}

/// Most frames that a module with one picture tensor as its input runs at once: what the pipeline file asks for, or what
/// the device gains by (1 on a CPU, 8 on a GPU), if the module can. It is run on different pictures of this size, one by
/// one and in batches of 2 and of the largest number; each row has to equal the picture's own run.
///
/// # Errors
/// The file asks for a batch, and the module cannot; the sentence says what it did.
pub(super) fn probe_batch(
    setup: &NodeSetup<'_>,
    module: &Module,
    (width, height): (usize, usize),
    normalise: &Normalise,
) -> Result<usize, String> {
    let wanted = setup.max_batch.unwrap_or(if setup.device == Device::Cpu { 1 } else { ON_A_GPU });
    if wanted <= 1 {
        return Ok(1);
    }
    let found = if *normalise == Normalise::Bytes {
        Err(Refusal::Together("`input = \"u8\"` gives the module one picture without a batch dimension".to_owned()))
    } else {
        let mut sizes = vec![2, wanted];
        sizes.dedup();
        takes_batches(module, (width, height), normalise, &sizes, noise(setup))
    };
    match (found, setup.max_batch) {
        (Ok(()), _) => Ok(wanted),
        (Err(Refusal::Together(reason)), Some(_)) => {
            Err(format!("max_batch = {wanted}: {reason}. Leave it out, or set it to 1"))
        }
        // Leaving out `max_batch` would not help.
        (Err(Refusal::Alone(reason)), Some(_)) if setup.settings.contains_key("input_size") => {
            Err(fails_on(width, height)(reason))
        }
        (Err(Refusal::Alone(reason)), Some(_)) => Err(reason),
        (Err(Refusal::Alone(reason) | Refusal::Together(reason)), None) => {
            log::debug!(event = "no_batches", node = setup.id, err = reason; "node {} runs frame by frame", setup.id);
            Ok(1)
        }
    }
}

/// Whether a module that gives scores may have several crops of this size at once: each of some different ones has to
/// have in a batch what it has alone.
pub(super) fn crops_go_together(
    setup: &NodeSetup<'_>,
    module: &Module,
    size: (usize, usize),
    normalise: &Normalise,
) -> bool {
    let found = takes_batches(module, size, normalise, &[PICTURES], noise(setup).max(OF_LARGEST_SCORE));
    if let Err(Refusal::Alone(reason) | Refusal::Together(reason)) = &found {
        log::debug!(event = "no_batches", node = setup.id, err = reason; "node {} runs crop by crop", setup.id);
    }
    found.is_ok()
}

/// What of the largest number of a tensor is no difference, where this node's model runs.
fn noise(setup: &NodeSetup<'_>) -> f32 {
    match (setup.precision, setup.device) {
        (Precision::Fp32, Device::Cpu) => OF_LARGEST,
        (Precision::Fp32, _) => OF_LARGEST_ON_A_GPU,
        _ => OF_LARGEST_IN_HALF,
    }
}

fn takes_batches(
    module: &Module,
    (width, height): (usize, usize),
    normalise: &Normalise,
    sizes: &[usize],
    noise: f32,
) -> Result<(), Refusal> {
    let most = sizes.iter().copied().max().unwrap_or(0);
    let pictures: Vec<Vec<u8>> = (0..most.min(PICTURES)).map(|which| picture(width, height, which)).collect();
    let alone = |rgb: &Vec<u8>| module.run(&Input::of(rgb, width, height)?, normalise);
    let own: Vec<Returned> = pictures.iter().map(alone).collect::<Result<_, _>>().map_err(Refusal::Alone)?;
    for &frames in sizes {
        let mut input = Input::new(width, height);
        let rows = pictures.iter().cycle().take(frames).try_for_each(|rgb| input.push(rgb));
        let rows = rows.and_then(|()| module.run_rows(&input, normalise));
        let rows = rows.map_err(|reason| Refusal::Together(format!("as a batch of {frames}, {reason}")))?;
        if !rows.iter().zip(own.iter().cycle()).all(|(row, own)| is_same(row, own, noise)) {
            return Err(Refusal::Together(format!(
                "in a batch of {frames} the module gives other values than for each picture alone"
            )));
        }
    }
    Ok(())
}

/// One of a few pictures that differ everywhere: gradients with edges, the same turned over and darker, and brighter stripes.
fn picture(width: usize, height: usize, which: usize) -> Vec<u8> {
    let byte = |value: usize| u8::try_from(value % 256).unwrap_or(0);
    let pixel = |x: usize, y: usize| match which {
        0 => [byte(x), byte(y), if (x / 32 + y / 32).is_multiple_of(2) { 40 } else { 210 }],
        1 => [byte(255 - y % 256) / 2, byte(x * 3) / 2, if (x / 16).is_multiple_of(2) { 90 } else { 0 }],
        _ => [if (x / 4).is_multiple_of(2) { 250 } else { 120 }, 255 - byte(x + y) / 2, 160 + byte(y * 5) / 4],
    };
    (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect()
}

fn is_same(row: &Returned, own: &Returned, noise: f32) -> bool {
    match (row, own) {
        (Returned::Tensor(row), Returned::Tensor(own)) => is_close(row, own, noise),
        (Returned::List(row), Returned::List(own)) => {
            row.len() == own.len() && row.iter().zip(own).all(|(row, own)| is_same(row, own, noise))
        }
        (Returned::Dict(row), Returned::Dict(own)) => {
            let same = |((key, row), (own_key, own)): (&(String, Returned), &(String, Returned))| {
                key == own_key && is_same(row, own, noise)
            };
            row.len() == own.len() && row.iter().zip(own).all(same)
        }
        (row, own) => row == own,
    }
}

fn is_close(row: &Array, own: &Array, noise: f32) -> bool {
    let largest =
        own.values.iter().filter(|value| value.is_finite()).fold(0.0_f32, |most, value| most.max(value.abs()));
    let close = |(row, own): (&f32, &f32)| {
        row == own || (row.is_nan() && own.is_nan()) || (row - own).abs() <= OF_ITSELF * own.abs() + noise * largest
    };
    row.shape == own.shape && row.values.iter().zip(&own.values).all(close)
}
