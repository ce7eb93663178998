//! What a module returned, as JSON: an object for a dict, an array or number otherwise. NaN and infinities become null, and
//! fractions are rounded to what a float32 holds for certain.

use serde_json::{Map, Number, Value};
use tch::{Device, IValue, Kind, TchError, Tensor};

use super::{short, sys};

/// Most numbers that one run of a module may return as JSON.
pub const MAX_NUMBERS: usize = 4096;

/// The value as JSON; `numbers_left` is what of [`MAX_NUMBERS`] is left, and left after it.
///
/// # Errors
/// An object or a key that has no JSON form, or too many numbers.
pub(super) fn to_json(value: IValue, numbers_left: &mut usize) -> Result<Value, String> {
    let mut list = |values: Vec<Value>| {
        *numbers_left = numbers_left.checked_sub(values.len()).ok_or_else(too_many)?;
        Ok(Value::Array(values))
    };
    match value {
        IValue::None => Ok(Value::Null),
        IValue::Bool(value) => Ok(Value::Bool(value)),
        IValue::Int(value) => Ok(value.into()),
        IValue::Double(value) => Ok(number(value)),
        IValue::String(value) => Ok(Value::String(value)),
        IValue::IntList(values) => list(values.into_iter().map(Value::from).collect()),
        IValue::DoubleList(values) => list(values.into_iter().map(number).collect()),
        IValue::BoolList(values) => list(values.into_iter().map(Value::Bool).collect()),
        IValue::Tensor(tensor) => tensor_to_json(&tensor, numbers_left),
        IValue::TensorList(tensors) => tensors
            .iter()
            .map(|tensor| tensor_to_json(tensor, numbers_left))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        IValue::Tuple(values) | IValue::GenericList(values) => {
            values.into_iter().map(|value| to_json(value, numbers_left)).collect::<Result<_, _>>().map(Value::Array)
        }
        IValue::GenericDict(entries) => {
            let entry = |(key, value)| match key {
                IValue::String(key) => Ok((key, to_json(value, numbers_left)?)),
                _ => Err("the module returned a dict with keys that are no strings".to_owned()),
            };
            entries.into_iter().map(entry).collect::<Result<Map<_, _>, String>>().map(Value::Object)
        }
        _ => Err(no_form()),
    }
}

fn tensor_to_json(tensor: &Tensor, numbers_left: &mut usize) -> Result<Value, String> {
    if !tensor.defined() {
        return Ok(Value::Null);
    }
    let wrong = |error: TchError| format!("the module's tensor cannot be read: {}", short(&error.to_string()));
    let shape = sys::shape(tensor).map_err(wrong)?;
    *numbers_left = numbers_left.checked_sub(numbers_of(&shape)).ok_or_else(too_many)?;
    let kind = tensor.f_kind().map_err(wrong)?;
    let flat = |kind: Kind| tensor.f_to_device(Device::Cpu)?.f_to_kind(kind)?.f_reshape([-1])?.f_contiguous();
    let values: Vec<Value> = match kind {
        Kind::Bool => {
            read::<i64>(&flat(Kind::Int64).map_err(wrong)?)?.iter().map(|&bit| Value::Bool(bit != 0)).collect()
        }
        Kind::Uint8 | Kind::Int8 | Kind::Int16 | Kind::Int | Kind::Int64 => {
            read::<i64>(&flat(Kind::Int64).map_err(wrong)?)?.into_iter().map(Value::from).collect()
        }
        _ => read::<f64>(&flat(Kind::Double).map_err(wrong)?)?.into_iter().map(number).collect(),
    };
    nest(&shape, &mut values.into_iter())
        .ok_or_else(|| "the module's tensor has fewer numbers than its shape".to_owned())
}

fn read<T>(flat: &Tensor) -> Result<Vec<T>, String>
where
    Vec<T>: for<'a> TryFrom<&'a Tensor, Error = TchError>,
{
    Vec::try_from(flat).map_err(|error| short(&error.to_string()))
}

/// Lists in lists, as the shape says; a tensor without dimensions is one number.
fn nest(shape: &[i64], values: &mut impl Iterator<Item = Value>) -> Option<Value> {
    match shape.split_first() {
        None => values.next(),
        Some((&size, rest)) => (0..size).map(|_| nest(rest, values)).collect::<Option<_>>().map(Value::Array),
    }
}

/// A float to six significant digits, which any float32 has; more of them are the noise of its binary form, and of the
/// machine's order of summing. Digits before the point stay: a large whole number may be an id or a time.
fn number(value: f64) -> Value {
    let rounded = if value.abs() < 1e5 { format!("{value:.5e}").parse().unwrap_or(value) } else { value.round() };
    // Without the sum there would be a "-0.0".
    Number::from_f64(rounded + 0.0).map_or(Value::Null, Value::Number)
}

/// What a tensor of this shape takes of [`MAX_NUMBERS`]. Empty lists cost too: a tensor of shape [100000000, 0] has no number
/// and a hundred million of them.
pub(super) fn numbers_of(shape: &[i64]) -> usize {
    let lists = shape.iter().scan(1_usize, |product, &size| {
        *product = product.saturating_mul(usize::try_from(size).unwrap_or(0));
        Some(*product)
    });
    // The last of them is the number of numbers; without dimensions it is one number.
    lists.max().unwrap_or(1)
}

pub(super) fn too_many() -> String {
    format!("the module returned more than {MAX_NUMBERS} numbers; reduce them in the module")
}

pub(super) fn no_form() -> String {
    "the module returned an object that has no JSON form; return a dict, tensors or numbers".to_owned()
}
