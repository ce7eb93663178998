//! From detections to what a reader is fed: each laid flat at the reader's height, padded to one of a few widths, and put
//! together by width.

use crate::pipeline::detection::Detection;
use crate::pipeline::image::{Picture, rectify};
use crate::pipeline::quad::{POLYGON, Quad};
use crate::pipeline::torch::Input;

/// Bytes of a pixel: red, green and blue.
const RGB: usize = 3;

/// Crops of one width, and whose they are.
#[derive(Debug)]
pub(super) struct Batch {
    /// What the module gets.
    pub input: Input,
    /// The place of each crop's detection.
    pub places: Vec<usize>,
}

/// What a detection covers of a frame: its outline where that has four corners, else its box. None where no part of it is
/// in the frame.
pub(super) fn region(detection: &Detection, frame_size: (usize, usize)) -> Option<Quad> {
    let visible = |quad: &Quad| {
        let bounds = quad.bounds();
        bounds.is_finite() && bounds.clipped(frame_size).area() > 0.0
    };
    let outline = detection.outline.or_else(|| detection.more.get(POLYGON).and_then(Quad::read));
    let outline = outline.filter(|quad| quad.size().0 * quad.size().1 > 0.0);
    let upright = || (detection.bounds.area() > 0.0).then(|| Quad::of_bounds(detection.bounds.clipped(frame_size)));
    outline.or_else(upright).filter(visible)
}

