//! Masks of small prototypes. The numbers of real modules are in `tests/reference`.

use serde_json::{Map, Value};

use super::instance::{Prototypes, outlined};
use super::*;
use crate::pipeline::detection::Bounds;
use crate::pipeline::nodes::detect::{Found, Place};
use crate::pipeline::torch::{Array, Returned};

fn returned(shape: &[usize], values: Vec<f32>) -> Returned {
    let boxes = Returned::Tensor(Array { shape: vec![1, 6, 20], values: vec![0.0; 120] });
    Returned::List(vec![boxes, Returned::Tensor(Array { shape: shape.to_vec(), values })])
}

/// Everything to the left of the middle of 8 by 8 cells belongs to the object, in an input of 32 by 32.
fn left_half() -> Returned {
    let cells = (0..64).map(|at| if at % 8 < 4 { 1.0 } else { -1.0 });
    let nothing = (0..64).map(|_| 100.0);
    returned(&[1, 2, 8, 8], cells.chain(nothing).collect())
}

fn object(x1: f32, y1: f32, x2: f32, y2: f32) -> Found {
    Found { bounds: Bounds { x1, y1, x2, y2 }, score: 0.9, class_id: 0, extra: vec![1.0, 0.0], outline: None }
}

fn masks(returned: &Returned, found: &[Found]) -> Vec<Map<String, Value>> {
    let place = Place { placement: None, frame_size: (32, 32) };
    let prototypes = Prototypes::of(returned, 0, 1).unwrap();
    outlined(&prototypes, found, &place, [32, 32], 0.0).into_iter().map(|(_, more)| more).collect()
}

#[test]
fn a_mask_is_cut_at_its_box() {
    let found = masks(&left_half(), &[object(4.0, 8.0, 30.0, 20.0)]);
    assert_eq!(found[0]["polygons"], serde_json::json!([[[16.0, 8.0], [16.0, 20.0], [4.0, 20.0], [4.0, 8.0]]]));
    assert_eq!(found[0]["area"], 144.0);
}

#[test]
fn an_object_without_a_mask_is_none() {
    let outside = [object(20.0, 8.0, 30.0, 20.0), object(9.0, 9.0, 9.0, 12.0), object(99.0, 9.0, 120.0, 12.0)];
    assert!(masks(&left_half(), &outside).is_empty());
    let lost = Found { bounds: Bounds { x1: f32::NAN, ..Bounds::default() }, ..object(0.0, 0.0, 9.0, 9.0) };
    assert!(masks(&left_half(), &[lost]).is_empty());
    let odd = Found { extra: vec![f32::NAN, 0.0], ..object(4.0, 8.0, 30.0, 20.0) };
    assert!(masks(&left_half(), &[odd]).is_empty());
}

#[test]
fn what_has_no_prototypes_is_told() {
    for wrong in [
        Returned::Tensor(Array { shape: vec![1, 6, 20], values: vec![0.0; 120] }),
        returned(&[2, 8, 8], vec![0.0; 128]),
        returned(&[2, 2, 8, 8], vec![0.0; 256]),
        returned(&[1, 0, 8, 8], vec![]),
        Returned::List(vec![Returned::None]),
    ] {
        let error = Prototypes::of(&wrong, 0, 1).unwrap_err();
        assert!(error.contains("[B, masks, h, w]"), "{error}");
    }
}

#[test]
fn ragged_masks_of_many_objects_can_be_sent() {
    let side = 160;
    let noise =
        (0..side * side).map(|at: u64| if at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 63 == 0 { 1.0 } else { -1.0 });
    let returned = returned(&[1, 1, 160, 160], noise.collect());
    let all: Vec<Found> = (0..300).map(|_| Found { extra: vec![1.0], ..object(0.0, 0.0, 640.0, 640.0) }).collect();
    let place = Place { placement: None, frame_size: (640, 640) };
    let prototypes = Prototypes::of(&returned, 0, 1).unwrap();
    // A few of them have the budget of all.
    let some: Vec<Value> = outlined(&prototypes, &all[..3], &place, [640, 640], 0.0)
        .into_iter()
        .map(|(_, more)| Value::Object(more))
        .collect();
    assert!(
        some.iter().all(|one| one.to_string().len() * 3 < 1 << 20 && one["polygons"][0].as_array().unwrap().len() > 2)
    );
}

#[test]
fn the_threshold_is_a_share() {
    assert_eq!(limit(None).unwrap(), 0.0);
    assert!((limit(Some(toml::Value::Float(0.9))).unwrap() - 2.197).abs() < 0.001);
    for wrong in [
        toml::Value::Float(0.0),
        toml::Value::Float(f64::NAN),
        toml::Value::Integer(1),
        toml::Value::String("x".into()),
    ] {
        assert!(limit(Some(wrong)).unwrap_err().contains("mask_threshold = "));
    }
}
