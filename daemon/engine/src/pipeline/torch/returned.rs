//! What a module returned, out of libtorch: plain numbers that nodes work on.

use tch::{Device, IValue, Kind, TchError, Tensor};

use super::{short, sys};

/// Most numbers in the tensors of one picture's output that are taken out of libtorch: a mask of 20 classes at 1280 × 1280 has half of it.
pub(super) const MAX_VALUES: usize = 64 << 20;

/// A tensor's numbers, on the CPU, as float32 whatever it held; rows of the last dimension lie together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Array {
    /// Its dimensions; none for a single number.
    pub shape: Vec<usize>,
    /// As many as the product of the dimensions.
    pub values: Vec<f32>,
}

/// What a module returned.
#[derive(Clone, Debug, PartialEq)]
pub enum Returned {
    /// A tensor.
    Tensor(Array),
    /// A list or tuple.
    List(Vec<Returned>),
    /// A dict with string keys, in its order.
    Dict(Vec<(String, Returned)>),
    /// An int, float or bool (0 or 1).
    Number(f64),
    /// A string.
    Text(String),
    /// `None`, or an undefined tensor.
    None,
}

impl Returned {
    /// Its kind and shapes, for messages: `tensor [1, 84, 2100]`, `list of 2 (tensor [4], tensor [4, 4])`.
    pub fn describe(&self) -> String {
        match self {
            Returned::Tensor(array) => format!("tensor {:?}", array.shape),
            Returned::List(values) => format!("list of {}{}", values.len(), describe_some(values.iter())),
            Returned::Dict(entries) => {
                let names: Vec<&str> = entries.iter().take(8).map(|(name, _)| name.as_str()).collect();
                format!("dict with {}{}", names.join(", "), describe_some(entries.iter().map(|(_, value)| value)))
            }
            Returned::Number(_) => "number".to_owned(),
            Returned::Text(_) => "string".to_owned(),
            Returned::None => "None".to_owned(),
        }
    }

    pub(super) fn from_libtorch(value: IValue) -> Result<Returned, String> {
        let all = |values: Vec<IValue>| {
            values.into_iter().map(Returned::from_libtorch).collect::<Result<_, _>>().map(Returned::List)
        };
        Ok(match value {
            IValue::None => Returned::None,
            IValue::Bool(value) => Returned::Number(f64::from(u8::from(value))),
            // Numbers of libtorch are 64 bits wide; what nodes use them for is far below 2^53.
            #[allow(clippy::cast_precision_loss)]
            IValue::Int(value) => Returned::Number(value as f64),
            IValue::Double(value) => Returned::Number(value),
            IValue::String(text) => Returned::Text(text),
            IValue::Tensor(tensor) => tensor_of(&tensor)?,
            IValue::TensorList(tensors) => Returned::List(tensors.iter().map(tensor_of).collect::<Result<_, _>>()?),
            IValue::Tuple(values) | IValue::GenericList(values) => all(values)?,
            IValue::IntList(values) => all(values.into_iter().map(IValue::Int).collect())?,
            IValue::DoubleList(values) => all(values.into_iter().map(IValue::Double).collect())?,
            IValue::BoolList(values) => all(values.into_iter().map(IValue::Bool).collect())?,
            IValue::StringList(values) => all(values.into_iter().map(IValue::String).collect())?,
            IValue::GenericDict(entries) => {
                let entry = |(key, value)| match key {
                    IValue::String(key) => Ok((key, Returned::from_libtorch(value)?)),
                    _ => Err("the module returned a dict with keys that are no strings".to_owned()),
                };
                Returned::Dict(entries.into_iter().map(entry).collect::<Result<_, String>>()?)
            }
            _ => return Err(no_form()),
        })
    }
}

fn describe_some<'a>(values: impl Iterator<Item = &'a Returned>) -> String {
    let some: Vec<String> = values.take(4).map(Returned::describe).collect();
    if some.is_empty() { String::new() } else { format!(" ({})", some.join(", ")) }
}

fn tensor_of(tensor: &Tensor) -> Result<Returned, String> {
    if !tensor.defined() {
        return Ok(Returned::None);
    }
    let wrong = |error: TchError| format!("the module's tensor cannot be read: {}", short(&error.to_string()));
    let shape = sys::shape(tensor).map_err(wrong)?;
    if numbers_of(&shape) > MAX_VALUES {
        return Err(too_many(&shape));
    }
    let flat = || tensor.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?.f_contiguous()?.f_view([-1]);
    let values = Vec::try_from(&flat().map_err(wrong)?).map_err(wrong)?;
    let shape = shape.into_iter().map(|size| usize::try_from(size).unwrap_or(0)).collect();
    Ok(Returned::Tensor(Array { shape, values }))
}

/// How many numbers a tensor of this shape has.
pub(super) fn numbers_of(shape: &[i64]) -> usize {
    shape.iter().fold(1, |numbers, &size| usize::saturating_mul(numbers, usize::try_from(size).unwrap_or(0)))
}

pub(super) fn too_many(shape: &[i64]) -> String {
    format!("the module returned a tensor of shape {shape:?}; at most {MAX_VALUES} numbers are taken")
}

pub(super) fn no_form() -> String {
    "the module returned an object; return tensors, or lists and dicts of them".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_returned_is_taken_out_of_libtorch() {
        let boxes = Tensor::from_slice2(&[[1_i64, 2], [3, 4]]).transpose(0, 1);
        let returned = Returned::from_libtorch(IValue::GenericList(vec![
            IValue::GenericDict(vec![(IValue::String("boxes".into()), IValue::Tensor(boxes))]),
            IValue::Tuple(vec![IValue::Tensor(Tensor::from(0.5_f64)), IValue::None, IValue::Bool(true)]),
            IValue::Tensor(Tensor::zeros([1, 0, 6], (Kind::Half, Device::Cpu))),
        ]))
        .unwrap();
        let tensor = |shape: &[usize], values: &[f32]| {
            Returned::Tensor(Array { shape: shape.to_vec(), values: values.to_vec() })
        };
        assert_eq!(
            returned,
            Returned::List(vec![
                Returned::Dict(vec![("boxes".into(), tensor(&[2, 2], &[1.0, 3.0, 2.0, 4.0]))]),
                Returned::List(vec![tensor(&[], &[0.5]), Returned::None, Returned::Number(1.0)]),
                tensor(&[1, 0, 6], &[]),
            ])
        );
        assert_eq!(
            returned.describe(),
            "list of 3 (dict with boxes (tensor [2, 2]), list of 3 (tensor [], None, number), tensor [1, 0, 6])"
        );
    }
}
