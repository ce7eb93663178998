//! Regions of small maps, and what does not fit.

use super::super::settings::Rules;
use super::*;
use crate::pipeline::detection::Bounds;

const READING: Reading = Reading { map_threshold: 0.3, unclip_ratio: 1.0, min_side: 2.0 };

/// A map from rows of digits, tenths of probability; `.` is 0.
fn map(rows: &[&str]) -> (Vec<f32>, usize) {
    let value = |digit: char| digit.to_digit(10).map_or(0.0, |tenths| tenths as f32 / 10.0);
    (rows.iter().flat_map(|row| row.chars().map(value)).collect(), rows[0].len())
}

#[test]
fn a_region_is_grown_by_its_area_over_its_perimeter() {
    let (values, width) = map(&["..........", "..999999..", "..999777..", "..........", "6........."]);
    let found = regions(&values, width, &READING);
    assert_eq!(found.len(), 1, "a pixel alone is less than min_side: {found:?}");
    // 6 by 2: 12 / 16 on each side.
    let expected = Bounds { x1: 1.25, y1: 0.25, x2: 8.75, y2: 3.75 };
    assert_eq!(found[0].corners.bounds(), expected);
    assert!((found[0].score - 10.2 / 12.0).abs() < 1e-5, "{found:?}");
    let plain = Reading { unclip_ratio: 0.0, min_side: 1.0, ..READING };
    let found = regions(&values, width, &plain);
    assert_eq!(found[0].corners, Quad::of_bounds(Bounds { x1: 2.0, y1: 1.0, x2: 8.0, y2: 3.0 }));
    assert_eq!(found[1].corners, Quad::of_bounds(Bounds { x1: 0.0, y1: 4.0, x2: 1.0, y2: 5.0 }));
}

fn look(rules: &Rules, at: usize) -> Look<'_> {
    Look { at, batch: 2, extra: 0, labels: None, input_size: Some([32, 24]), rules, trying: false }
}

fn rules(map: Reading) -> Rules {
    Rules { score_threshold: 0.5, iou_threshold: 0.7, max_detections: 300, classes: None, agnostic_nms: false, map }
}

#[test]
fn each_picture_has_its_own_lines_the_surest_first() {
    let (mut values, width) = map(&[".......7", ".......7", "..9999..", "..8888..", "........", "3333...."]);
    values.splice(0..0, vec![0.0; values.len()]);
    let returned = Returned::Tensor(Array { shape: vec![2, 1, 6, width], values });
    let rules = rules(Reading { unclip_ratio: 0.0, min_side: 1.0, map_threshold: 0.2 });
    assert_eq!(decode(&returned, &look(&rules, 0)), Ok(vec![]));
    let found = decode(&returned, &look(&rules, 1)).unwrap();
    let outlines: Vec<Bounds> = found.iter().filter_map(|found| found.outline).map(|quad| quad.bounds()).collect();
    // The input is four times as large as the map; the line of 0.3 is below the threshold of scores.
    assert_eq!(
        outlines,
        [Bounds { x1: 8.0, y1: 8.0, x2: 24.0, y2: 16.0 }, Bounds { x1: 28.0, y1: 0.0, x2: 32.0, y2: 8.0 }]
    );
    assert_eq!(found[0].bounds, outlines[0]);
    let one = Rules { max_detections: 1, ..rules };
    assert_eq!(decode(&returned, &look(&one, 1)).unwrap(), found[..1]);
}

#[test]
fn an_output_that_is_no_map_is_refused_with_both_shapes() {
    let rules = rules(Reading::USUAL);
    let of = |shape: &[usize]| {
        let array = Array { shape: shape.to_vec(), values: vec![0.0; shape.iter().product()] };
        decode(&Returned::Tensor(array), &look(&rules, 1))
    };
    for fits in [[2, 1, 24, 32], [2, 1, 12, 16], [2, 1, 6, 8]] {
        assert_eq!(of(&fits), Ok(vec![]), "{fits:?}");
    }
    for other in [&[1, 1, 24, 32][..], &[2, 2, 24, 32], &[2, 1, 32, 24], &[2, 24, 32], &[2, 1, 0, 0], &[]] {
        let refused = of(other).unwrap_err();
        assert!(refused.contains(&format!("{other:?}")) && refused.contains("[2, 1, 24, 32]"), "{refused}");
    }
    let labels = ["line".to_owned(), "word".to_owned()];
    let two = Look { labels: Some(&labels), ..look(&rules, 0) };
    let fits = Returned::Tensor(Array { shape: vec![2, 1, 6, 8], values: vec![0.0; 96] });
    assert!(decode(&fits, &two).unwrap_err().contains("labels has 2 names"));
}

#[test]
fn settings_are_checked() {
    assert_eq!(Reading::USUAL.check(), Ok(()));
    for (odd, name) in [
        (Reading { map_threshold: 1.5, ..READING }, "map_threshold"),
        (Reading { unclip_ratio: f32::NAN, ..READING }, "unclip_ratio"),
        (Reading { min_side: -1.0, ..READING }, "min_side"),
    ] {
        assert!(odd.check().unwrap_err().starts_with(name));
    }
}

#[test]
fn regions_touch_at_corners_and_not_across_the_maps_edge() {
    let plain = Reading { min_side: 1.0, ..READING };
    for (rows, count) in [
        (&["9..", ".9.", "..9"][..], 1),
        (&["9.9", "...", "9.9"], 4),
        (&["..9", "9..", "9.."], 2),
        (&["222", "333", "222"], 0),
        (&["999", "999", "999"], 1),
        (&["..."], 0),
    ] {
        let (values, width) = map(rows);
        assert_eq!(regions(&values, width, &plain).len(), count, "{rows:?}");
    }
    assert!(regions(&[], 0, &plain).is_empty() && regions(&[0.9], 0, &plain).is_empty());
}

#[test]
fn a_slanting_line_has_a_slanting_rectangle() {
    let (width, height, slope) = (120_usize, 60_usize, 0.2_f32);
    let is_text =
        |x: usize, y: usize| (10..110).contains(&x) && (y as f32 - (20.0 + (x as f32 - 10.0) * slope)).abs() < 4.0;
    let values: Vec<f32> =
        (0..width * height).map(|at| if is_text(at % width, at / width) { 0.8 } else { 0.1 }).collect();
    let found = regions(&values, width, &READING);
    assert_eq!(found.len(), 1);
    let [first, second, ..] = found[0].corners.0;
    let found_slope = (second[1] - first[1]) / (second[0] - first[0]);
    assert!((found_slope - slope).abs() < 0.02, "{found:?}");
    let (along, across) = found[0].corners.size();
    assert!((105.0..120.0).contains(&along) && (14.0..20.0).contains(&across), "{along} {across}");
}

#[test]
fn numbers_that_are_none_are_no_text() {
    let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    let plain = Reading { min_side: 0.0, ..READING };
    assert_eq!(regions(&values, 2, &plain).len(), 1, "infinity is above every threshold");
    assert!(regions(&[f32::NAN; 9], 3, &plain).is_empty());
}

#[test]
fn a_map_of_nothing_but_noise_is_bounded() {
    let width = 200;
    let values: Vec<f32> =
        (0..width * width).map(|at| if at % 2 == 0 && (at / width) % 2 == 0 { 0.9 } else { 0.0 }).collect();
    let plain = Reading { min_side: 0.0, ..READING };
    assert_eq!(regions(&values, width, &plain).len(), MAX_REGIONS);
}
