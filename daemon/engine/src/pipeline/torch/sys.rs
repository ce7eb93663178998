//! Modules and what they return, as libtorch holds them: the C functions of torch-sys, each behind a safe call. tch's own
//! `CModule` turns whatever a module returns into Rust values before anybody can look at it, and hides what it holds; here
//! a value is looked at where it lies, and only what is asked for is copied. Each call says which invariant holds; for all of
//! them: pointers come from torch-sys, are owned by one value each, and are freed when that is dropped.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int};
use std::path::Path;
use std::ptr::{self, NonNull};

use tch::{Device, Kind, TchError, Tensor};
use torch_sys::{C_tensor, CIValue, CModule_};

/// Most bytes of an error's text that are looked at from either end. A module may raise one of any length.
const ERROR_BYTES: usize = 32 << 10;

unsafe extern "C" {
    /// In `text.cpp`.
    fn forgesyted_text(value: *const CIValue, length: *mut usize) -> *const c_char;
}

/// A TorchScript module.
#[derive(Debug)]
pub(super) struct Script(NonNull<CModule_>);

// SAFETY: libtorch's modules may move between threads, and several threads may run one, as tch's `CModule` allows too. A module
// that writes its own attributes in `forward` races in libtorch itself; docs/pipelines.md tells authors not to.
unsafe impl Send for Script {}
// SAFETY: as above.
unsafe impl Sync for Script {}

/// What a module is called with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Argument<'a> {
    /// A tensor.
    Tensor(&'a Tensor),
    /// A list of tensors.
    List(&'a [Tensor]),
}

/// A value of libtorch's: what a module returned, or a part of it. Large ones are shared, not copied.
#[derive(Debug)]
pub(super) struct Value(NonNull<CIValue>);

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    None,
    Tensor,
    Double,
    Int,
    Bool,
    /// A tuple.
    Tuple,
    /// A list of ints.
    Ints,
    /// A list of floats.
    Doubles,
    /// A list of bools.
    Bools,
    Text,
    /// A list of tensors.
    Tensors,
    /// A list of anything else.
    List,
    Dict,
    /// What only Python or C++ can work on.
    Object,
}

impl Script {
    /// Loads a module's file onto a device.
    pub(super) fn load(file: &Path, device: Device) -> Result<Script, TchError> {
        let name = CString::new(file.as_os_str().as_encoded_bytes())?;
        let device = device_number(device)?;
        // SAFETY: the name is a C string that outlives the call.
        let module = unsafe { torch_sys::atm_load_on_device(name.as_ptr(), device) };
        owned(module).map(Script)
    }

    /// Sets evaluation mode.
    pub(super) fn set_eval(&mut self) -> Result<(), TchError> {
        // SAFETY: the module lives, and nobody else uses it.
        unsafe { torch_sys::atm_eval(self.0.as_ptr()) };
        failed()
    }

    /// Turns its weights to this kind of floats, on this device.
    pub(super) fn turn_to(&mut self, device: Device, kind: Kind) -> Result<(), TchError> {
        let (device, kind) = (device_number(device)?, kind_number(kind)?);
        // SAFETY: the module lives, and nobody else uses it.
        unsafe { torch_sys::atm_to(self.0.as_ptr(), device, kind, false) };
        failed()
    }

    /// Runs it. What it returns stays in libtorch.
    pub(super) fn forward(&self, argument: Argument<'_>) -> Result<Value, TchError> {
        let argument = Value::of(argument)?;
        let arguments = [argument.0.as_ptr()];
        // SAFETY: one argument, which lives as long as the call; the module copies its handle.
        let returned = unsafe { torch_sys::atm_forward_(self.0.as_ptr(), arguments.as_ptr(), 1) };
        owned(returned).map(Value)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // SAFETY: owned, and not used after.
        unsafe { torch_sys::atm_free(self.0.as_ptr()) };
    }
}