/// Cuts the crops of these regions and gives them to `run`, one batch after another: each is run before the next is cut, so
/// that there is one at a time, of `at_once` crops at most. `widths` is in rising order.
///
/// # Errors
/// `run`'s, after which nothing more is cut; of its own only for a height or width of 0, which settings do not have.
pub(super) fn for_each_batch(
    regions: &[Option<(Picture<'_>, Quad)>],
    height: usize,
    widths: &[usize],
    at_once: usize,
    mut run: impl FnMut(&Batch) -> Result<(), String>,
) -> Result<(), String> {
    let longest = widths.last().copied().unwrap_or(1);
    // Narrow first.
    for &padded in widths {
        let narrower = widths.iter().rev().find(|&&width| width < padded).copied().unwrap_or(0);
        let mut open = Batch { input: Input::new(padded, height), places: Vec::new() };
        for (place, region) in regions.iter().enumerate() {
            let Some((picture, quad)) = region else { continue };
            let width = width_of(quad, height, longest);
            if width <= narrower || width > padded {
                continue;
            }
            open.input.push(&pad(&rectify(picture, quad, width, height), width, padded))?;
            open.places.push(place);
            if open.places.len() >= at_once {
                run(&open)?;
                open = Batch { input: Input::new(padded, height), places: Vec::new() };
            }
        }
        if !open.places.is_empty() {
            run(&open)?;
        }
    }
    Ok(())
}

/// The width of a crop at this height, its proportions kept; at most `longest`, to which longer ones are squeezed.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped; NaN becomes 0
fn width_of(quad: &Quad, height: usize, longest: usize) -> usize {
    let (wide, high) = quad.size();
    let width = (wide * height as f32 / high.max(f32::MIN_POSITIVE)).round();
    (width.min(longest as f32) as usize).clamp(1, longest.max(1))
}

/// Rows made longer with the crop's mean colour: neither ink, nor a stronger edge than it needs.
fn pad(rgb: &[u8], width: usize, padded: usize) -> Vec<u8> {
    if width == padded {
        return rgb.to_vec();
    }
    let pixels = (rgb.len() / RGB).max(1) as u64;
    let mean: [u8; RGB] = std::array::from_fn(|channel| {
        let sum: u64 = rgb.iter().skip(channel).step_by(RGB).map(|&value| u64::from(value)).sum();
        u8::try_from((sum + pixels / 2) / pixels).unwrap_or(u8::MAX)
    });
    let margin = mean.repeat(padded.saturating_sub(width));
    rgb.chunks_exact((width * RGB).max(1)).flat_map(|row| [row, margin.as_slice()]).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pipeline::detection::Bounds;

    fn boxed(x1: f32, y1: f32, x2: f32, y2: f32) -> Detection {
        Detection { bounds: Bounds { x1, y1, x2, y2 }, ..Detection::default() }
    }

    #[test]
    fn an_outline_of_four_corners_comes_before_the_box() {
        let size = (100, 50);
        let mut detection = boxed(10.0, 10.0, 40.0, 20.0);
        assert_eq!(region(&detection, size), Some(Quad::of_bounds(detection.bounds)));
        let outline = json!([[10, 12], [40, 10], [40, 18], [10, 20]]);
        detection.more.insert(POLYGON.to_owned(), outline.clone());
        assert_eq!(region(&detection, size), Quad::read(&outline));
        for no_outline in [json!([[10, 12], [40, 10], [40, 18]]), json!([[1, 1], [1, 1], [1, 1], [1, 1]]), json!("x")] {
            detection.more.insert(POLYGON.to_owned(), no_outline);
            assert_eq!(region(&detection, size), Some(Quad::of_bounds(detection.bounds)));
        }
        let exact = Quad([[10.001, 12.0], [40.0, 10.0], [40.0, 18.0], [10.0, 20.0]]);
        detection.outline = Some(exact);
        assert_eq!(region(&detection, size), Some(exact), "a detector's own");
    }

    #[test]
    fn what_is_not_in_the_frame_has_no_crop() {
        let size = (100, 50);
        let cut = Quad::of_bounds(Bounds { x1: 90.0, y1: 0.0, x2: 100.0, y2: 20.0 });
        assert_eq!(region(&boxed(90.0, -5.0, 140.0, 20.0), size), Some(cut), "cut off at the border");
        for nothing in [
            boxed(100.0, 0.0, 120.0, 20.0),
            boxed(10.0, 10.0, 10.0, 20.0),
            boxed(20.0, 10.0, 10.0, 20.0),
            boxed(f32::NAN, 0.0, 10.0, 10.0),
        ] {
            assert_eq!(region(&nothing, size), None, "{nothing:?}");
        }
        let mut outside = boxed(0.0, 0.0, 10.0, 10.0);
        outside.more.insert(POLYGON.to_owned(), json!([[200, 0], [220, 0], [220, 9], [200, 9]]));
        assert_eq!(region(&outside, size), None);
    }

    /// Crops and places of each batch.
    fn batches(regions: &[Option<(Picture<'_>, Quad)>], height: usize, widths: &[usize]) -> Vec<(usize, Vec<usize>)> {
        let mut made = Vec::new();
        let keep = |batch: &Batch| {
            made.push((batch.input.len(), batch.places.clone()));
            Ok(())
        };
        for_each_batch(regions, height, widths, 32, keep).unwrap();
        made
    }

    #[test]
    fn crops_go_together_by_the_smallest_width_that_fits() {
        let rgb = vec![90_u8; 400 * 40 * 3];
        let picture = Picture { rgb: &rgb, width: 400, height: 40, frame_size: (400, 40) };
        let wide = |width: f32| Some((picture, Quad::of_bounds(Bounds { x1: 0.0, y1: 0.0, x2: width, y2: 20.0 })));
        let regions = [wide(20.0), None, wide(100.0), wide(400.0), wide(1.0), wide(40.0), wide(200.0)];
        let made = batches(&regions, 10, &[20, 50, 100]);
        // 20 wide and 20 high are 10 wide here; 400 are squeezed from 200 to 100.
        assert_eq!(made, [(3, vec![0, 4, 5]), (1, vec![2]), (2, vec![3, 6])]);
        assert!(batches(&[], 10, &[20]).is_empty());
    }

    #[test]
    fn three_hundred_crops_are_several_batches() {
        let rgb = vec![90_u8; 40 * 20 * 3];
        let picture = Picture { rgb: &rgb, width: 40, height: 20, frame_size: (40, 20) };
        let regions = vec![Some((picture, Quad::of_bounds(Bounds { x1: 0.0, y1: 0.0, x2: 40.0, y2: 20.0 }))); 300];
        let made = batches(&regions, 8, &[16, 32]);
        let sizes: Vec<usize> = made.iter().map(|(crops, _)| *crops).collect();
        assert_eq!(sizes, [32, 32, 32, 32, 32, 32, 32, 32, 32, 12]);
        let order: Vec<usize> = made.into_iter().flat_map(|(_, places)| places).collect();
        assert_eq!(order, (0..300).collect::<Vec<_>>());
        let mut runs = 0;
        let fail = |_: &Batch| {
            runs += 1;
            Err("no".to_owned())
        };
        assert_eq!(for_each_batch(&regions, 8, &[16, 32], 32, fail), Err("no".to_owned()));
        assert_eq!(runs, 1, "nothing is cut for a module that fails");
    }

    #[test]
    fn padding_is_the_crops_mean_colour() {
        let rgb = [10, 0, 4, 20, 0, 5, 30, 8, 6, 40, 8, 7];
        assert_eq!(pad(&rgb, 2, 3), [10, 0, 4, 20, 0, 5, 25, 4, 6, 30, 8, 6, 40, 8, 7, 25, 4, 6]);
        assert_eq!(pad(&rgb, 2, 2), rgb);
    }
}
