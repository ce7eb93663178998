//! Looking into what a module returned: which tensor, of which shape.

use crate::pipeline::torch::{Array, Returned};

/// How far beside 0 to 1 a score may lie: half precision rounds.
const SCORE_ROUNDING: f32 = 0.01;

/// The tensor of a module that returns one, alone or first in a tuple; exporters differ.
///
/// # Errors
/// What it returned instead, and what is expected.
pub(in crate::pipeline::nodes) fn first_tensor<'a>(
    returned: &'a Returned,
    expected: &str,
) -> Result<&'a Array, String> {
    match returned {
        Returned::Tensor(array) => Ok(array),
        Returned::List(values) => match values.first() {
            Some(Returned::Tensor(array)) => Ok(array),
            Some(first @ Returned::List(_)) => first_tensor(first, expected),
            _ => Err(misfit(returned, expected)),
        },
        _ => Err(misfit(returned, expected)),
    }
}

/// Rows and columns of a tensor `[batch, rows, columns]`, and the values of the picture at this place of the batch.
///
/// # Errors
/// What it is instead, and what is expected.
pub(super) fn of_picture<'a>(
    returned: &'a Returned,
    at: usize,
    batch: usize,
    expected: &str,
) -> Result<(usize, usize, &'a [f32]), String> {
    let array = first_tensor(returned, expected)?;
    let &[pictures, rows, columns] = array.shape.as_slice() else { return Err(misfit(returned, expected)) };
    if pictures != batch {
        return Err(format!("the module was given {batch} pictures and returned {}", returned.describe()));
    }
    let values = array.values.get(at * rows * columns..(at + 1) * rows * columns);
    Ok((rows, columns, values.ok_or_else(|| misfit(returned, expected))?))
}

/// A sentence: the shapes found, and what is expected.
pub(in crate::pipeline::nodes) fn misfit(returned: &Returned, expected: &str) -> String {
    format!("the module returned {}, and {expected}", returned.describe())
}

/// That what a format takes for scores can be some. Exports with something behind their classes have the shape of one with
/// more classes, and would give boxes of classes that nobody trained. NaN is no score, and no sign of another format.
///
/// # Errors
/// The shapes, the number that is no score, and what it may be instead.
pub(super) fn check_scores<'a>(
    returned: &Returned,
    format: &str,
    classes: usize,
    mut scores: impl Iterator<Item = &'a f32>,
) -> Result<(), String> {
    match scores.find(|score| **score < -SCORE_ROUNDING || **score > 1.0 + SCORE_ROUNDING) {
        Some(score) => Err(format!(
            "the module returned {}, in which format = \"{format}\" sees {classes} classes, and a score of one is {score}, not 0 to 1; \
             a segmentation export belongs into kind \"segment\"; otherwise these are keypoints, angles or logits, which no \
             format has",
            returned.describe()
        )),
        None => Ok(()),
    }
}

/// That there is a label for each class.
///
/// # Errors
/// How many there are of each.
pub(in crate::pipeline::nodes) fn check_labels(labels: Option<&[String]>, classes: usize) -> Result<(), String> {
    match labels {
        Some(labels) if labels.len() != classes => Err(format!(
            "labels has {} names and the module has {classes} classes; correct labels, or format if that is wrong",
            labels.len()
        )),
        _ => Ok(()),
    }
}
