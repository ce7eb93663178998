//! What is seen on the picture afterwards.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::pipeline::image::sample_jpeg;
use base::frame::{FrameData, PixelLayout, RawPicture, Rotation};

const GREY: u8 = 100;

struct Drawn {
    rgb: Vec<u8>,
    width: usize,
}

impl Drawn {
    fn new(width: usize, height: usize, result: &Value, scale: (f64, f64)) -> Drawn {
        let mut rgb = vec![GREY; width * height * 3];
        draw(&mut rgb, width, height, result, scale);
        Drawn { rgb, width }
    }

    fn at(&self, x: usize, y: usize) -> Rgb888 {
        let at = (y * self.width + x) * 3;
        Rgb888::new(self.rgb[at], self.rgb[at + 1], self.rgb[at + 2])
    }

    fn is_untouched(&self) -> bool {
        self.rgb.iter().all(|&value| value == GREY)
    }
}

#[test]
fn a_box_has_its_colour_on_its_edges_and_nowhere_else() {
    let result = json!({ "detections": [{ "box": [80, 120, 240, 200], "class_id": 1 }] });
    let colour = marks::marks(&result, (200, 150), (0.5, 0.5))[0].colour;
    let drawn =
        Drawn::new(200, 150, &json!({ "detections": [{ "box": [80, 120, 240, 200], "class_id": 1 }] }), (0.5, 0.5));
    for (x, y) in [(40, 60), (120, 60), (40, 100), (120, 100), (80, 60), (80, 100), (40, 80), (120, 80)] {
        assert_eq!(drawn.at(x, y), colour, "{x}, {y}");
    }
    let grey = Rgb888::new(GREY, GREY, GREY);
    for (x, y) in [(39, 80), (121, 80), (80, 101), (80, 80), (44, 64), (39, 101), (150, 60)] {
        assert_eq!(drawn.at(x, y), grey, "{x}, {y}");
    }
}

#[test]
fn a_label_stands_above_its_box_or_inside_it_and_stays_in_the_picture() {
    let boxed =
        |x1: i32, y1: i32| json!({ "detections": [{ "box": [x1, y1, 318, 230], "label": "person", "class_id": 2 }] });
    let above = Drawn::new(320, 240, &boxed(100, 100), (1.0, 1.0));
    let label_colour = above.at(100, 100);
    assert_eq!(above.at(100, 99), label_colour, "the label's background touches the box");
    assert!((85..98).any(|y| (100..160).any(|x| above.at(x, y) == Rgb888::BLACK)), "there is a text on it");
    let inside = Drawn::new(320, 240, &boxed(100, 3), (1.0, 1.0));
    assert_eq!(inside.at(101, 0), Rgb888::new(GREY, GREY, GREY));
    assert_eq!(inside.at(130, 3 + 14), label_colour);
    let at_the_edge = Drawn::new(320, 240, &boxed(310, 100), (1.0, 1.0));
    assert_eq!(at_the_edge.at(290, 99), label_colour, "the label is moved to the left");
}

#[test]
fn numbers_stand_in_a_dark_panel() {
    let drawn = Drawn::new(320, 240, &json!({ "brightness": 0.5, "verdict": "ok" }), (1.0, 1.0));
    assert_eq!(drawn.at(0, 0), Rgb888::new(GREY / 4, GREY / 4, GREY / 4));
    assert!((0..30).any(|y| (0..110).any(|x| drawn.at(x, y) == Rgb888::WHITE)));
    assert_eq!(drawn.at(200, 10), Rgb888::new(GREY, GREY, GREY));
    assert_eq!(drawn.at(5, 60), Rgb888::new(GREY, GREY, GREY));
}

#[test]
fn nothing_to_draw_changes_nothing() {
    for result in [
        json!({}),
        json!(null),
        json!([1, 2]),
        json!({ "detections": [] }),
        json!({ "detections": {} }),
        json!({ "detections": [{}, 1, "x", null, { "box": [1, 2] }, { "label": "no box" }] }),
        json!({ "nested": { "a": 1 } }),
    ] {
        assert!(Drawn::new(64, 48, &result, (1.0, 1.0)).is_untouched(), "{result}");
    }
}

