# Camera health from one frame. TorchScript source of scene.pt, which `cargo xtask models` makes from it.
#
# In:  float32 [1, 3, H, W], RGB, 0 to 1; any H and W from 1 on.
# Out: a dict of six numbers and a verdict. Formulas, ranges, sources and limits: /usr/share/doc/forgesyted/pipelines-shipped.md.

class Scene(Module):
  training : bool

  def forward(self, x: Tensor) -> Dict[str, Any]:
    if x.dim() != 4 or x.size(0) != 1 or x.size(1) != 3:
      ops.prim.RaiseException("scene takes one RGB frame, [1, 3, H, W]")
    r = x[0, 0]
    g = x[0, 1]
    b = x[0, 2]
    # Luma, ITU-R BT.601.
    y = torch.add(torch.add(torch.mul(r, 0.299), g, alpha=0.587), b, alpha=0.114)
    y_mean, y_var = self.moments(y)

    # Opponent colours, Hasler and Suesstrunk 2003. The sign of yb does not matter here.
    rg_mean, rg_var = self.moments(torch.sub(r, g))
    yb_mean, yb_var = self.moments(torch.sub(b, torch.add(r, g), alpha=0.5))

    # Laplacian with the kernel 0 1 0 / 1 -4 1 / 0 1 0 on the pixels that have four neighbours.
    lap_var = torch.zeros_like(y_var)
    height, width = y.shape
    if height > 2 and width > 2:
      sides = torch.add(y[1:-1, :-2], y[1:-1, 2:])
      ends = torch.add(y[:-2, 1:-1], y[2:, 1:-1])
      lap = torch.sub(torch.add(sides, ends), y[1:-1, 1:-1], alpha=4)
      _, lap_var = self.moments(lap)

    # Clipped: luma, rounded to 8 bits, of at least 250 or at most 5.
    overexposed_from = 249.5
    underexposed_to = 5.5
    over = torch.mean(torch.ge(y, overexposed_from / 255.0), dtype=6)  # 6: float32
    under = torch.mean(torch.le(y, underexposed_to / 255.0), dtype=6)

    # One transfer from the device for all of them.
    all = torch.stack([y_mean, y_var, lap_var, rg_mean, rg_var, yb_mean, yb_var, over, under])
    v : List[float] = all.cpu().tolist()
    brightness = min(v[0], 1.0)
    contrast = torch.sqrt(v[1])
    sharpness = v[2] * 255.0 * 255.0
    colourfulness = 255.0 * (torch.sqrt(v[4] + v[6]) + 0.3 * torch.sqrt(v[3] * v[3] + v[5] * v[5]))
    overexposed = v[7]
    underexposed = v[8]
    verdict = self.verdict(brightness, contrast, sharpness, overexposed, underexposed)
    return annotate(Dict[str, Any], {
      "brightness": brightness,
      "contrast": contrast,
      "sharpness": sharpness,
      "colourfulness": colourfulness,
      "overexposed": overexposed,
      "underexposed": underexposed,
      "verdict": verdict
    })

  # Mean and (population) variance.
  def moments(self, t: Tensor) -> Tuple[Tensor, Tensor]:
    mean = torch.mean(t)
    away = torch.sub(t, mean)
    return mean, torch.mean(torch.mul(away, away))

  # The first rule that holds.
  def verdict(self, brightness: float, contrast: float, sharpness: float, over: float, under: float) -> str:
    bright_mean = 0.85
    dark_mean = 0.15
    clipped_share = 0.5
    covered_contrast = 0.01
    covered_relative_contrast = 0.05
    blurred_sharpness = 100.0
    blurred_relative_sharpness = 0.05

    # White noise of variance n gives a Laplacian of variance 20 n (the sum of the kernel's squares), so at most
    # sharpness / 20 of the luma's variance is noise. The rest is the picture's structure.
    variance = contrast * contrast * 255.0 * 255.0
    structure = torch.sqrt(max(0.0, variance - sharpness / 20.0)) / 255.0
    if brightness > bright_mean or over > clipped_share:
      return "bright"
    if structure < max(covered_contrast, covered_relative_contrast * brightness):
      return "covered"
    if brightness < dark_mean or under > clipped_share:
      return "dark"
    if sharpness < min(blurred_sharpness, blurred_relative_sharpness * variance):
      return "blurred"
    return "ok"