impl Value {
    fn of(argument: Argument<'_>) -> Result<Value, TchError> {
        // SAFETY: the tensors live as long as the call, which copies their handles and changes none.
        let value = match argument {
            Argument::Tensor(tensor) => unsafe { torch_sys::ati_tensor(tensor.as_ptr().cast_mut()) },
            Argument::List(tensors) => {
                let tensors: Vec<*mut C_tensor> = tensors.iter().map(|tensor| tensor.as_ptr().cast_mut()).collect();
                unsafe { torch_sys::ati_tensor_list(tensors.as_ptr(), count(tensors.len())?) }
            }
        };
        owned(value).map(Value)
    }

    /// What it is.
    pub(super) fn tag(&self) -> Tag {
        // SAFETY: the value lives.
        let tag = unsafe { torch_sys::ati_tag(self.0.as_ptr()) };
        // Those that torch-sys does not know are an error there.
        match failed().map_or(-1, |()| tag) {
            0 => Tag::None,
            1 => Tag::Tensor,
            2 => Tag::Double,
            3 => Tag::Int,
            4 => Tag::Bool,
            5 => Tag::Tuple,
            6 => Tag::Ints,
            7 => Tag::Doubles,
            8 => Tag::Bools,
            9 => Tag::Text,
            10 => Tag::Tensors,
            12 => Tag::List,
            13 => Tag::Dict,
            _ => Tag::Object,
        }
    }

    /// How many values a tuple, list or dict has.
    pub(super) fn len(&self) -> Result<usize, TchError> {
        // SAFETY: the value lives.
        let length = unsafe { torch_sys::ati_length(self.0.as_ptr()) };
        failed()?;
        // An int: a longer list gives a negative number, or one too small, which those who read the list refuse.
        usize::try_from(length).map_err(|_| TchError::Convert("it has more values than can be counted".to_owned()))
    }

    /// The bytes of a string.
    pub(super) fn text(&self) -> Option<&[u8]> {
        let mut length = 0;
        // SAFETY: the value lives, and the callee writes one number.
        let text = unsafe { forgesyted_text(self.0.as_ptr(), &raw mut length) };
        // SAFETY: where it is not null, that many bytes lie there as long as the value lives, and nobody changes them: strings
        // of TorchScript are immutable.
        (!text.is_null()).then(|| unsafe { std::slice::from_raw_parts(text.cast(), length) })
    }

    /// The number of a float.
    pub(super) fn double(&self) -> Result<f64, TchError> {
        // SAFETY: the value lives.
        let value = unsafe { torch_sys::ati_to_double(self.0.as_ptr()) };
        failed().map(|()| value)
    }

    /// The number of an int.
    pub(super) fn int(&self) -> Result<i64, TchError> {
        // SAFETY: the value lives.
        let value = unsafe { torch_sys::ati_to_int(self.0.as_ptr()) };
        failed().map(|()| value)
    }

    /// A bool.
    pub(super) fn boolean(&self) -> Result<bool, TchError> {
        // SAFETY: the value lives.
        let value = unsafe { torch_sys::ati_to_bool(self.0.as_ptr()) };
        failed().map(|()| value != 0)
    }

    /// A tensor; its numbers are shared.
    pub(super) fn tensor(&self) -> Result<Tensor, TchError> {
        // SAFETY: the value lives.
        let tensor = unsafe { torch_sys::ati_to_tensor(self.0.as_ptr()) };
        owned(tensor).map(tensor_of)
    }

    /// The numbers of a list of ints.
    pub(super) fn ints(&self) -> Result<Vec<i64>, TchError> {
        let mut values = vec![0; self.len()?];
        // SAFETY: the callee writes so many numbers, or none where the list has another length.
        unsafe { torch_sys::ati_to_int_list(self.0.as_ptr(), values.as_mut_ptr(), count(values.len())?) };
        failed().map(|()| values)
    }

