//! Local cameras, played from files: the same thread, session and pictures as a device's, without hardware. What only a
//! driver can do is in `tests/vm`.

mod faults;
mod life;
mod pictures;
mod reload;
mod sharing;
mod watch;

/// A module that gives the frame's mean brightness, 0 to 1, as `brightness`.
const BRIGHTNESS: &str = r#"class Brightness(Module):
  training : bool
  def forward(self, x: Tensor) -> Dict[str, Any]:
    return annotate(Dict[str, Any], {"brightness": float(torch.mean(x))})
"#;

/// A module that refuses dark frames.
const NO_DARKNESS: &str = r#"class NoDarkness(Module):
  training : bool
  def forward(self, x: Tensor) -> Dict[str, Any]:
    if bool(torch.lt(torch.mean(x), 0.10000000000000001)):
      ops.prim.RaiseException("too dark")
    else:
      pass
    return annotate(Dict[str, Any], {"brightness": float(torch.mean(x))})
"#;
