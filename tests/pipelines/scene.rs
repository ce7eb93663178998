//! The shipped `scene` model: every value against its formula in plain Rust, every verdict, every frame size; and
//! that libtorch loads what the archive writer makes.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use tch::{CModule, IValue, Tensor};
use xtask::torchscript;

const KEYS: [&str; 7] =
    ["brightness", "contrast", "sharpness", "colourfulness", "overexposed", "underexposed", "verdict"];

// ---- the model under test

/// libtorch's loader is not thread-safe and tests run in parallel, so every load holds this lock.
static LOADS: Mutex<()> = Mutex::new(());

static SCENE: LazyLock<Mutex<CModule>> = LazyLock::new(|| {
    let file = root().join("config/models/scene.pt");
    Mutex::new(load(&fs::read(file).unwrap()).unwrap())
});

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn load(bytes: &[u8]) -> Result<CModule, tch::TchError> {
    let _one_at_a_time = LOADS.lock().unwrap();
    let mut module = CModule::load_data(&mut Cursor::new(bytes))?;
    module.f_set_eval()?;
    Ok(module)
}

fn entries(module: &CModule, input: Tensor) -> Vec<(String, IValue)> {
    match module.forward_is(&[IValue::Tensor(input)]).unwrap() {
        IValue::GenericDict(entries) => {
            entries.into_iter().map(|(key, value)| (String::try_from(key).unwrap(), value)).collect()
        }
        other => panic!("not a dict: {other:?}"),
    }
}

#[derive(Debug, PartialEq)]
struct Values {
    /// In the order of `KEYS`, without the verdict.
    numbers: [f64; 6],
    verdict: String,
}

fn measure(image: &Image) -> Values {
    let entries = entries(&SCENE.lock().unwrap(), image.tensor());
    let keys: Vec<_> = entries.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, KEYS);
    let mut numbers = [0.0; 6];
    let mut verdict = String::new();
    for (i, (_, value)) in entries.into_iter().enumerate() {
        match value {
            IValue::Double(number) => numbers[i] = number,
            IValue::String(text) => verdict = text,
            other => panic!("{}: {other:?}", KEYS[i]),
        }
    }
    Values { numbers, verdict }
}

// ---- images

/// RGB, 0 to 1, rows from the top, pixels interleaved.
#[derive(Clone)]
struct Image {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 3]>,
}

impl Image {
    fn from_fn(width: usize, height: usize, mut colour: impl FnMut(usize, usize) -> [f32; 3]) -> Self {
        let mut pixels = Vec::with_capacity(width * height);
        for row in 0..height {
            for column in 0..width {
                pixels.push(colour(column, row));
            }
        }
        Image { width, height, pixels }
    }

    fn uniform(colour: [f32; 3]) -> Self {
        Image::from_fn(320, 240, |_, _| colour)
    }

    fn grey_gradient() -> Self {
        Image::from_fn(320, 240, |column, _| [column as f32 / 319.0; 3])
    }

    fn checker(cell: usize, low: f32, high: f32) -> Self {
        Image::from_fn(
            320,
            240,
            |column, row| {
                if (column / cell + row / cell).is_multiple_of(2) { [low; 3] } else { [high; 3] }
            },
        )
    }

    /// Independent colours, evenly spread, the same on every run.
    fn noise(width: usize, height: usize) -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        Image::from_fn(width, height, |_, _| [next(), next(), next()])
    }

    /// Rectangles of many sizes and colours: edges, flat parts and colour, like a scene of daily life.
    fn structured() -> Self {
        Image::from_fn(320, 240, |column, row| {
            let block = |x: usize, y: usize, step: usize| ((x / step) * 7 + (y / step) * 13) % 11;
            let coarse = block(column, row, 40) as f32 / 10.0;
            let fine = block(column + 5, row + 3, 9) as f32 / 10.0;
            [0.1 + 0.5 * coarse + 0.2 * fine, 0.1 + 0.7 * fine, 0.2 + 0.3 * coarse + 0.3 * fine]
        })
    }

    fn scaled(&self, gain: f32) -> Self {
        let mut image = self.clone();
        image.pixels.iter_mut().flatten().for_each(|v| *v = (*v * gain).min(1.0));
        image
    }

    /// The mean over a square of `2 * reach + 1` pixels, clamped at the edges.
    fn box_blurred(&self, reach: usize) -> Self {
        Image::from_fn(self.width, self.height, |column, row| {
            let mut sum = [0.0; 3];
            for down in 0..=2 * reach {
                for right in 0..=2 * reach {
                    let x = (column + right).saturating_sub(reach).min(self.width - 1);
                    let y = (row + down).saturating_sub(reach).min(self.height - 1);
                    let pixel = self.pixels[y * self.width + x];
                    sum.iter_mut().zip(pixel).for_each(|(s, v)| *s += v);
                }
            }
            sum.map(|s| s / ((2 * reach + 1) * (2 * reach + 1)) as f32)
        })
    }

    fn tensor(&self) -> Tensor {
        let planes: Vec<f32> = (0..3).flat_map(|c| self.pixels.iter().map(move |pixel| pixel[c])).collect();
        Tensor::from_slice(&planes).f_reshape([1, 3, self.height as i64, self.width as i64]).unwrap()
    }
}

