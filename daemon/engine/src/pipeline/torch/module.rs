//! A TorchScript module: loaded once, run by all workers.

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tch::{Device, IValue, Kind, TchError, Tensor};

use super::cache::{Cache, Key};
use super::input::{Input, Normalise};
use super::json::{self, MAX_NUMBERS};
use super::read::Limits;
use super::returned::Returned;
use super::sys::{self, Argument, Script};
use super::trial::Trial;
use super::{TORCH_VERSION, rows, short};
use base::config::Precision;

/// Modules in use, of all pipelines.
static LOADED: Cache<Script> = Cache::new();

/// A TorchScript module on a device. Running it is thread safe; workers and pipelines share it.
#[derive(Debug)]
pub struct Module {
    module: Arc<Script>,
    device: Device,
    /// What its weights and float inputs are turned to.
    kind: Kind,
    /// In half precision, beside float32.
    trial: Option<Arc<Trial>>,
}

impl Module {
    /// Loads a module in float32, in evaluation mode.
    ///
    /// # Errors
    /// As [`Module::load_in`].
    pub fn load(file: &Path, device: Device) -> Result<Module, String> {
        Module::load_in(file, device, Precision::Fp32)
    }

    /// Loads a module in evaluation mode and turns its weights to this precision. A module in use that was loaded of the same
    /// bytes in the same way is shared. In half precision it is loaded in float32 too, until its [trial](Module::trial) ends.
    ///
    /// # Errors
    /// Which file, and what it lacks, or libtorch's first line; or that the file changed while it was read.
    pub fn load_in(file: &Path, device: Device, precision: Precision) -> Result<Module, String> {
        let module = shared(file, device, precision)?;
        let kind = match precision {
            Precision::Fp32 => return Ok(Module { module, device, kind: Kind::Float, trial: None }),
            Precision::Fp16 => Kind::Half,
            Precision::Bf16 => Kind::BFloat16,
        };
        let reference = shared(file, device, Precision::Fp32)?;
        Ok(Module { module, device, kind, trial: Some(Arc::new(Trial::new(reference, precision))) })
    }

    /// The comparison with float32, of a module in half precision.
    pub fn trial(&self) -> Option<Arc<Trial>> {
        self.trial.clone()
    }

    /// Runs the module on one batch of pictures and gives what it returned, out of libtorch.
    ///
    /// # Errors
    /// libtorch's error, shortened, or an output that is neither tensors, numbers, text nor lists and dicts of them.
    pub fn run(&self, input: &Input, normalise: &Normalise) -> Result<Returned, String> {
        Returned::from_libtorch(self.forward(input, normalise, Limits::of_plain(input.len()))?)
    }

    /// Runs the module on a list of pictures, each a float32 tensor `[3, H, W]`, 0 to 1, of its own size, as torchvision's
    /// detectors want them.
    ///
    /// # Errors
    /// As [`Module::run`].
    pub fn run_on_list(&self, pictures: &[Input]) -> Result<Returned, String> {
        let tensor = |picture: &Input| picture.to_tensor(&Normalise::Unit, self.device)?.f_squeeze_dim(0);
        let list = pictures.iter().map(tensor).collect::<Result<Vec<Tensor>, _>>();
        let list = list.map_err(|error| short(&error.to_string()))?;
        Returned::from_libtorch(self.tried(Limits::of_plain(pictures.len()), |module, kind| {
            let list = list.iter().map(|picture| self.turned(picture, kind)).collect::<Result<Vec<Tensor>, _>>()?;
            module.forward(Argument::List(&list))
        })?)
    }

    /// Runs the module on one batch of pictures and gives its output as JSON: an object for a dict, an array or number
    /// otherwise. NaN and infinities become null.
    ///
    /// # Errors
    /// libtorch's error, shortened, or an output that has no JSON form.
    pub fn run_to_json(&self, input: &Input, normalise: &Normalise) -> Result<Value, String> {
        json::to_json(self.forward(input, normalise, Limits::of_json(1))?, &mut { MAX_NUMBERS })
    }

    /// Runs the module once on a batch of pictures and gives what it returned for each, in their order.
    ///
    /// # Errors
    /// As [`Module::run`], and an output that is not one row a picture.
    pub fn run_rows(&self, input: &Input, normalise: &Normalise) -> Result<Vec<Returned>, String> {
        self.rows(input, normalise, Limits::of_plain(input.len()), Returned::from_libtorch)
    }

    /// [`Module::run_rows`] as JSON.
    ///
    /// # Errors
    /// As [`Module::run_to_json`], and an output that is not one row a picture.
    pub fn run_rows_to_json(&self, input: &Input, normalise: &Normalise) -> Result<Vec<Value>, String> {
        let limits = Limits::of_json(input.len());
        self.rows(input, normalise, limits, |row| json::to_json(row, &mut { MAX_NUMBERS }))
    }

    fn rows<T>(
        &self,
        input: &Input,
        normalise: &Normalise,
        limits: Limits,
        read: impl Fn(IValue) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let output = self.forward(input, normalise, limits)?;
        (0..input.len()).map(|at| read(rows::row(&output, at, input.len())?)).collect()
    }

