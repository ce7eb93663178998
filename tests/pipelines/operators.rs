//! The operators that the daemon brings give what torchvision's give, on the CPU and in the form for any device, and refuse
//! what has no meaning. They are called as a scripted detector calls them: by name, from TorchScript.

// An error of libtorch fails the test.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::io::Cursor;
use std::sync::LazyLock;

use base::config::{DeviceChoice, EngineConfig};
use engine::engine::device;
use forgesyted_tests::{modules, sources};
use serde_json::Value;
use tch::{CModule, IValue, Kind, Tensor};

/// How far a pooled number may be from torchvision's: the order of sums differs.
const WITHIN: f64 = 2e-5;

static GOLDEN: LazyLock<Value> = LazyLock::new(|| {
    let text = fs::read_to_string(sources::root().join("tests/reference/operators.json")).unwrap();
    serde_json::from_str(&text).unwrap()
});

/// One method for each operator, in each form.
static OPERATORS: LazyLock<CModule> = LazyLock::new(|| {
    let mut source = "class Operators(Module):\n  training : bool\n".to_owned();
    for (method, library, end) in [("", "torchvision", ""), ("_anywhere", "forgesyted", "_anywhere")] {
        source += &format!(
            "  def nms{method}(self, boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:\n    \
             return ops.{library}.nms{end}(boxes, scores, iou_threshold)\n  \
             def roi_align{method}(self, input: Tensor, rois: Tensor, scale: float, height: int, width: int, ratio: int, aligned: bool) -> Tensor:\n    \
             return ops.{library}.roi_align{end}(input, rois, scale, height, width, ratio, aligned)\n"
        );
    }
    let config = EngineConfig { device: DeviceChoice::Cpu, ..EngineConfig::default() };
    device::plan(&config).unwrap();
    CModule::load_data(&mut Cursor::new(modules::archive("operators", &source))).unwrap()
});

const FORMS: [&str; 2] = ["", "_anywhere"];

