//! Masks of found objects (YOLACT's way, as YOLO-seg exports have it): each object has a coefficient for each of the module's
//! prototype masks; their weighted sum, scaled up to the input and cut at the object's box, is its mask.

use serde_json::{Map, Value};

use super::contour::{self, Mask, Ring};
use crate::pipeline::detection::rounded;
use crate::pipeline::nodes::detect::{Found, Place, misfit};
use crate::pipeline::torch::Returned;

/// How far simplifying may move an outline, in pixels of the input: steps of a pixel stay. A straight line through steps lies half a
/// pixel to one side of them, and a ragged mask has more border than area.
const TOLERANCE: f32 = 0.3;
/// Outlines of one object, the largest first.
const MAX_RINGS: usize = 128;
/// Corners of one object, and of all in a frame: a result has a mebibyte at most, and a corner is some 17 bytes.
const MAX_CORNERS: usize = 1000;
const MAX_CORNERS_OF_FRAME: usize = 30_000;

const EXPECTED: &str =
    "segment expects boxes and a tensor of prototypes [B, masks, h, w], as a YOLO-seg export returns them";

/// The prototype masks of one picture.
#[derive(Debug)]
pub(super) struct Prototypes<'a> {
    /// How many.
    pub count: usize,
    height: usize,
    width: usize,
    values: &'a [f32],
}

/// The mask of one object, and where in the input it lies.
#[derive(Debug)]
struct Placed {
    mask: Mask,
    left: usize,
    top: usize,
}

impl<'a> Prototypes<'a> {
    /// The prototypes of the picture at this place of a batch.
    ///
    /// # Errors
    /// What the module returned instead.
    pub(super) fn of(returned: &'a Returned, at: usize, batch: usize) -> Result<Self, String> {
        let wrong = || misfit(returned, EXPECTED);
        let array = match returned {
            Returned::List(values) => match values.as_slice() {
                // Some exports wrap the two once more, with what training wants.
                [Returned::List(inner), ..] => inner.get(1),
                [_, prototypes, ..] => Some(prototypes),
                _ => None,
            },
            _ => None,
        };
        let Some(Returned::Tensor(array)) = array else { return Err(wrong()) };
        let &[pictures, count, height, width] = array.shape.as_slice() else { return Err(wrong()) };
        let size = count * height * width;
        let values = array.values.get(at * size..(at + 1) * size).filter(|values| !values.is_empty());
        match values {
            Some(values) if pictures == batch => Ok(Prototypes { count, height, width, values }),
            _ => Err(wrong()),
        }
    }

    /// The object's mask where its box is, at the input's size; none where no pixel belongs to it.
    fn mask(&self, found: &Found, [width, height]: [usize; 2], limit: f32) -> Option<Placed> {
        // A pixel counts when its number lies in the box.
        let (left, right) = (first_pixel(found.bounds.x1, width), first_pixel(found.bounds.x2, width));
        let (top, bottom) = (first_pixel(found.bounds.y1, height), first_pixel(found.bounds.y2, height));
        if left >= right || top >= bottom {
            return None;
        }
        let columns: Vec<Between> = (left..right).map(|x| Between::of(x, width, self.width)).collect();
        let rows: Vec<Between> = (top..bottom).map(|y| Between::of(y, height, self.height)).collect();
        let (first, last) = (rows.first()?.before, rows.last()?.after);
        let summed: Vec<Vec<f32>> = (first..=last).map(|row| self.row(row, &found.extra)).collect();
        let across = |row: &[f32], at: &Between| at.mix(row.get(at.before), row.get(at.after));
        let mut inside = Vec::with_capacity(columns.len() * rows.len());
        for row in &rows {
            let (upper, lower) = (summed.get(row.before - first)?, summed.get(row.after - first)?);
            inside.extend(columns.iter().map(|at| row.mix(Some(&across(upper, at)), Some(&across(lower, at))) > limit));
        }
        inside.contains(&true).then(|| Placed {
            mask: Mask { width: right - left, height: bottom - top, inside },
            left,
            top,
        })
    }

    /// A row of the weighted sum of all prototypes.
    fn row(&self, row: usize, weights: &[f32]) -> Vec<f32> {
        let mut sum = vec![0.0; self.width];
        for (prototype, weight) in self.values.chunks_exact(self.height * self.width).zip(weights) {
            let values = prototype.get(row * self.width..(row + 1) * self.width).unwrap_or_default();
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
        }
        sum
    }
}

