//! libtorch, seen from pipelines: load a TorchScript module, run it on a picture, and turn what it returns into JSON.
//! The only file that names tch's `CModule`. Every call is tch's fallible form; an error's text is cut to its first useful
//! line, since libtorch adds C++ frames and prints whole tensors.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Number, Value};
use tch::{CModule, IValue, Kind, TchError, Tensor};

pub use tch::Device;

/// Most numbers that one run of a module may return.
pub const MAX_NUMBERS: usize = 4096;
/// Longest error text taken over from libtorch, in characters.
const MAX_ERROR_CHARS: usize = 400;

/// Loading uses process-wide state of libtorch that is not thread safe.
static LOADING: Mutex<()> = Mutex::new(());

/// A TorchScript module on a device. Running it is thread safe; workers share it.
#[derive(Debug)]
pub struct Module {
    module: CModule,
    device: Device,
}

/// How a picture is laid out for a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputLayout {
    /// float32 `[1, 3, H, W]`, RGB, 0 to 1.
    BatchOfUnitFloats,
    /// uint8 `[3, H, W]`, RGB.
    Bytes,
}

impl Module {
    /// Loads a module, in evaluation mode.
    ///
    /// # Errors
    /// Which file, and libtorch's first line.
    pub fn load(file: &Path, device: Device) -> Result<Module, String> {
        let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = |error: TchError| {
            format!("model {} does not load as TorchScript: {}", file.display(), short(&error.to_string()))
        };
        let mut module = CModule::load_on_device(file, device).map_err(refused)?;
        module.f_set_eval().map_err(refused)?;
        Ok(Module { module, device })
    }

    /// Runs the module on one picture (`rgb` is `height × width × 3` bytes) and returns its output as JSON: an object for
    /// a dict, an array or number otherwise. NaN and infinities become null.
    ///
    /// # Errors
    /// libtorch's error, shortened, or an output that has no JSON form.
    pub fn run_on_image(&self, rgb: &[u8], width: usize, height: usize, layout: InputLayout) -> Result<Value, String> {
        let input = self.input(rgb, width, height, layout).map_err(|error| short(&error.to_string()))?;
        let output = self.module.forward_is(&[IValue::Tensor(input)]).map_err(|error| short(&error.to_string()))?;
        to_json(output, &mut { MAX_NUMBERS })
    }

    fn input(&self, rgb: &[u8], width: usize, height: usize, layout: InputLayout) -> Result<Tensor, TchError> {
        let side = |pixels: usize| i64::try_from(pixels).map_err(|error| TchError::Shape(error.to_string()));
        let shape = [side(height)?, side(width)?, 3];
        let planes =
            Tensor::f_from_data_size(rgb, &shape, Kind::Uint8)?.f_to_device(self.device)?.f_permute([2, 0, 1])?;
        match layout {
            InputLayout::Bytes => planes.f_contiguous(),
            // Planes are made of bytes first: four times less to move than floats.
            InputLayout::BatchOfUnitFloats => {
                planes.f_contiguous()?.f_unsqueeze(0)?.f_to_kind(Kind::Float)?.f_mul_scalar_(1.0 / 255.0)
            }
        }
    }
}

/// Prepares the calling thread for running modules: `threads` intra-op threads, and no gradients while the guard lives.
#[must_use]
pub fn prepare_thread(threads: usize) -> tch::NoGradGuard {
    // The first look at the count takes over the process's, as another thread set it last; it must not come later, inside
    // the first model.
    let _ = tch::get_num_threads();
    tch::set_num_threads(i32::try_from(threads).unwrap_or(1));
    tch::no_grad_guard()
}

/// Sets what holds for the whole process: one inter-op thread (workers run beside each other already), and no run-time
/// kernel fusion, which needs a compiler that the CPU build lacks.
pub fn prepare_process() {
    tch::set_num_interop_threads(1);
    tch::jit::set_tensor_expr_fuser_enabled(false);
}

/// CUDA devices that libtorch sees; 0 before its CUDA library is opened.
pub fn cuda_devices() -> usize {
    if tch::Cuda::is_available() { usize::try_from(tch::Cuda::device_count()).unwrap_or(0) } else { 0 }
}

/// The version of libtorch that the daemon is built for.
pub const TORCH_VERSION: &str = env!("FORGESYTED_TORCH_VERSION");

/// Whether the device still runs the smallest of kernels. After a sticky CUDA error nothing does.
pub fn device_answers(device: Device) -> bool {
    device == Device::Cpu
        || Tensor::f_zeros([1], (Kind::Float, device)).and_then(|zero| zero.f_double_value(&[0])).is_ok()
}

/// The useful line of a libtorch error: what was raised in TorchScript, else the first line.
fn short(text: &str) -> String {
    let raised = text
        .lines()
        .rfind(|line| line.split_once(": ").is_some_and(|(kind, _)| kind.ends_with("Error") && !kind.contains(' ')));
    let line = raised.or_else(|| text.lines().find(|line| !line.trim().is_empty())).unwrap_or("no reason given").trim();
    // "… (isTuple() at …/ivalue.cpp:12)" and the C++ frames after it are of no use here.
    let line = line.split(" (most recent call first)").next().unwrap_or(line);
    line.chars().take(MAX_ERROR_CHARS).collect()
}

fn to_json(value: IValue, numbers_left: &mut usize) -> Result<Value, String> {
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
        IValue::StringList(values) => list(values.into_iter().map(Value::String).collect()),
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
        _ => Err("the module returned an object that has no JSON form; return a dict, tensors or numbers".to_owned()),
    }
}

fn tensor_to_json(tensor: &Tensor, numbers_left: &mut usize) -> Result<Value, String> {
    if !tensor.defined() {
        return Ok(Value::Null);
    }
    let count = tensor.numel();
    let shape = tensor.size();
    // Empty lists cost too: a tensor of shape [100000000, 0] has no number and a hundred million of them.
    let lists: usize = shape
        .iter()
        .scan(1_usize, |product, &size| {
            *product = product.saturating_mul(usize::try_from(size).unwrap_or(0));
            Some(*product)
        })
        .max()
        .unwrap_or(0);
    *numbers_left = numbers_left.checked_sub(count.max(lists)).ok_or_else(too_many)?;
    let wrong = |error: TchError| format!("the module's tensor cannot be read: {}", short(&error.to_string()));
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

fn number(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn too_many() -> String {
    format!("the module returned more than {MAX_NUMBERS} numbers; reduce them in the module")
}

#[cfg(test)]
#[path = "torch_tests.rs"]
mod tests;
