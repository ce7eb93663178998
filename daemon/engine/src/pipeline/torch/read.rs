//! What a module returned, out of libtorch: counted while it is read, and refused at the limit, so that nothing is copied
//! before it is known to be small enough.

use tch::{IValue, TchError, Tensor};

use super::sys::{Tag, Value, shape};
use super::{json, returned, short};

/// Most bytes of a module's output as JSON, and of a frame's whole result.
pub const MAX_JSON_BYTES: usize = 1 << 20;

/// Most lists and dicts in each other, a tensor's dimensions among them. A list that holds itself has no end.
const MAX_DEPTH: usize = 64;

/// The fewest bytes of a value as JSON: one character and a comma.
const LEAST_BYTES: usize = 2;

/// How much of one output may be read; while it is read, what is left of that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    form: Form,
    numbers: usize,
    bytes: usize,
}

/// What becomes of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// JSON, for clients.
    Json,
    /// Plain numbers, for nodes.
    Plain,
}

impl Limits {
    /// For the output of so many pictures that becomes JSON.
    pub(super) fn of_json(pictures: usize) -> Self {
        Limits { form: Form::Json, numbers: json::MAX_NUMBERS.saturating_mul(pictures), bytes: MAX_JSON_BYTES }
    }

    /// For the output of so many pictures that nodes work on.
    pub(super) fn of_plain(pictures: usize) -> Self {
        Limits { form: Form::Plain, numbers: returned::MAX_VALUES.saturating_mul(pictures), bytes: MAX_JSON_BYTES }
    }

    /// The value, as tch has it. Tensors share their numbers with the module's.
    ///
    /// # Errors
    /// More than the limits, lists too deep, or an object.
    pub(super) fn read(mut self, value: &Value) -> Result<IValue, String> {
        self.value(value, MAX_DEPTH)
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<IValue, String> {
        Ok(match value.tag() {
            Tag::None => IValue::None,
            Tag::Bool => IValue::Bool(value.boolean().map_err(unread)?),
            Tag::Int => IValue::Int(value.int().map_err(unread)?),
            Tag::Double => IValue::Double(value.double().map_err(unread)?),
            Tag::Text => IValue::String(self.text(value)?),
            Tag::Tensor => IValue::Tensor(self.tensor(value.tensor().map_err(unread)?, depth)?),
            Tag::Ints => IValue::IntList(self.numbers(value, depth)?.ints().map_err(unread)?),
            Tag::Doubles => IValue::DoubleList(self.numbers(value, depth)?.doubles().map_err(unread)?),
            Tag::Bools => IValue::BoolList(self.numbers(value, depth)?.booleans().map_err(unread)?),
            Tag::Tensors => {
                let depth = self.list(value, 1, depth)?;
                let tensors = value.tensors().map_err(unread)?.into_iter();
                IValue::TensorList(tensors.map(|tensor| self.tensor(tensor, depth)).collect::<Result<_, _>>()?)
            }
            Tag::Tuple => IValue::Tuple(self.values(value, 1, depth)?),
            Tag::List => IValue::GenericList(self.values(value, 1, depth)?),
            Tag::Dict => {
                let mut values = self.values(value, 2, depth)?.into_iter();
                IValue::GenericDict(std::iter::from_fn(|| values.next().zip(values.next())).collect())
            }
            Tag::Object if self.form == Form::Json => return Err(json::no_form()),
            Tag::Object => return Err(returned::no_form()),
        })
    }

    /// A list of numbers, which may be read.
    fn numbers<'a>(&mut self, value: &'a Value, depth: usize) -> Result<&'a Value, String> {
        match self.form {
            Form::Plain => self.list(value, 1, depth)?,
            Form::Json => {
                let length = value.len().map_err(unread)?;
                self.numbers = self.numbers.checked_sub(length).ok_or_else(json::too_many)?;
                deeper(depth)?
            }
        };
        Ok(value)
    }

    /// The values of a tuple or a list, or of a dict, where each entry has two.
    fn values(&mut self, value: &Value, each: usize, depth: usize) -> Result<Vec<IValue>, String> {
        let depth = self.list(value, each, depth)?;
        let values = value.values().map_err(unread)?;
        values.iter().map(|value| self.value(value, depth)).collect()
    }

    /// Takes what the values of a list need at least, before any is looked at; says how deep these may be.
    fn list(&mut self, value: &Value, each: usize, depth: usize) -> Result<usize, String> {
        let length = value.len().map_err(unread)?;
        self.take_bytes(length.saturating_mul(each).saturating_mul(LEAST_BYTES))?;
        deeper(depth)
    }

    fn text(&mut self, value: &Value) -> Result<String, String> {
        let text = value.text().unwrap_or_default();
        self.take_bytes(text.len())?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn tensor(&mut self, tensor: Tensor, depth: usize) -> Result<Tensor, String> {
        if !tensor.defined() {
            return Ok(tensor);
        }
        let shape = shape(&tensor).map_err(unread)?;
        if shape.len() > depth {
            return Err(too_deep());
        }
        let numbers = match self.form {
            Form::Json => json::numbers_of(&shape),
            Form::Plain => returned::numbers_of(&shape),
        };
        let left = self.numbers.checked_sub(numbers);
        self.numbers = left.ok_or_else(|| match self.form {
            Form::Json => json::too_many(),
            Form::Plain => returned::too_many(&shape),
        })?;
        Ok(tensor)
    }

    fn take_bytes(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(too_large)?;
        Ok(())
    }
}

fn deeper(depth: usize) -> Result<usize, String> {
    depth.checked_sub(1).ok_or_else(too_deep)
}

fn too_deep() -> String {
    format!("the module returned lists, dicts or a tensor of more than {MAX_DEPTH} levels; return flatter ones")
}

fn too_large() -> String {
    format!(
        "the module returned more than {MAX_JSON_BYTES} bytes of JSON, which is the most that is sent; return less text, or fewer values"
    )
}

fn unread(error: TchError) -> String {
    format!("what the module returned cannot be read: {}", short(&error.to_string()))
}