/// Where a pixel of a larger picture lies between two of a smaller one, pixels being squares with their value in the middle.
#[derive(Clone, Copy, Debug)]
struct Between {
    before: usize,
    after: usize,
    share: f32,
}

impl Between {
    fn of(at: usize, large: usize, small: usize) -> Self {
        let place = ((at as f32 + 0.5) * small as f32 / large as f32 - 0.5).max(0.0);
        let before = (place as usize).min(small.saturating_sub(1));
        Between { before, after: (before + 1).min(small.saturating_sub(1)), share: place - before as f32 }
    }

    fn mix(&self, before: Option<&f32>, after: Option<&f32>) -> f32 {
        let (before, after) = (before.copied().unwrap_or(f32::NAN), after.copied().unwrap_or(f32::NAN));
        before + (after - before) * self.share
    }
}

/// The first pixel at or after an edge; edges outside the picture are moved to it.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to the picture's side
fn first_pixel(edge: f32, side: usize) -> usize {
    edge.ceil().clamp(0.0, side as f32) as usize
}

/// What `segment` adds to the detections: each found object that has a mask, with `polygons` and `area` in pixels of the
/// frame. `limit` is the sum over which a pixel belongs to the object.
pub(super) fn outlined<'f>(
    prototypes: &Prototypes<'_>,
    found: &'f [Found],
    place: &Place,
    input_size: [usize; 2],
    limit: f32,
) -> Vec<(&'f Found, Map<String, Value>)> {
    let corners = (MAX_CORNERS_OF_FRAME / found.len().max(1)).clamp(8, MAX_CORNERS);
    let mask = |found: &'f Found| {
        let mask = prototypes.mask(found, input_size, limit)?;
        let rings = mask.rings_in_frame(place);
        let area: f64 = rings.iter().map(|ring| contour::area(ring)).sum();
        let point = |&(x, y): &(f32, f32)| Value::from(vec![rounded(x, 2), rounded(y, 2)]);
        let polygons: Value =
            bounded(rings, corners, place).iter().map(|ring| ring.iter().map(point).collect::<Value>()).collect();
        Some((found, Map::from_iter([("area".to_owned(), rounded(area, 0)), ("polygons".to_owned(), polygons)])))
    };
    found.iter().filter_map(mask).collect()
}

impl Placed {
    /// Its outlines in the frame, the largest first, cut at the frame's edges.
    fn rings_in_frame(&self, place: &Place) -> Vec<Ring> {
        let (width, height) = (place.frame_size.0 as f32, place.frame_size.1 as f32);
        let to_frame = |(x, y): (f32, f32)| {
            let (x, y) = (x + self.left as f32, y + self.top as f32);
            let (x, y) = place.placement.map_or((x, y), |placement| placement.to_frame(x, y));
            (x.clamp(0.0, width), y.clamp(0.0, height))
        };
        let rings = self.mask.rings().into_iter().map(|ring| ring.into_iter().map(to_frame).collect());
        let mut rings: Vec<Ring> = rings.filter(|ring: &Ring| contour::area(ring) != 0.0).collect();
        rings.sort_by(|a, b| contour::area(b).abs().total_cmp(&contour::area(a).abs()));
        rings
    }
}

/// The rings with few corners: simplified more and more until they fit, the smallest left out.
fn bounded(mut rings: Vec<Ring>, corners: usize, place: &Place) -> Vec<Ring> {
    rings.truncate(MAX_RINGS);
    let pixel = place.placement.map_or(1.0, |placement| {
        let ((from, _), (to, _)) = (placement.to_frame(0.0, 0.0), placement.to_frame(1.0, 0.0));
        to - from
    });
    let mut tolerance = TOLERANCE * pixel;
    loop {
        let simple: Vec<Ring> =
            rings.iter().map(|ring| contour::simplify(ring, tolerance)).filter(|ring| ring.len() > 2).collect();
        let count: usize = simple.iter().map(Vec::len).sum();
        if count <= corners {
            return simple;
        }
        // Coarser, and without the smaller half of the rings where there are many.
        tolerance *= 1.5;
        if rings.len() * 4 > corners {
            rings.truncate(rings.len() / 2);
        }
    }
}
