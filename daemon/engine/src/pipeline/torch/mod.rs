//! libtorch, seen from pipelines. Lives here: threads, devices and error texts (this file), TorchScript modules (`module`),
//! what they are fed (`input`), what they return (`read` out of libtorch, then `returned`, `json`), the calls of torch-sys
//! (`sys`), half precision beside float32 (`trial`). The only room that names tch. Every call is fallible: tch's `f_` forms, or
//! those of `sys`. An error's text is cut to its first useful line, since libtorch adds C++ frames and prints whole tensors.

mod cache;
mod input;
mod json;
mod module;
mod read;
mod returned;
mod rows;
mod sys;
mod trial;

use tch::{Kind, Tensor};

pub use input::{Input, Normalise};
pub use json::MAX_NUMBERS;
pub use module::Module;
pub use read::MAX_JSON_BYTES;
pub use returned::{Array, Returned};
pub use tch::Device;
pub use trial::{Comparison, Trial};

/// Longest error text taken over from libtorch, in characters.
const MAX_ERROR_CHARS: usize = 400;

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

pub use base::launch::TORCH_VERSION;

/// Whether the device still runs the smallest of kernels. After a sticky CUDA error nothing does.
pub fn device_answers(device: Device) -> bool {
    device == Device::Cpu
        || Tensor::f_zeros([1], (Kind::Float, device)).and_then(|zero| zero.f_double_value(&[0])).is_ok()
}

/// The useful line of a libtorch error: what was raised in TorchScript, else the first line.
fn short(text: &str) -> String {
    // What tch puts before libtorch's text, which starts with a line of its own often.
    let text = text.strip_prefix("Internal torch error:").unwrap_or(text);
    let raised = text
        .lines()
        .rfind(|line| line.split_once(": ").is_some_and(|(kind, _)| kind.ends_with("Error") && !kind.contains(' ')));
    let line = raised.or_else(|| text.lines().find(|line| !line.trim().is_empty())).unwrap_or("no reason given").trim();
    // "… (isTuple() at …/ivalue.cpp:12)" and the C++ frames after it are of no use here.
    let line = line.split(" (most recent call first)").next().unwrap_or(line);
    line.chars().take(MAX_ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests;
