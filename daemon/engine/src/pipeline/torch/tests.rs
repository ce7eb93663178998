//! Error texts and JSON forms; modules themselves are run by the tests crate.

use serde_json::Value;
use tch::IValue;

use super::json::to_json;
use super::*;

fn json(value: IValue) -> Result<Value, String> {
    to_json(value, &mut { MAX_NUMBERS })
}

#[test]
fn every_value_has_a_json_form() {
    let dict = IValue::GenericDict(vec![
        (IValue::String("nan".into()), IValue::Double(f64::NAN)),
        (IValue::String("list".into()), IValue::DoubleList(vec![1.5, f64::INFINITY])),
        (IValue::String("tuple".into()), IValue::Tuple(vec![IValue::Int(3), IValue::None, IValue::Bool(true)])),
        (IValue::String("tensor".into()), IValue::Tensor(Tensor::from_slice2(&[[1_i64, 2], [3, 4]]))),
        (IValue::String("scalar".into()), IValue::Tensor(Tensor::from(0.5_f32))),
        (IValue::String("bits".into()), IValue::Tensor(Tensor::from_slice(&[true, false]))),
        (IValue::String("empty".into()), IValue::Tensor(Tensor::zeros([0, 3], (Kind::Float, Device::Cpu)))),
    ]);
    let expected = serde_json::json!({
        "nan": null, "list": [1.5, null], "tuple": [3, null, true], "tensor": [[1, 2], [3, 4]], "scalar": 0.5,
        "bits": [true, false], "empty": []
    });
    assert_eq!(json(dict).unwrap(), expected);
}

#[test]
fn floats_have_six_digits_and_whole_numbers_all_of_theirs() {
    for (float, text) in [
        (0.497_252_404_689_788_8, "0.497252"),
        (f64::from(0.1_f32), "0.1"),
        (-1_907.728_349, "-1907.73"),
        (99_999.96, "100000.0"),
        (123_456.78, "123457.0"),
        (1_764_409_550.25, "1764409550.0"),
        (16_777_217.0, "16777217.0"),
        (1.234_567_89e-7, "1.23457e-7"),
        (f64::MIN_POSITIVE, "2.22507e-308"),
        (f64::MAX, "1.7976931348623157e+308"),
        (-0.0, "0.0"),
        (f64::NEG_INFINITY, "null"),
    ] {
        assert_eq!(json(IValue::Double(float)).unwrap().to_string(), text);
        assert_eq!(json(IValue::DoubleList(vec![float])).unwrap().to_string(), format!("[{text}]"));
        let tensor = Tensor::from_slice(&[float]);
        assert_eq!(json(IValue::Tensor(tensor)).unwrap().to_string(), format!("[{text}]"));
    }
    let ids = IValue::Tensor(Tensor::from_slice(&[i64::MAX, 1_234_567_890_123]));
    assert_eq!(json(ids).unwrap().to_string(), "[9223372036854775807,1234567890123]");
}

#[test]
fn numbers_are_limited_over_the_whole_output() {
    let half = || IValue::Tensor(Tensor::zeros([2048], (Kind::Float, Device::Cpu)));
    assert!(json(IValue::Tuple(vec![half(), half()])).is_ok());
    assert!(json(IValue::Tuple(vec![half(), half(), IValue::IntList(vec![1])])).is_err());
}

#[test]
fn keys_are_strings_and_objects_have_no_form() {
    assert!(json(IValue::GenericDict(vec![(IValue::Int(1), IValue::Int(2))])).is_err());
    assert!(json(IValue::Device(Device::Cpu)).is_err());
}

#[test]
fn errors_are_cut_to_the_useful_line() {
    let raised = "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript (most recent \
                  call last):\n  File \"x\", line 3\n    <--- HERE\nRuntimeError: too bright\n";
    assert_eq!(short(raised), "RuntimeError: too bright");
    assert_eq!(short("\n  first\nsecond"), "first");
    assert_eq!(short("Internal torch error: \nUnknown type name 'Foo':\n  File"), "Unknown type name 'Foo':");
    assert_eq!(short(""), "no reason given");
    assert!(short(&"x".repeat(5000)).len() <= MAX_ERROR_CHARS);
}

#[test]
fn a_file_that_is_no_module_is_refused_with_its_name() {
    let file = std::env::temp_dir().join(format!("forgesyted-no-module-{}.pt", std::process::id()));
    std::fs::write(&file, b"not a module").unwrap();
    let error = Module::load(&file, Device::Cpu).unwrap_err();
    std::fs::remove_file(&file).unwrap();
    assert!(error.contains("forgesyted-no-module") && !error.contains('\n') && error.len() < 700, "{error}");
}

#[test]
fn a_thread_keeps_its_thread_count_whatever_another_sets() {
    let (prepared, wait_prepared) = std::sync::mpsc::channel();
    let (set_elsewhere, wait_elsewhere) = std::sync::mpsc::channel::<()>();
    let worker = std::thread::spawn(move || {
        let _no_grad = prepare_thread(3);
        prepared.send(()).unwrap();
        wait_elsewhere.recv().unwrap();
        // Large enough to be split among threads: that is where libtorch looks at the count first.
        let _ = Tensor::ones([4_000_000], (Kind::Float, Device::Cpu)).f_sum(Kind::Float).unwrap();
        tch::get_num_threads()
    });
    wait_prepared.recv().unwrap();
    drop(prepare_thread(1));
    set_elsewhere.send(()).unwrap();
    assert_eq!(worker.join().unwrap(), 3);
}