#[test]
fn bytes_that_are_no_picture_stay_as_they_are() {
    let result = json!({ "a": 1, "detections": [{ "box": [0, 0, 9, 9] }] });
    for (bytes, width, height) in [(0, 0, 0), (100, 0, 10), (299, 10, 10), (300, usize::MAX, 10), (300, 100, 1 << 62)] {
        let mut rgb = vec![GREY; bytes];
        draw(&mut rgb, width, height, &result, (1.0, 1.0));
        assert!(rgb.iter().all(|&value| value == GREY), "{width}x{height}");
    }
    let mut longer = vec![GREY; 100 * 100 * 3 + 50];
    draw(&mut longer, 100, 100, &result, (1.0, 1.0));
    assert!(longer[100 * 100 * 3..].iter().all(|&value| value == GREY));
    assert!(longer.iter().any(|&value| value != GREY));
}

#[test]
fn a_frame_is_rendered_turned_and_whole() {
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    let jpeg = Frame::jpeg(sample_jpeg(320, 240).unwrap().into());
    let raw = RawPicture {
        layout: PixelLayout::Yuyv,
        width: 320,
        height: 240,
        stride: 640,
        bytes: vec![128; 153_600].into(),
    };
    let raw = Frame { data: FrameData::Raw(raw), rotation: Rotation::Quarter };
    let result = json!({ "detections": [{ "box": [100, 100, 200, 200], "class_id": 3, "label": "x" }] });
    for (frame, size) in [(jpeg, (320, 240)), (raw, (240, 320))] {
        let rendered = Frame::jpeg(render(&mut encoder, &mut decoder, &frame, &result, 95).unwrap());
        let picture = decoder.decode(&rendered, ImageNeed::Whole).unwrap();
        assert_eq!(picture.frame_size, size);
        let pixel = &picture.rgb[(150 * size.0 + 100) * 3..][..3];
        assert!(pixel[0] > 180 && pixel[1] < 120 && pixel[2] < 160, "the box's red edge: {pixel:?}");
    }
    let broken = Frame::jpeg(vec![0xFF, 0xD8, 0xFF, 0xD9].into());
    assert!(render(&mut encoder, &mut decoder, &broken, &result, 80).is_err());
}

/// Any JSON of some depth, with the keys that mean something more often than others.
fn any_json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-700.0..700.0).prop_map(Value::from)
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number.clone(),
        any::<String>().prop_map(Value::from),
        prop::collection::vec(number, 0..6).prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec!["box", "score", "label", "class_id", "track_id", "text", "polygon", "detections"])
            .prop_map(str::to_owned),
        any::<String>(),
    ];
    leaf.prop_recursive(4, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map(key.clone(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A detection whose keys hold what they should or anything.
fn any_detection() -> impl Strategy<Value = Value> {
    let coordinate = prop_oneof![4 => -100.0..700.0, 1 => any::<f64>()];
    let corners = prop::collection::vec(coordinate.clone(), 4).prop_map(Value::from);
    let polygon = prop::collection::vec(prop::collection::vec(coordinate, 2), 0..9).prop_map(|points| json!(points));
    (corners, prop::option::of(polygon), any_json(), any_json(), any_json(), any::<String>()).prop_map(
        |(corners, polygon, score, class, track, label)| {
            json!({ "box": corners, "polygon": polygon, "score": score, "class_id": class, "track_id": track, "label": label })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_result_can_be_drawn(
        detections in prop::collection::vec(prop_oneof![any_detection(), any_json()], 0..12),
        other in any_json(),
        (width, height) in (0usize..300, 0usize..300),
        scale in (any::<f64>(), prop_oneof![Just(1.0), any::<f64>()]),
    ) {
        let mut result = json!({ "detections": detections });
        if let (Some(result), Value::Object(other)) = (result.as_object_mut(), other) {
            result.extend(other.into_iter().filter(|(key, _)| key != "detections"));
        }
        let mut rgb = vec![GREY; width * height * 3 + 7];
        draw(&mut rgb, width, height, &result, scale);
        draw(&mut rgb, width, height, &result, (1.0, 1.0));
        prop_assert!(rgb[width * height * 3..].iter().all(|&value| value == GREY));
    }
}
