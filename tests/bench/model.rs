//! The CNN of the rows with a model: about 1 GFLOP a frame, random weights, made here.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tch::{CModule, Device, Kind, TchError, Tensor};

/// The pipeline's id.
pub const PIPELINE: &str = "cnn";
/// Width and height that the model is fed, in pixels.
pub const SIZE: (usize, usize) = (320, 320);
/// Convolutions of 3x3, each with ReLU: input channels, output channels, stride.
///
/// Multiply-adds in millions, by layer: 22, 118, 236, 118, 59. In all 553, so 1.1 GFLOP.
const LAYERS: [(i64, i64, i64); 5] = [(3, 32, 2), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 2)];
/// Numbers that the model gives.
const OUTPUTS: i64 = 10;

/// The model's file and the folder of its pipeline.
#[derive(Debug)]
pub struct Cnn {
    /// The TorchScript file.
    pub model: PathBuf,
    /// The folder that holds it and its pipeline's file.
    pub folder: PathBuf,
}

/// Writes the model and its pipeline into `folder/cnn`.
///
/// # Errors
/// libtorch's, or a folder that cannot be written.
pub fn write(folder: &Path) -> Result<Cnn> {
    let folder = folder.join(PIPELINE);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let model = folder.join("cnn.pt");
    write_model(&model, 1)?;
    write_pipeline(&folder, PIPELINE, "")?;
    Ok(Cnn { model, folder })
}

/// Writes the model with the weights of this seed, in one step.
///
/// # Errors
/// libtorch's, or a file that cannot be written.
pub fn write_model(model: &Path, seed: i64) -> Result<()> {
    let partial = model.with_extension("partial");
    trace(seed).and_then(|module| module.save(&partial)).context("the CNN cannot be made")?;
    fs::rename(&partial, model).context("the CNN cannot be put in its place")
}

/// Writes a pipeline of the model beside it; `more` are further lines of its node.
///
/// # Errors
/// A file that cannot be written.
pub fn write_pipeline(folder: &Path, id: &str, more: &str) -> Result<()> {
    fs::write(folder.join(format!("{id}.toml")), definition(id, more)).context("the CNN's pipeline cannot be written")
}

/// A pipeline file that runs `cnn.pt` beside it; `more` are further lines of its node.
pub fn definition(id: &str, more: &str) -> String {
    let (width, height) = SIZE;
    format!(
        "id = \"{id}\"\n\n[[node]]\nid = \"cnn\"\nkind = \"measure\"\nmodel = \"cnn.pt\"\n\
         input_size = [{width}, {height}]\n{more}"
    )
}

/// The CNN as TorchScript text, whose weights are of the input's kind. A traced one has them as constants, which stay float32. They
/// are made for every frame: 0.3 million numbers beside a GFLOP.
pub fn source() -> String {
    let layers: String = LAYERS
        .iter()
        .map(|(from, to, stride)| {
            let weight = 1.0 / (9.0 * *from as f64);
            format!(
                "    w = torch.full([{to}, {from}, 3, 3], {weight:?}, dtype=ops.prim.dtype(x))\n    \
                 x = torch.relu(torch.conv2d(x, w, None, [{stride}, {stride}], [1, 1], [1, 1], 1))\n"
            )
        })
        .collect();
    format!(
        "class Cnn(Module):\n  training : bool\n  def forward(self, x: Tensor) -> Tensor:\n{layers}    \
         return torch.mean(x)\n"
    )
}

fn trace(seed: i64) -> Result<CModule, TchError> {
    let _no_grad = tch::no_grad_guard();
    tch::manual_seed(seed);
    let on_cpu = (Kind::Float, Device::Cpu);
    // He initialisation keeps the numbers in a normal range from layer to layer.
    let random = |shape: &[i64]| {
        let fan_in: i64 = shape.iter().skip(1).product();
        Tensor::f_randn(shape, on_cpu)?.f_mul_scalar((2.0 / fan_in as f64).sqrt())
    };
    let kernels = LAYERS.iter().map(|&(from, to, _)| random(&[to, from, 3, 3])).collect::<Result<Vec<_>, _>>()?;
    let last = LAYERS.last().map_or(0, |layer| layer.1);
    let classifier = random(&[OUTPUTS, last])?;
    let forward = |image: &Tensor| -> Result<Tensor, TchError> {
        let mut features = image.shallow_clone();
        for (kernel, (_, _, stride)) in kernels.iter().zip(LAYERS) {
            let none: Option<&Tensor> = None;
            features = features.f_conv2d(kernel, none, [stride, stride], [1, 1], [1, 1], 1)?.f_relu()?;
        }
        let pooled = features.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)?;
        pooled.f_linear::<&Tensor>(&classifier, None)
    };
    let sample = Tensor::f_rand([1, 3, SIZE.1 as i64, SIZE.0 as i64], on_cpu)?;
    let mut failed = None;
    let module = CModule::create_by_tracing("Cnn", "forward", &[sample], &mut |inputs| {
        let output = inputs.first().ok_or_else(|| TchError::Shape("no input".to_owned())).and_then(forward);
        output.map(|output| vec![output]).unwrap_or_else(|error| {
            failed = Some(error);
            Vec::new()
        })
    })?;
    failed.map_or(Ok(module), Err)
}
