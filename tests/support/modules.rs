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

/// A detector in place of a trained one, for `measure`: gives under `detections` what these lines put into `found` by
/// `found_one`, as in `_0 = torch.append(found, self.found_one(10., 20., 50., 100., 0.9, "person", 0))`. `red`, `green` and `blue`
/// are the picture's means, 0 to 1.
pub fn detector(body: &str) -> String {
    let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        r#"class Detector(Module):
  training : bool
  def forward(self, x: Tensor) -> Dict[str, Any]:
    red = float(torch.mean(torch.select(x, 1, 0)))
    green = float(torch.mean(torch.select(x, 1, 1)))
    blue = float(torch.mean(torch.select(x, 1, 2)))
    found = annotate(List[Dict[str, Any]], [])
{body}    return annotate(Dict[str, Any], {{"detections": found}})
  def found_one(self, x1: float, y1: float, x2: float, y2: float, score: float, label: str, class_id: int) -> Dict[str, Any]:
    return annotate(Dict[str, Any], {{"box": [x1, y1, x2, y2], "score": score, "label": label, "class_id": class_id}})
"#
    )
}
