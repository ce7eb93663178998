//! A TorchScript module: loaded once, run by all workers.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tch::{CModule, Device, IValue, TchError};

use super::input::{Input, Normalise};
use super::json::{self, MAX_NUMBERS};
use super::returned::Returned;
use super::short;

/// Loading uses process-wide state of libtorch that is not thread safe.
static LOADING: Mutex<()> = Mutex::new(());

/// A TorchScript module on a device. Running it is thread safe; workers share it.
#[derive(Debug)]
pub struct Module {
    module: CModule,
    device: Device,
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

    /// Runs the module on one batch of pictures and gives what it returned, out of libtorch.
    ///
    /// # Errors
    /// libtorch's error, shortened, or an output that is neither tensors, numbers, text nor lists and dicts of them.
    pub fn run(&self, input: &Input, normalise: &Normalise) -> Result<Returned, String> {
        Returned::from_libtorch(self.forward(input, normalise)?)
    }

    /// Runs the module on a list of pictures, each a float32 tensor `[3, H, W]`, 0 to 1, of its own size, as torchvision's
    /// detectors want them.
    ///
    /// # Errors
    /// As [`Module::run`].
    pub fn run_on_list(&self, pictures: &[Input]) -> Result<Returned, String> {
        let failed = |error: TchError| short(&error.to_string());
        let tensor = |picture: &Input| picture.to_tensor(&Normalise::Unit, self.device)?.f_squeeze_dim(0);
        let list = pictures.iter().map(tensor).collect::<Result<_, _>>().map_err(failed)?;
        Returned::from_libtorch(self.module.forward_is(&[IValue::TensorList(list)]).map_err(failed)?)
    }

    /// Runs the module on one batch of pictures and gives its output as JSON: an object for a dict, an array or number
    /// otherwise. NaN and infinities become null.
    ///
    /// # Errors
    /// libtorch's error, shortened, or an output that has no JSON form.
    pub fn run_to_json(&self, input: &Input, normalise: &Normalise) -> Result<Value, String> {
        json::to_json(self.forward(input, normalise)?, &mut { MAX_NUMBERS })
    }

    fn forward(&self, input: &Input, normalise: &Normalise) -> Result<IValue, String> {
        let failed = |error: TchError| short(&error.to_string());
        let input = input.to_tensor(normalise, self.device).map_err(failed)?;
        self.module.forward_is(&[IValue::Tensor(input)]).map_err(failed)
    }
}
