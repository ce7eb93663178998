//! Looking into what a module returned: which tensor, of which shape.

use crate::pipeline::torch::{Array, Returned};

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
