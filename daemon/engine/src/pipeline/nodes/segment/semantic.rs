//! Semantic masks: which class each pixel of the picture belongs to, as COCO's run lengths.

use serde_json::{Map, Value};

use super::super::labels;
use crate::pipeline::detection::rounded;
use crate::pipeline::nodes::detect::{check_labels, first_tensor, misfit};
use crate::pipeline::torch::{Array, Returned};

/// Runs of all masks of a frame: a result has a mebibyte at most, and a run is some 4 bytes.
const MAX_RUNS: usize = 100_000;

const EXPECTED: &str = "format = \"semantic\" expects a tensor [B, classes, H, W], alone, first, or as `out`";

/// What counts, and how it is called.
#[derive(Debug)]
pub(super) struct Classes<'a> {
    pub labels: Option<&'a [String]>,
    /// None keeps every class.
    pub kept: Option<&'a [i64]>,
    /// For a module of one class: the number over which a pixel belongs to it.
    pub limit: f32,
}

impl Classes<'_> {
    fn keep(&self, class: usize) -> bool {
        self.kept.is_none_or(|kept| i64::try_from(class).is_ok_and(|class| kept.contains(&class)))
    }
}

/// The classes of one picture's pixels.
#[derive(Debug)]
struct ClassMap {
    width: usize,
    height: usize,
    /// Row by row; none where it belongs to no class.
    classes: Vec<Option<usize>>,
}

/// The masks of the picture at this place of a batch: `{"masks": […]}`, one for each class that is there.
///
/// # Errors
/// An output that does not fit: what was found and what is expected.
pub(super) fn masks(
    returned: &Returned,
    (at, batch): (usize, usize),
    (frame_width, frame_height): (usize, usize),
    classes: &Classes<'_>,
) -> Result<Map<String, Value>, String> {
    let (mut map, count) = class_map(returned, at, batch, classes)?;
    // A mask of noise has more runs than can be sent: every second pixel of it has a quarter.
    while map.runs(classes) > MAX_RUNS {
        map = map.halved();
    }
    let pixel = frame_width as f64 * frame_height as f64 / (map.width * map.height).max(1) as f64;
    let masks = (0..count).filter_map(|class| {
        let pixels = map.classes.iter().filter(|at| **at == Some(class)).count();
        let class_id = i64::try_from(class).ok()?;
        if pixels == 0 || !classes.keep(class) {
            return None;
        }
        let rle = Map::from_iter([
            ("size".to_owned(), Value::from(vec![map.height, map.width])),
            ("counts".to_owned(), Value::from(map.run_lengths(class))),
        ]);
        Some(Value::Object(Map::from_iter([
            ("label".to_owned(), labels::name(classes.labels.unwrap_or_default(), class_id).into()),
            ("class_id".to_owned(), class_id.into()),
            ("area".to_owned(), rounded(pixels as f64 * pixel, 0)),
            ("rle".to_owned(), Value::Object(rle)),
        ])))
    });
    Ok(Map::from_iter([("masks".to_owned(), masks.collect())]))
}

fn class_map(returned: &Returned, at: usize, batch: usize, classes: &Classes<'_>) -> Result<(ClassMap, usize), String> {
    let array = match returned {
        Returned::Dict(entries) => match entries.iter().find(|(key, _)| key == "out") {
            Some((_, Returned::Tensor(array))) => array,
            _ => return Err(misfit(returned, EXPECTED)),
        },
        other => first_tensor(other, EXPECTED)?,
    };
    let Array { shape, values } = array;
    let &[pictures, count, height, width] = shape.as_slice() else { return Err(misfit(returned, EXPECTED)) };
    let (pixels, size) = (height * width, count * height * width);
    let values = values.get(at * size..(at + 1) * size).filter(|values| pictures == batch && !values.is_empty());
    let values = values.ok_or_else(|| misfit(returned, EXPECTED))?;
    check_labels(classes.labels, count)?;
    let mut best: Vec<(f32, Option<usize>)> = vec![(f32::NEG_INFINITY, None); pixels];
    for (class, plane) in values.chunks_exact(pixels).enumerate() {
        for (best, &value) in best.iter_mut().zip(plane) {
            if value > best.0 && (count > 1 || value > classes.limit) {
                *best = (value, Some(class));
            }
        }
    }
    Ok((ClassMap { width, height, classes: best.into_iter().map(|(_, class)| class).collect() }, count))
}

impl ClassMap {
    /// Down the columns, as COCO counts.
    fn columns(&self) -> impl Iterator<Item = Option<usize>> {
        let down =
            move |x: usize| (0..self.height).map(move |y| self.classes.get(y * self.width + x).copied().flatten());
        (0..self.width).flat_map(down)
    }

    /// Runs of all masks that are given, together, but for two of each.
    fn runs(&self, classes: &Classes<'_>) -> usize {
        let edges = self.columns().zip(self.columns().skip(1)).filter(|(one, next)| one != next);
        // An edge ends a run in the mask of either class.
        edges.flat_map(|(one, next)| [one, next]).flatten().filter(|&class| classes.keep(class)).count()
    }

    fn halved(&self) -> ClassMap {
        let rows = self.classes.chunks_exact(self.width.max(1)).step_by(2);
        ClassMap {
            width: self.width.div_ceil(2),
            height: self.height.div_ceil(2),
            classes: rows.flat_map(|row| row.iter().copied().step_by(2)).collect(),
        }
    }

