//! `format = "db"`: regions of text from a probability map in the manner of DBNet (Liao et al., "Real-time Scene Text
//! Detection with Differentiable Binarization", 2020). The map marks the shrunken middle of each line; what is above a
//! threshold is parted into connected regions, each gets the smallest rectangle about it, and that is grown by
//! `area × ratio ÷ perimeter` on every side to the line's size. Pure.
//!
//! Text is read within 45° of the horizontal: a line that runs down is taken for a tall one.

use super::found::Found;
use super::look::Look;
use super::output::{check_labels, first_tensor, misfit};
use super::reading::Reading;
use super::rectangle::Rectangle;
use crate::pipeline::quad::{Point, Quad};
use crate::pipeline::torch::{Array, Returned};

/// Most regions of a map that are given, those that are too thin left out; noise may have thousands.
const MAX_REGIONS: usize = 1000;

/// The label of the only class, where the pipeline file gives none.
pub(super) const LABEL: &str = "text";

/// The lines of text of one picture, the surest first, in pixels of the module's input.
pub(super) fn decode(returned: &Returned, look: &Look<'_>) -> Result<Vec<Found>, String> {
    check_labels(look.labels, 1)?;
    let [width, height] = look.input_size.unwrap_or_default();
    let expected = format!(
        "format = \"db\" expects a map of probabilities [{}, 1, {height}, {width}], or both sides smaller by one factor",
        look.batch
    );
    let Array { shape, values } = first_tensor(returned, &expected)?;
    let (rows, columns) = match shape[..] {
        [batch, 1, rows, columns]
            if batch == look.batch && rows > 0 && columns > 0 && rows * width == columns * height =>
        {
            (rows, columns)
        }
        _ => return Err(misfit(returned, &expected)),
    };
    let map = values.get(look.at * rows * columns..(look.at + 1) * rows * columns);
    let map = map.ok_or_else(|| misfit(returned, &expected))?;
    let scale = width as f32 / columns as f32;
    let mut all: Vec<Found> = regions(map, columns, &look.rules.map)
        .into_iter()
        .filter(|region| look.rules.pass(region.score, 0))
        .map(|region| found(region.corners.map(|[x, y]| [x * scale, y * scale]), region.score))
        .collect();
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all.truncate(look.rules.max_detections);
    Ok(all)
}

fn found(outline: Quad, score: f32) -> Found {
    Found { bounds: outline.bounds(), score, outline: Some(outline), ..Found::default() }
}

/// A line of text in the map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Region {
    /// Its corners, in pixels of the map.
    pub corners: Quad,
    /// The mean probability of its pixels.
    pub score: f32,
}

/// The regions of a map, `height` rows of `width` probabilities, in the order of their uppermost pixels. NaN is no text.
pub(super) fn regions(map: &[f32], width: usize, reading: &Reading) -> Vec<Region> {
    if width == 0 {
        return Vec::new();
    }
    let mut open: Vec<bool> = map.iter().map(|&value| value > reading.map_threshold).collect();
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(start) = open.iter().skip(next).position(|&is_text| is_text).map(|ahead| next + ahead) {
        let pixels = take_region(&mut open, width, start);
        found.extend(region(&pixels, map, width, reading));
        next = start + 1;
        if found.len() == MAX_REGIONS {
            break;
        }
    }
    found
}

/// Takes the pixels that are connected with this one, over sides and corners, out of the open ones.
fn take_region(open: &mut [bool], width: usize, start: usize) -> Vec<usize> {
    let mut pixels = Vec::new();
    let mut take = |at: usize, pixels: &mut Vec<usize>| {
        if let Some(is_open) = open.get_mut(at).filter(|is_open| **is_open) {
            *is_open = false;
            pixels.push(at);
        }
    };
    take(start, &mut pixels);
    let mut done = 0;
    while let Some(&at) = pixels.get(done) {
        done += 1;
        let (column, row) = (at % width, at / width);
        for near_row in row.saturating_sub(1)..=row + 1 {
            for near_column in column.saturating_sub(1)..=(column + 1).min(width - 1) {
                take(near_row * width + near_column, &mut pixels);
            }
        }
    }
    pixels
}

fn region(pixels: &[usize], map: &[f32], width: usize, reading: &Reading) -> Option<Region> {
    let rectangle = Rectangle::about(&outline(pixels, width))?;
    let (along, across) = rectangle.size;
    if along.min(across) < reading.min_side {
        return None;
    }
    let by = along * across * reading.unclip_ratio / (2.0 * (along + across));
    let sum: f32 = pixels.iter().filter_map(|&at| map.get(at)).sum();
    Some(Region { corners: rectangle.grown(by).corners(), score: sum / pixels.len().max(1) as f32 })
}

/// The corners of the first and the last pixel of each row: all that the smallest rectangle hangs on.
fn outline(pixels: &[usize], width: usize) -> Vec<Point> {
    let mut sorted = pixels.to_vec();
    sorted.sort_unstable();
    sorted
        .chunk_by(|a, b| a / width == b / width)
        .filter_map(|row| Some((row.first()?, row.last()?)))
        .flat_map(|(&first, &last)| {
            // Sides of maps are far below the 16 million that f32 counts exactly.
            let (top, left, right) = ((first / width) as f32, (first % width) as f32, (last % width + 1) as f32);
            [[left, top], [right, top], [left, top + 1.0], [right, top + 1.0]]
        })
        .collect()
}

#[cfg(test)]
#[path = "db_tests.rs"]
mod tests;