// ---- the formulas, from their papers, in plain double precision

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / values.len() as f64
}

fn share(values: &[f64], holds: impl Fn(f64) -> bool) -> f64 {
    values.iter().filter(|v| holds(**v)).count() as f64 / values.len() as f64
}

fn sharpness(image: &Image, luma: &[f64]) -> f64 {
    let (w, h) = (image.width, image.height);
    if w < 3 || h < 3 {
        return 0.0;
    }
    let mut laplacian = Vec::new();
    for row in 1..h - 1 {
        for column in 1..w - 1 {
            let at = row * w + column;
            laplacian.push(luma[at - w] + luma[at + w] + luma[at - 1] + luma[at + 1] - 4.0 * luma[at]);
        }
    }
    variance(&laplacian)
}

/// The six numbers in the order of `KEYS`; all inside in 8-bit units.
fn expected(image: &Image) -> [f64; 6] {
    let rgb: Vec<[f64; 3]> = image.pixels.iter().map(|pixel| pixel.map(|v| f64::from(v) * 255.0)).collect();
    let luma: Vec<f64> = rgb.iter().map(|[r, g, b]| 0.299 * r + 0.587 * g + 0.114 * b).collect();
    let rg: Vec<f64> = rgb.iter().map(|[r, g, _]| r - g).collect();
    let yb: Vec<f64> = rgb.iter().map(|[r, g, b]| 0.5 * (r + g) - b).collect();
    [
        mean(&luma) / 255.0,
        variance(&luma).sqrt() / 255.0,
        sharpness(image, &luma),
        (variance(&rg) + variance(&yb)).sqrt() + 0.3 * (mean(&rg).powi(2) + mean(&yb).powi(2)).sqrt(),
        share(&luma, |v| v >= 249.5),
        share(&luma, |v| v <= 5.5),
    ]
}

fn check_numbers(what: &str, image: &Image) {
    let found = measure(image).numbers;
    let expected = expected(image);
    for i in 0..6 {
        let allowed = 1e-3 * expected[i].abs() + 1e-4;
        let off = (found[i] - expected[i]).abs();
        assert!(off <= allowed, "{what}: {} is {}, not {}", KEYS[i], found[i], expected[i]);
    }
}

// ---- tests

#[test]
fn every_number_follows_its_formula() {
    let structured = Image::structured();
    let cases = [
        ("black", Image::uniform([0.0; 3])),
        ("white", Image::uniform([1.0; 3])),
        ("red", Image::uniform([1.0, 0.0, 0.0])),
        ("olive", Image::uniform([0.5, 0.5, 0.1])),
        ("grey gradient", Image::grey_gradient()),
        ("checker of 1", Image::checker(1, 0.0, 1.0)),
        ("checker of 8", Image::checker(8, 0.2, 0.7)),
        ("noise", Image::noise(320, 240)),
        ("structured", structured.clone()),
        ("structured, blurred", structured.box_blurred(4)),
        ("structured, dark", structured.scaled(0.1)),
        ("structured, clipped", structured.scaled(3.0)),
    ];
    for (what, image) in cases {
        check_numbers(what, &image);
    }
}

#[test]
fn known_images_have_known_numbers() {
    // One pixel black, one white: half the range, and the Laplacian is +-4 * 255 everywhere.
    let checker = measure(&Image::checker(1, 0.0, 1.0)).numbers;
    for (found, exact) in checker.iter().zip([0.5, 0.5, 1020.0 * 1020.0, 0.0, 0.5, 0.5]) {
        assert!((found - exact).abs() <= 1e-5 * exact + 1e-9, "{checker:?}");
    }
    // Pure red everywhere: rg = 255 and yb = 127.5 without spread.
    let red = measure(&Image::uniform([1.0, 0.0, 0.0])).numbers;
    assert!((red[3] - 0.3 * (255.0_f64.powi(2) + 127.5_f64.powi(2)).sqrt()).abs() < 1e-3, "{red:?}");
    // A brightness never leaves its range by a rounding.
    assert_eq!(measure(&Image::uniform([1.0; 3])).numbers[0], 1.0);
}