    fn forward(&self, input: &Input, normalise: &Normalise, limits: Limits) -> Result<IValue, String> {
        let input = input.to_tensor(normalise, self.device).map_err(|error| short(&error.to_string()))?;
        self.tried(limits, |module, kind| module.forward(Argument::Tensor(&self.turned(&input, kind)?)))
    }

    /// Floats are turned to the module's own kind; bytes are the module's to turn. A module may write into what it is given,
    /// so the one that runs beside another gets a copy.
    fn turned(&self, input: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
        let own = input.f_kind()?;
        let kind = if own == Kind::Float { kind } else { own };
        let beside = self.trial.as_ref().is_some_and(|trial| trial.runs());
        input.f_to_dtype(kind, false, beside && kind == own)
    }

    /// Runs the module, beside the one in float32 while its trial runs, and reads what it returned within the limits.
    fn tried(
        &self,
        limits: Limits,
        forward: impl Fn(&Script, Kind) -> Result<sys::Value, TchError>,
    ) -> Result<IValue, String> {
        let read = |module: &Script, kind| {
            let returned = forward(module, kind).map_err(|error| short(&error.to_string()))?;
            limits.read(&returned)
        };
        let run = || read(&self.module, self.kind);
        match &self.trial {
            Some(trial) => trial.run(|reference| read(reference, Kind::Float), run),
            None => run(),
        }
    }
}

/// The module of these bytes, on this device, in this precision: the one in use, or else loaded.
fn shared(file: &Path, device: Device, precision: Precision) -> Result<Arc<Script>, String> {
    let unreadable = |error: io::Error| format!("model {} cannot be read: {error}", file.display());
    let key = Key::of(file, device, precision).map_err(unreadable)?;
    LOADED.get_or_load(key.clone(), || {
        let module = load(file, device, precision)?;
        // libtorch reads the file by itself: what it got has to be what the key says.
        if Key::of(file, device, precision).map_err(unreadable)? == key {
            Ok(module)
        } else {
            Err(format!("model {} changed while it was read; reload when it is whole", file.display()))
        }
    })
}

fn load(file: &Path, device: Device, precision: Precision) -> Result<Script, String> {
    let refused = |error: TchError| {
        let text = error.to_string();
        let reason = lacking(&text).unwrap_or_else(|| short(&text));
        format!("model {} does not load as TorchScript: {reason}", file.display())
    };
    let mut module = Script::load(file, device).map_err(refused)?;
    module.set_eval().map_err(refused)?;
    let kind = match precision {
        Precision::Fp32 => return Ok(module),
        Precision::Fp16 => Kind::Half,
        Precision::Bf16 => Kind::BFloat16,
    };
    module.turn_to(device, kind).map_err(|error| {
        let reason = short(&error.to_string());
        format!("the weights of model {} cannot be turned to {precision}: {reason}", file.display())
    })?;
    Ok(module)
}

/// What to do about an operator or a class that libtorch does not know, where its error is about one.
fn lacking(text: &str) -> Option<String> {
    let name = |start: &str, end: &[char]| {
        let (_, after) = text.split_once(start)?;
        after.split(end).next().filter(|name| !name.is_empty())
    };
    let class = || name("Unknown type name '__torch__.torch.classes.", &['\'', '\n']);
    let operator = name("Unknown builtin op: ", &[' ', '\n']).map(|name| name.trim_end_matches('.'));
    match operator {
        // libtorch's own operators are in these namespaces: no library brings more of them.
        Some(operator) if operator.starts_with("aten::") || operator.starts_with("prim::") => Some(format!(
            "it needs {operator}, which libtorch {TORCH_VERSION} has not, or not in this form; export it with that version of PyTorch or an older one"
        )),
        _ => operator.or_else(class).map(|name| {
            format!(
                "it needs {name}, which nobody has registered with libtorch; name the library that brings it in engine.libraries"
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_lacks_is_named() {
        // As libtorch 2.11.0 says it.
        let operator =
            "\nUnknown builtin op: tiny::twice.\nCould not find any similar ops to tiny::twice. This op may not exist";
        let class =
            "\nUnknown type name '__torch__.torch.classes.tensorrt.Engine':\n  File \"code/__torch__.py\", line 3";
        for (text, name) in [(operator, "tiny::twice"), (class, "tensorrt.Engine")] {
            let said = lacking(text).unwrap();
            assert!(said.starts_with(&format!("it needs {name}, ")) && said.ends_with("in engine.libraries"), "{said}");
        }
        let newer = lacking("\nUnknown builtin op: aten::tomorrow.\nHere are some suggestions").unwrap();
        assert!(newer.starts_with("it needs aten::tomorrow, ") && newer.contains("an older one"), "{newer}");
        assert_eq!(lacking("\nUnknown type name 'Foo'"), None);
        assert_eq!(lacking("Unknown builtin op: "), None);
    }
}