    /// The numbers of a list of floats.
    pub(super) fn doubles(&self) -> Result<Vec<f64>, TchError> {
        let mut values = vec![0.0; self.len()?];
        // SAFETY: as above.
        unsafe { torch_sys::ati_to_double_list(self.0.as_ptr(), values.as_mut_ptr(), count(values.len())?) };
        failed().map(|()| values)
    }

    /// Those of a list of bools.
    pub(super) fn booleans(&self) -> Result<Vec<bool>, TchError> {
        let mut values: Vec<c_char> = vec![0; self.len()?];
        // SAFETY: as above.
        unsafe { torch_sys::ati_to_bool_list(self.0.as_ptr(), values.as_mut_ptr(), count(values.len())?) };
        failed().map(|()| values.into_iter().map(|value| value != 0).collect())
    }

    /// The tensors of a list of tensors.
    pub(super) fn tensors(&self) -> Result<Vec<Tensor>, TchError> {
        // SAFETY: the callee fills so many places, in their order, or none where the list has another length.
        let fill = |places, length| unsafe { torch_sys::ati_to_tensor_list(self.0.as_ptr(), places, length) };
        filled(self.len()?, fill, tensor_of)
    }

    /// The values of a tuple or of a list, or the keys and values of a dict, alternating.
    pub(super) fn values(&self) -> Result<Vec<Value>, TchError> {
        let (tag, value, length) = (self.tag(), self.0.as_ptr(), self.len()?);
        let entries = count(length)?;
        // SAFETY: the callee fills so many places, twice as many for a dict, in their order, or none where the value has another
        // length.
        let fill = |places, _| unsafe {
            match tag {
                Tag::Dict => torch_sys::ati_to_generic_dict(value, places, entries),
                Tag::Tuple => torch_sys::ati_to_tuple(value, places, entries),
                _ => torch_sys::ati_to_generic_list(value, places, entries),
            }
        };
        filled(if tag == Tag::Dict { length.saturating_mul(2) } else { length }, fill, Value)
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        // SAFETY: owned, and not used after.
        unsafe { torch_sys::ati_free(self.0.as_ptr()) };
    }
}

/// A tensor's dimensions. tch's own call panics where a tensor has none to tell, as a nested one.
pub(super) fn shape(tensor: &Tensor) -> Result<Vec<i64>, TchError> {
    let tensor = tensor.as_ptr().cast_mut();
    // SAFETY: the tensor lives, and is not changed.
    let dimensions = unsafe { torch_sys::at_dim(tensor) };
    failed()?;
    let mut shape = vec![0; dimensions];
    // SAFETY: as above; it writes one number a dimension, and there are as many as just now: nobody resizes what a module returned
    // (see `Script`).
    unsafe { torch_sys::at_shape(tensor, shape.as_mut_ptr()) };
    failed().map(|()| shape)
}

fn tensor_of(tensor: NonNull<C_tensor>) -> Tensor {
    // SAFETY: a tensor that was made for us, which nobody else frees.
    unsafe { Tensor::from_ptr(tensor.as_ptr()) }
}

/// What `fill` put into `length` places, each taken over by `own`, also where it did not come to its end.
fn filled<T, O>(
    length: usize,
    fill: impl FnOnce(*mut *mut T, c_int),
    own: impl Fn(NonNull<T>) -> O,
) -> Result<Vec<O>, TchError> {
    let number = count(length)?;
    let mut places = vec![ptr::null_mut(); length];
    fill(places.as_mut_ptr(), number);
    let end = failed();
    let owned = places.into_iter().filter_map(NonNull::new).map(own).collect();
    end.map(|()| owned)
}

fn count(length: usize) -> Result<c_int, TchError> {
    c_int::try_from(length).map_err(|error| TchError::Convert(error.to_string()))
}