fn call(method: &str, arguments: &[IValue]) -> Result<Tensor, String> {
    let _no_grad = tch::no_grad_guard();
    match OPERATORS.method_is(method, arguments) {
        Ok(IValue::Tensor(tensor)) => Ok(tensor),
        Ok(other) => panic!("{method} returned {other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

fn nms(form: &str, boxes: &Tensor, scores: &Tensor, iou_threshold: f64) -> Result<Vec<i64>, String> {
    let arguments = [boxes.shallow_clone().into(), scores.shallow_clone().into(), IValue::Double(iou_threshold)];
    call(&format!("nms{form}"), &arguments).map(|keep| Vec::try_from(keep).unwrap())
}

struct Pooling<'a> {
    input: &'a Tensor,
    rois: &'a Tensor,
    scale: f64,
    size: [i64; 2],
    ratio: i64,
    aligned: bool,
}

fn roi_align(form: &str, pooling: &Pooling<'_>) -> Result<Tensor, String> {
    let arguments = [
        pooling.input.shallow_clone().into(),
        pooling.rois.shallow_clone().into(),
        IValue::Double(pooling.scale),
        IValue::Int(pooling.size[0]),
        IValue::Int(pooling.size[1]),
        IValue::Int(pooling.ratio),
        IValue::Bool(pooling.aligned),
    ];
    call(&format!("roi_align{form}"), &arguments)
}

/// Non-finite numbers are written as text.
fn number(value: &Value) -> f32 {
    value.as_f64().map_or_else(|| value.as_str().unwrap().parse().unwrap(), |number| number as f32)
}

fn numbers(values: &Value) -> Vec<f32> {
    values.as_array().unwrap().iter().map(number).collect()
}

fn tensor(golden: &Value) -> Tensor {
    let shape: Vec<i64> = golden["shape"].as_array().unwrap().iter().map(|side| side.as_i64().unwrap()).collect();
    Tensor::from_slice(&numbers(&golden["values"])).view(shape.as_slice())
}

fn furthest(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    if found.numel() == 0 { 0.0 } else { f64::try_from((found - expected).abs().max()).unwrap() }
}

#[test]
fn nms_keeps_the_boxes_that_torchvision_keeps() {
    let cases = GOLDEN["nms"].as_array().unwrap();
    assert!(cases.len() >= 9);
    for (at, case) in cases.iter().enumerate() {
        let (boxes, scores) = (tensor(&case["boxes"]), tensor(&case["scores"]));
        let expected: Vec<i64> = case["keep"].as_array().unwrap().iter().map(|index| index.as_i64().unwrap()).collect();
        let threshold = case["iou_threshold"].as_f64().unwrap();
        for form in FORMS {
            assert_eq!(nms(form, &boxes, &scores, threshold).unwrap(), expected, "case {at}, nms{form}");
            // Rows that do not lie beside each other, as columns cut out of a network's output do not.
            let strided = boxes.transpose(0, 1).contiguous().transpose(0, 1);
            assert_eq!(nms(form, &strided, &scores, threshold).unwrap(), expected, "case {at}, nms{form}, strided");
        }
    }
}

#[test]
fn roi_align_gives_torchvisions_numbers() {
    let golden = &GOLDEN["roi_align"];
    let (input, rois) = (tensor(&golden["input"]), tensor(&golden["rois"]));
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 5);
    for (at, case) in cases.iter().enumerate() {
        let side = |at: usize| case["size"][at].as_i64().unwrap();
        let pooling = Pooling {
            input: &input,
            rois: &rois,
            scale: case["spatial_scale"].as_f64().unwrap(),
            size: [side(0), side(1)],
            ratio: case["sampling_ratio"].as_i64().unwrap(),
            aligned: case["aligned"].as_bool().unwrap(),
        };
        let expected =
            Tensor::from_slice(&numbers(&case["pooled"])).view([rois.size()[0], input.size()[1], side(0), side(1)]);
        assert!(f64::try_from(expected.abs().max()).unwrap() > 0.1, "case {at} says something");
        for form in FORMS {
            let far = furthest(&roi_align(form, &pooling).unwrap(), &expected);
            assert!(far <= WITHIN, "case {at}, roi_align{form}: {far} from torchvision's");
            let strided = input.transpose(2, 3).contiguous().transpose(2, 3);
            let far = furthest(&roi_align(form, &Pooling { input: &strided, ..pooling }).unwrap(), &expected);
            assert!(far <= WITHIN, "case {at}, roi_align{form}, strided: {far}");
        }
    }
}

#[test]
fn other_kinds_of_floats_are_computed_as_floats() {
    let case = &GOLDEN["nms"][1];
    let (boxes, scores) = (tensor(&case["boxes"]), tensor(&case["scores"]));
    let golden = &GOLDEN["roi_align"];
    let (input, rois) = (tensor(&golden["input"]), tensor(&golden["rois"]));
    for kind in [Kind::Double, Kind::Half, Kind::BFloat16] {
        let (boxes, scores) = (boxes.to_kind(kind), scores.to_kind(kind));
        let (input, rois) = (input.to_kind(kind), rois.to_kind(kind));
        let (as_floats, in_floats) =
            ((boxes.to_kind(Kind::Float), scores.to_kind(Kind::Float)), input.to_kind(Kind::Float));
        let rois_in_floats = rois.to_kind(Kind::Float);
        let pooling =
            Pooling { input: &in_floats, rois: &rois_in_floats, scale: 0.125, size: [2, 2], ratio: 2, aligned: true };
        for form in FORMS {
            let expected = nms(form, &as_floats.0, &as_floats.1, 0.5).unwrap();
            assert_eq!(nms(form, &boxes, &scores, 0.5).unwrap(), expected, "{kind:?}, nms{form}");
            let expected = roi_align(form, &pooling).unwrap().to_kind(kind);
            let found = roi_align(form, &Pooling { input: &input, rois: &rois, ..pooling }).unwrap();
            assert_eq!(found.kind(), kind);
            let far = furthest(&found.to_kind(Kind::Float), &expected.to_kind(Kind::Float));
            assert!(far <= WITHIN, "{kind:?}, roi_align{form}: {far}");
        }
    }
}

#[test]
fn what_has_no_meaning_is_refused_and_reads_no_foreign_memory() {
    let floats = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, tch::Device::Cpu));
    let input = floats(&[1, 2, 4, 4]);
    let roi = |numbers: [f32; 5]| Tensor::from_slice(&numbers).view([1, 5]);
    let fine = roi([0.0, 0.0, 0.0, 4.0, 4.0]);
    for form in FORMS {
        for (boxes, scores) in [
            (floats(&[3, 5]), floats(&[3])),
            (floats(&[3, 4]), floats(&[2])),
            (floats(&[4]), floats(&[1])),
            (floats(&[3, 4]).to_kind(Kind::Int64), floats(&[3])),
            (floats(&[3, 4]).to_kind(Kind::Half), floats(&[3])),
        ] {
            let error = nms(form, &boxes, &scores, 0.5).unwrap_err();
            assert!(error.contains("nms: "), "{error}");
        }
        for (input, rois, size, ratio, says) in [
            (&input, roi([1.0, 0.0, 0.0, 4.0, 4.0]), [2, 2], 2, "picture 1 of 1"),
            (&input, roi([-1.0, 0.0, 0.0, 4.0, 4.0]), [2, 2], 2, "picture -1 of 1"),
            (&input, roi([f32::NAN, 0.0, 0.0, 4.0, 4.0]), [2, 2], 2, "picture nan of 1"),
            (&input, roi([0.0, 0.0, 0.0, 1e9, 4.0]), [2, 2], 0, "at most 1024"),
            (&input, roi([0.0, 0.0, 0.0, f32::INFINITY, 4.0]), [2, 2], -1, "at most 1024"),
            (&input, fine.shallow_clone(), [0, 2], 2, "output size"),
            (&input, fine.shallow_clone(), [2, 2], 5000, "sampling_ratio"),
            (&input, floats(&[1, 4]), [2, 2], 2, "[K, 5]"),
            (&input, fine.to_kind(Kind::Double), [2, 2], 2, "one type"),
            (&floats(&[2, 4, 4]), fine.shallow_clone(), [2, 2], 2, "[N, C, H, W]"),
            (&floats(&[1, 2, 0, 4]), fine.shallow_clone(), [2, 2], 2, "empty input"),
        ] {
            let error =
                roi_align(form, &Pooling { input, rois: &rois, scale: 1.0, size, ratio, aligned: false }).unwrap_err();
            assert!(error.contains(says), "roi_align{form}: {error}");
        }
        // Corners that are no numbers, or far away, are outside of the input: zeros.
        let ones = Tensor::ones([1, 2, 4, 4], (Kind::Float, tch::Device::Cpu));
        for rois in [roi([0.0, f32::NAN, 0.0, 4.0, 4.0]), roi([0.0, -3e38, -3e38, 3e38, 3e38])] {
            let pooling = Pooling { input: &ones, rois: &rois, scale: 1.0, size: [2, 2], ratio: 2, aligned: false };
            let found = roi_align(form, &pooling).unwrap();
            assert_eq!(f64::try_from(found.abs().sum(Kind::Float)).unwrap(), 0.0, "roi_align{form}");
        }
        let none =
            Pooling { input: &input, rois: &floats(&[0, 5]), scale: 1.0, size: [2, 2], ratio: 2, aligned: false };
        assert_eq!(roi_align(form, &none).unwrap().size(), [0, 2, 2, 2], "roi_align{form}");
    }
}