#[test]
fn any_size_gives_numbers_and_no_nan() {
    for (width, height) in [(1, 1), (1, 7), (2, 5), (5, 2), (2, 2), (3, 3), (3, 200), (641, 17)] {
        let image = Image::noise(width, height);
        check_numbers(&format!("{width}x{height}"), &image);
        let values = measure(&image);
        assert!(values.numbers.iter().all(|v| v.is_finite()), "{values:?}");
        if width < 3 || height < 3 {
            assert_eq!(values.numbers[2], 0.0, "{width}x{height} has no pixel with four neighbours");
        }
    }
}

#[test]
fn anything_but_one_frame_is_refused() {
    for shape in [vec![2, 3, 8, 8], vec![1, 1, 8, 8], vec![3, 8, 8]] {
        let input =
            Tensor::from_slice(&vec![0.5f32; shape.iter().product::<i64>() as usize]).f_reshape(&shape).unwrap();
        let error = SCENE.lock().unwrap().forward_is(&[IValue::Tensor(input)]).unwrap_err().to_string();
        assert!(error.contains("scene takes one RGB frame"), "{shape:?}: {error}");
    }
}

#[test]
fn the_same_frame_gives_the_same_values_from_the_first_run_on() {
    // libtorch replaces the first runs' code by an optimised one.
    let module = load(&fs::read(root().join("config/models/scene.pt")).unwrap()).unwrap();
    let image = Image::structured();
    let first = entries(&module, image.tensor());
    for _ in 0..5 {
        assert_eq!(entries(&module, image.tensor()), first);
    }
}

#[test]
fn verdicts() {
    let structured = Image::structured();
    let blurred = structured.box_blurred(8);
    let cases = [
        ("a lens cap, or night", Image::uniform([0.0; 3]), "covered"),
        ("a hand in daylight", Image::uniform([0.55, 0.2, 0.15]), "covered"),
        ("a dim hand with a soft edge", Image::grey_gradient().scaled(0.03), "covered"),
        ("a sheet of paper, not clipped", Image::uniform([0.8; 3]), "covered"),
        ("a dim scene", structured.scaled(0.2), "dark"),
        ("a very dim scene", structured.scaled(0.1), "dark"),
        ("a dim and blurred scene", blurred.scaled(0.2), "dark"),
        ("a lens cap and strong noise", Image::noise(320, 240).scaled(0.1), "covered"),
        ("no signal but noise", Image::noise(320, 240), "covered"),
        ("clipped to white", Image::uniform([1.0; 3]), "bright"),
        ("a strongly overexposed scene", structured.scaled(4.0), "bright"),
        ("an overexposed and blurred scene", blurred.scaled(4.0), "bright"),
        ("a blurred scene", blurred.clone(), "blurred"),
        ("nothing but a soft gradient", Image::grey_gradient(), "blurred"),
        ("a scene", structured.clone(), "ok"),
        ("a scene of low contrast", structured.scaled(0.5), "ok"),
        ("one hard edge", Image::checker(240, 0.2, 0.8), "ok"),
        ("a checker that is half black, half white", Image::checker(8, 0.0, 1.0), "ok"),
        ("one pixel", Image::noise(1, 1), "covered"),
    ];
    for (what, image, verdict) in cases {
        let values = measure(&image);
        assert_eq!(values.verdict, verdict, "{what}: {values:?}");
    }
}