    /// How many pixels are outside, then inside, then outside …
    fn run_lengths(&self, class: usize) -> Vec<usize> {
        let mut counts = vec![0];
        let mut inside = false;
        for pixel in self.columns() {
            if (pixel == Some(class)) != inside {
                inside = !inside;
                counts.push(0);
            }
            if let Some(run) = counts.last_mut() {
                *run += 1;
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn returned(shape: &[usize], values: &[f32]) -> Returned {
        Returned::Tensor(Array { shape: shape.to_vec(), values: values.to_vec() })
    }

    const ALL: Classes<'_> = Classes { labels: None, kept: None, limit: 0.0 };

    #[test]
    fn each_class_has_the_runs_of_its_pixels_down_the_columns() {
        // Two classes on two rows of three pixels: the second class has the right column and the lower left pixel.
        let output = returned(&[1, 2, 2, 3], &[1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
        let labels = ["ground".to_owned(), "water".to_owned()];
        let classes = Classes { labels: Some(&labels), ..ALL };
        let expected = json!({"masks": [
            {"label": "ground", "class_id": 0, "area": 300.0, "rle": {"size": [2, 3], "counts": [0, 1, 1, 2, 2]}},
            {"label": "water", "class_id": 1, "area": 300.0, "rle": {"size": [2, 3], "counts": [1, 1, 2, 2]}},
        ]});
        assert_eq!(Value::Object(masks(&output, (0, 1), (30, 20), &classes).unwrap()), expected);
        let kept = masks(&output, (0, 1), (30, 20), &Classes { kept: Some(&[1]), ..classes }).unwrap();
        assert_eq!(kept["masks"].as_array().unwrap().len(), 1);
        let named = Returned::Dict(vec![("aux".into(), Returned::None), ("out".into(), output)]);
        assert_eq!(Value::Object(masks(&named, (0, 1), (30, 20), &ALL).unwrap())["masks"][1]["label"], "1");
    }

    #[test]
    fn the_area_in_a_huge_frame_is_exact() {
        let found = masks(&returned(&[1, 1, 1, 1], &[1.0]), (0, 1), (5001, 5001), &ALL).unwrap();
        assert_eq!(found["masks"][0]["area"], 25_010_001.0);
    }

    #[test]
    fn one_class_is_what_is_over_the_threshold() {
        let output = returned(&[1, 1, 1, 4], &[-1.0, 2.0, f32::NAN, 0.5]);
        let found = masks(&output, (0, 1), (4, 1), &ALL).unwrap();
        assert_eq!(found["masks"][0]["rle"]["counts"], json!([1, 1, 1, 1]));
        let none = masks(&output, (0, 1), (4, 1), &Classes { limit: 3.0, ..ALL }).unwrap();
        assert_eq!(none["masks"], json!([]));
    }

    #[test]
    fn what_does_not_fit_is_said_with_its_shape() {
        for (output, batch, part) in [
            (returned(&[1, 2, 4], &[0.0; 8]), 1, "tensor [1, 2, 4]"),
            (returned(&[2, 2, 1, 1], &[0.0; 4]), 1, "tensor [2, 2, 1, 1]"),
            (returned(&[1, 0, 1, 1], &[]), 1, "tensor [1, 0, 1, 1]"),
            (Returned::Number(1.0), 1, "number"),
        ] {
            let error = masks(&output, (0, batch), (4, 4), &ALL).unwrap_err();
            assert!(error.contains(part) && error.contains("[B, classes, H, W]"), "{error}");
        }
        let labels = ["only".to_owned()];
        let error =
            masks(&returned(&[1, 2, 1, 1], &[0.0; 2]), (0, 1), (4, 4), &Classes { labels: Some(&labels), ..ALL });
        assert!(error.unwrap_err().contains("labels has 1 names and the module has 2 classes"));
    }

    #[test]
    fn noise_is_made_coarser_until_it_can_be_sent() {
        let side = 1024;
        let chequered: Vec<f32> =
            (0..side * side).map(|at| if (at / side + at) % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let found = masks(&returned(&[1, 1, side, side], &chequered), (0, 1), (side, side), &ALL).unwrap();
        assert!(Value::Object(found).to_string().len() < 1 << 20);
    }

    #[test]
    fn noise_of_classes_that_are_left_out_costs_no_pixel() {
        let side = 1024;
        // A quiet class in the left half; on the right, two others take turns.
        let plane = |class: usize| {
            (0..side * side).map(move |at| {
                let (x, y) = (at % side, at / side);
                let is = if x < side / 2 { 0 } else { 1 + (x + y) % 2 };
                if is == class { 1.0 } else { 0.0 }
            })
        };
        let output = returned(&[1, 3, side, side], &(0..3).flat_map(plane).collect::<Vec<f32>>());
        let size = |classes: &Classes<'_>| {
            masks(&output, (0, 1), (side, side), classes).unwrap()["masks"][0]["rle"]["size"].clone()
        };
        assert_eq!(size(&Classes { kept: Some(&[0]), ..ALL }), json!([side, side]));
        assert_eq!(size(&ALL), json!([side / 2, side / 2]));
    }
}
