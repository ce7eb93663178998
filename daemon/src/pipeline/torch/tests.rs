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