#[test]
fn verdicts_change_at_the_documented_thresholds() {
    // A checker of cells of 8 pixels, `spread` around `middle`: its contrast is `spread`.
    let checker = |middle: f32, spread: f32| measure(&Image::checker(8, middle - spread, middle + spread)).verdict;
    assert_eq!([checker(0.14, 0.1), checker(0.16, 0.1)], ["dark", "ok"]);
    assert_eq!([checker(0.84, 0.1), checker(0.86, 0.1)], ["ok", "bright"]);

    // Soft gradients (sharpness 0): covered below a contrast of 0.05 of the mean and of 0.01. A gradient's contrast is
    // its range / sqrt(12).
    let gradient = |middle: f32, contrast: f32| {
        let range = contrast * 12f32.sqrt();
        let mut image = Image::grey_gradient();
        image.pixels.iter_mut().flatten().for_each(|v| *v = middle + range * (*v - 0.5));
        measure(&image).verdict
    };
    assert_eq!([gradient(0.5, 0.024), gradient(0.5, 0.026)], ["covered", "blurred"]);
    assert_eq!([gradient(0.1, 0.009), gradient(0.1, 0.011)], ["covered", "dark"]);

    // Vertical stripes. Each edge gives two of the 318 inner columns a Laplacian of twice the spread, so sharpness is
    // 8 * edges / 318 of the variance: 0.075 for three edges, 0.025 for one.
    let stripes = |width: usize, spread: f32| {
        let level = |column: usize| if (column / width).is_multiple_of(2) { 0.5 - spread } else { 0.5 + spread };
        measure(&Image::from_fn(320, 240, |column, _| [level(column); 3])).verdict
    };
    assert_eq!([stripes(80, 0.03), stripes(160, 0.03)], ["ok", "blurred"]);
    // One edge of spread s: sharpness is 0.025 * (255 s)^2, which passes 100 at s = 0.247.
    assert_eq!([stripes(160, 0.24), stripes(160, 0.26)], ["blurred", "ok"]);

    // Stripes of which `share` (in 320ths) is clipped; the rest is a fine checker around `middle`.
    let clipped = |value: f32, columns: usize, middle: f32| {
        let image = Image::from_fn(320, 240, |column, row| match (column + row) % 2 {
            _ if column < columns => [value; 3],
            0 => [middle - 0.1; 3],
            _ => [middle + 0.1; 3],
        });
        measure(&image).verdict
    };
    assert_eq!([clipped(1.0, 159, 0.4), clipped(1.0, 161, 0.4)], ["ok", "bright"]);
    assert_eq!([clipped(0.0, 159, 0.6), clipped(0.0, 161, 0.6)], ["ok", "dark"]);
}

#[test]
fn the_page_names_every_value_and_every_threshold() {
    let page = fs::read_to_string(root().join("docs/pipelines-shipped.md")).unwrap();
    for key in KEYS.iter().chain(&["ok", "dark", "bright", "blurred", "covered"]) {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
    let source = fs::read_to_string(root().join("config/models/scene.py")).unwrap();
    let thresholds: Vec<_> = source
        .lines()
        .filter_map(|line| line.trim().split_once(" = "))
        .filter(|(_, value)| value.parse::<f64>().is_ok())
        .collect();
    assert_eq!(thresholds.len(), 9);
    for (name, value) in thresholds {
        assert!(page.contains(&format!("| `{name}` | {value} |")), "{name} = {value}");
    }
}

#[test]
fn libtorch_loads_what_the_archive_writer_makes() {
    let source =
        |body: &str| format!("class Small(Module):\n  training : bool\n  def forward(self, x: Tensor) -> {body}\n");
    let make = |body: &str| load(&torchscript::archive("small", &source(body)).unwrap());
    let ones = || Tensor::from_slice(&[1.0f32, 1.0]);

    let tensor = make("Tensor:\n    return torch.add(x, 1)").unwrap();
    assert_eq!(tensor.forward_ts(&[ones()]).unwrap(), Tensor::from_slice(&[2.0f32, 2.0]));

    let nested =
        make("Dict[str, Any]:\n    return annotate(Dict[str, Any], {\"a\": nan, \"b\": {\"c\": [1, 2]}})").unwrap();
    let nested = entries(&nested, ones());
    assert!(matches!(nested[0].1, IValue::Double(v) if v.is_nan()), "{nested:?}");
    assert!(matches!(nested[1].1, IValue::GenericDict(_)), "{nested:?}");

    let raises = make(
        "Tensor:\n    if bool(torch.gt(torch.sum(x), 1)):\n      ops.prim.RaiseException(\"too much\")\n    return x",
    )
    .unwrap();
    assert!(raises.forward_ts(&[Tensor::from_slice(&[0.5f32])]).is_ok());
    let error = raises.forward_ts(&[ones()]).unwrap_err().to_string();
    assert!(error.contains("too much"), "{error}");

    let error = make("Tensor:\n    return torch.no_such_operator(x)").unwrap_err().to_string();
    assert!(error.contains("no_such_operator"), "{error}");
}
