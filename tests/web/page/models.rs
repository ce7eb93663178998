//! What the page is shown: TorchScript modules whose answers are known, and pictures for them.

use turbojpeg::{Image, PixelFormat, Subsamp};

/// Finds what is white, and takes longer the more often it spins: what is drawn over a moving square shows whether frame and
/// result belong together.
pub fn finder(spins: u32) -> String {
    const SOURCE: &str = r#"class Finder(Module):
  training : bool
  def forward(self, x: Tensor) -> Dict[str, Any]:
    grey = torch.mean(torch.select(x, 0, 0), [0])
    spin = 0
    total = 0.
    while spin < SPINS:
      total = total + float(torch.mean(grey))
      spin = spin + 1
    bright = torch.gt(grey, 0.7)
    rows = torch.nonzero(torch.any(bright, 1))
    columns = torch.nonzero(torch.any(bright, 0))
    found = annotate(List[Any], [])
    if torch.gt(torch.numel(rows), 0):
      box = annotate(List[int], [int(torch.min(columns)), int(torch.min(rows)), int(torch.max(columns)) + 1, int(torch.max(rows)) + 1])
      one = annotate(Dict[str, Any], {"box": box, "score": 0.93, "label": "square", "class_id": 3, "track_id": 7})
      _0 = torch.append(found, one)
    else:
      pass
    return annotate(Dict[str, Any], {"detections": found, "brightness": total / float(SPINS)})
"#;
    SOURCE.replace("SPINS", &spins.to_string())
}

/// A label, a text and a value that are HTML.
pub const HTML: &str = r#"class Html(Module):
  training : bool
  def forward(self, x: Tensor) -> Dict[str, Any]:
    box = annotate(List[int], [10, 40, 100, 100])
    one = annotate(Dict[str, Any], {"box": box, "label": "<img src=x onerror=alert(1)>", "text": "<script>alert(2)</script>"})
    found = annotate(List[Any], [one])
    return annotate(Dict[str, Any], {"detections": found, "<u>key</u>": "<b onclick=alert(3)>value</b>"})
"#;

/// 600 boxes with labels.
pub const CROWD: &str = r#"class Crowd(Module):
  training : bool
  def forward(self, x: Tensor) -> Dict[str, Any]:
    found = annotate(List[Any], [])
    at = 0
    while at < 600:
      left = at % 30 * 10
      top = at // 30 * 11 + 16
      box = annotate(List[int], [left, top, left + 9, top + 10])
      one = annotate(Dict[str, Any], {"box": box, "score": 0.5, "label": "person", "class_id": at})
      _0 = torch.append(found, one)
      at = at + 1
    return annotate(Dict[str, Any], {"detections": found})
"#;

/// Masks, read text, boxes that are none, and values of every kind.
pub const ODD: &str = r#"class Odd(Module):
  training : bool
  def forward(self, x: Tensor) -> Dict[str, Any]:
    outline = annotate(List[Any], [annotate(List[int], [60, 60]), annotate(List[int], [140, 50]), annotate(List[int], [160, 130]), annotate(List[int], [70, 150])])
    second = annotate(List[Any], [annotate(List[int], [200, 60]), annotate(List[int], [290, 80]), annotate(List[int], [230, 160])])
    mask = annotate(Dict[str, Any], {"polygon": outline, "label": "leaf", "class_id": 0, "score": 0.9})
    masks = annotate(Dict[str, Any], {"polygons": annotate(List[Any], [second]), "label": "stone", "class_id": 1, "track_id": "b2"})
    plate = annotate(Dict[str, Any], {"box": annotate(List[int], [90, 180, 230, 215]), "label": "plate", "class_id": 2, "text": "AB 123"})
    none = annotate(Dict[str, Any], {"box": annotate(List[Any], [1, "x", 3]), "label": "no box"})
    far = annotate(Dict[str, Any], {"box": annotate(List[float], [-1e300, -5., 1e300, 4.]), "label": "far"})
    found = annotate(List[Any], [mask, masks, plate, none, far, "text", 7, annotate(List[int], [1])])
    rgb = annotate(List[int], [1, 2, 3])
    nothing = float(torch.mean(x)) / 0. * 0.
    return annotate(Dict[str, Any], {"detections": found, "rgb": rgb, "nothing": nothing, "text": "EXIT\n12", "sure": True})
"#;

/// A dark picture with a white square at this place, `side` pixels wide and high.
pub fn square(left: usize, top: usize, side: usize) -> Vec<u8> {
    let (width, height) = (320, 240);
    let pixels: Vec<u8> = (0..width * height)
        .flat_map(|at| {
            let (x, y) = (at % width, at / width);
            let inside = (left..left + side).contains(&x) && (top..top + side).contains(&y);
            [if inside { 255_u8 } else { 16 }; 3]
        })
        .collect();
    let image = Image { pixels: pixels.as_slice(), width, pitch: width * 3, height, format: PixelFormat::RGB };
    turbojpeg::compress(image, 92, Subsamp::None).unwrap().to_vec()
}
