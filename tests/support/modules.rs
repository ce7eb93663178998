//! TorchScript modules for tests.

use xtask::torchscript;

/// The bytes of a `.pt` with this source.
///
/// # Panics
/// When the source has no module.
pub fn archive(name: &str, source: &str) -> Vec<u8> {
    torchscript::archive(name, source).unwrap()
}

/// A module whose `forward` is these lines; `x` is its input.
pub fn module(returns: &str, body: &str) -> String {
    let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
    format!("class Test(Module):\n  training : bool\n  def forward(self, x: Tensor) -> {returns}:\n{body}")
}

/// Raises on frames brighter than half, with a text that has a path and is long.
pub fn raises_on_bright() -> String {
    let text = format!("too bright for /secret/place, {}", "and this goes on, ".repeat(40));
    module(
        "float",
        &format!("mean = float(torch.mean(x))\nif mean > 0.5:\n  ops.prim.RaiseException(\"{text}\")\nreturn mean"),
    )
}

/// Never comes back from frames that are all white.
pub fn hangs_on_white() -> String {
    module("float", "mean = float(torch.mean(x))\nwhile mean > 0.9:\n  mean = float(torch.mean(x))\nreturn mean")
}