/// What the last call gave, or why it gave nothing.
fn owned<T>(pointer: *mut T) -> Result<NonNull<T>, TchError> {
    failed()?;
    NonNull::new(pointer).ok_or_else(|| TchError::Torch("libtorch gave nothing, and no reason".to_owned()))
}

/// The error of this thread's last call, if it had one.
fn failed() -> Result<(), TchError> {
    // SAFETY: a C string that is ours now, or null.
    let Some(text) = NonNull::new(unsafe { torch_sys::get_and_reset_last_err() }) else { return Ok(()) };
    // SAFETY: it is a C string made by `strdup`: read while it lives, then freed once.
    let error = unsafe {
        let bytes = std::slice::from_raw_parts(text.as_ptr().cast::<u8>(), libc::strlen(text.as_ptr()));
        let error = excerpt(bytes);
        libc::free(text.as_ptr().cast());
        error
    };
    Err(TchError::Torch(error))
}

/// The start and the end of a long text.
fn excerpt(text: &[u8]) -> String {
    let end = text.len().checked_sub(ERROR_BYTES).filter(|&end| end > ERROR_BYTES);
    match end.and_then(|end| Some((text.get(..ERROR_BYTES)?, text.get(end..)?))) {
        Some((start, end)) => format!("{}\n…\n{}", String::from_utf8_lossy(start), String::from_utf8_lossy(end)),
        None => String::from_utf8_lossy(text).into_owned(),
    }
}

/// torch-sys's number of a device.
fn device_number(device: Device) -> Result<c_int, TchError> {
    match device {
        Device::Cpu => Ok(-1),
        Device::Cuda(number) => count(number),
        other => Err(TchError::Convert(format!("{other:?} is no device that modules run on"))),
    }
}

/// libtorch's number of a kind of floats (`c10::ScalarType`).
fn kind_number(kind: Kind) -> Result<c_int, TchError> {
    match kind {
        Kind::Half => Ok(5),
        Kind::Float => Ok(6),
        Kind::BFloat16 => Ok(15),
        other => Err(TchError::Convert(format!("{other:?} is no kind that weights are turned to"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_error_keeps_its_start_and_its_end() {
        let text = ["first\n".as_bytes(), &vec![b'x'; 1 << 20], b"\nRuntimeError: last"].concat();
        let kept = excerpt(&text);
        assert!(kept.starts_with("first\n") && kept.ends_with("\nRuntimeError: last") && kept.len() < 70 << 10);
        assert_eq!(excerpt(b"short"), "short");
    }

    #[test]
    fn numbers_of_kinds_are_libtorchs() {
        for kind in [Kind::Half, Kind::Float, Kind::BFloat16] {
            let tensor = Tensor::f_zeros([1], (kind, Device::Cpu)).unwrap();
            // SAFETY: the tensor lives.
            let number = unsafe { torch_sys::at_scalar_type(tensor.as_ptr().cast_mut()) };
            assert_eq!(kind_number(kind).unwrap(), number);
        }
        assert!(kind_number(Kind::Int8).is_err());
    }

    #[test]
    fn values_come_back_as_they_went() {
        let tensors = [Tensor::from_slice(&[1.0_f32, 2.0]), Tensor::from(3_i64)];
        let list = Value::of(Argument::List(&tensors)).unwrap();
        assert_eq!((list.tag(), list.len().unwrap()), (Tag::Tensors, 2));
        assert_eq!(list.tensors().unwrap(), tensors);
        let alone = Value::of(Argument::Tensor(&tensors[0])).unwrap();
        assert_eq!((alone.tag(), alone.tensor().unwrap()), (Tag::Tensor, tensors[0].shallow_clone()));
        assert_eq!(alone.text(), None);
        assert!(alone.len().is_err() && alone.ints().is_err() && alone.values().is_err());
        assert!(alone.double().is_err() && list.tensor().is_err());
        assert_eq!(shape(&tensors[0]).unwrap(), [2]);
    }
}
