//! A batch's output, taken apart: what the module returned for each picture, as if it had run alone.

use tch::{IValue, TchError, Tensor};

use super::{short, sys};

/// Row `at` of an output for `of` pictures: of every tensor the part `at..at + 1` of its first dimension.
///
/// # Errors
/// Something that is not one row a picture: a tensor of another first dimension, a number, a string.
pub(super) fn row(value: &IValue, at: usize, of: usize) -> Result<IValue, String> {
    let all = |values: &[IValue]| values.iter().map(|value| row(value, at, of)).collect::<Result<Vec<_>, _>>();
    Ok(match value {
        IValue::None => IValue::None,
        IValue::Tensor(tensor) => IValue::Tensor(row_of(tensor, at, of)?),
        IValue::TensorList(tensors) => {
            IValue::TensorList(tensors.iter().map(|tensor| row_of(tensor, at, of)).collect::<Result<_, _>>()?)
        }
        IValue::Tuple(values) => IValue::Tuple(all(values)?),
        IValue::GenericList(values) => IValue::GenericList(all(values)?),
        IValue::GenericDict(entries) => {
            let entry = |(key, value): &(IValue, IValue)| match key {
                IValue::String(key) => Ok((IValue::String(key.clone()), row(value, at, of)?)),
                _ => Err("the module returned a dict with keys that are no strings".to_owned()),
            };
            IValue::GenericDict(entries.iter().map(entry).collect::<Result<_, String>>()?)
        }
        _ => return Err(format!("of {of} pictures the module returned a value that is not one row for each")),
    })
}

fn row_of(tensor: &Tensor, at: usize, of: usize) -> Result<Tensor, String> {
    let wrong = |error: TchError| short(&error.to_string());
    let (shape, number) = (sys::shape(tensor).map_err(wrong)?, |value: usize| i64::try_from(value).unwrap_or(i64::MAX));
    if shape.first() != Some(&number(of)) {
        return Err(format!("of {of} pictures the module returned a tensor of shape {shape:?}, not {of} rows"));
    }
    tensor.f_narrow(0, number(at), 1).map_err(wrong)
}
