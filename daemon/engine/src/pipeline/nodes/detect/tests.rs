//! Every format on small outputs, and what does not fit. The numbers of real modules are in `tests/reference`.

use super::look::Look;
use super::reading::Reading;
use super::settings::{Class, Rules, Settings};
use super::*;
use crate::pipeline::torch::{Array, Returned};

const RULES: Rules = Rules {
    score_threshold: 0.25,
    iou_threshold: 0.7,
    max_detections: 300,
    classes: None,
    agnostic_nms: false,
    map: Reading::USUAL,
};

fn tensor(shape: &[usize], values: &[f32]) -> Returned {
    assert_eq!(shape.iter().product::<usize>(), values.len());
    Returned::Tensor(Array { shape: shape.to_vec(), values: values.to_vec() })
}

fn look(rules: &Rules) -> Look<'_> {
    Look { at: 0, batch: 1, extra: 0, labels: None, input_size: None, rules, trying: false }
}

/// Class and box of what a format finds.
fn found(format: Format, returned: &Returned, look: &Look<'_>) -> Vec<(i64, [f32; 4])> {
    let found = format.decode(returned, look).unwrap();
    found.iter().map(|one| (one.class_id, [one.bounds.x1, one.bounds.y1, one.bounds.x2, one.bounds.y2])).collect()
}

/// `[1, columns, rows]` of these rows.
fn turned(rows: &[Vec<f32>]) -> Returned {
    let columns = rows[0].len();
    let values: Vec<f32> = (0..columns).flat_map(|column| rows.iter().map(move |row| row[column])).collect();
    tensor(&[1, columns, rows.len()], &values)
}

fn flat(rows: &[Vec<f32>]) -> Returned {
    tensor(&[1, rows.len(), rows[0].len()], &rows.concat())
}

/// What torchvision's detectors return for one picture with one box: corners, score and class.
fn dicts(row: &[f32]) -> Returned {
    Returned::List(vec![Returned::Dict(vec![
        ("boxes".into(), tensor(&[1, 4], &row[..4])),
        ("scores".into(), tensor(&[1], &row[4..5])),
        ("labels".into(), tensor(&[1], &row[5..])),
    ])])
}

/// Rows that no format lets pass, so that there are more boxes than numbers for each.
fn with_others(mut rows: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    let columns = rows[0].len();
    rows.resize(12, vec![0.0; columns]);
    rows
}

#[test]
fn yolo_takes_the_best_class_of_each_box() {
    let rows = with_others(vec![
        vec![50.0, 40.0, 20.0, 10.0, 0.1, 0.9],
        vec![51.0, 40.0, 20.0, 10.0, 0.0, 0.8],
        vec![51.0, 40.0, 20.0, 10.0, 0.7, 0.1],
        vec![10.0, 10.0, 4.0, 4.0, 0.25, 0.2],
    ]);
    let expected = [(1, [40.0, 35.0, 60.0, 45.0]), (0, [41.0, 35.0, 61.0, 45.0])];
    assert_eq!(found(Format::Yolo, &turned(&rows), &look(&RULES)), expected);
    let agnostic = Rules { agnostic_nms: true, ..RULES };
    assert_eq!(found(Format::Yolo, &turned(&rows), &look(&agnostic)), expected[..1]);
    let one_class = Rules { classes: Some(vec![0]), ..RULES };
    assert_eq!(found(Format::Yolo, &turned(&rows), &look(&one_class)), expected[1..]);
    let extra = Look { extra: 1, ..look(&RULES) };
    let with_extra = Format::Yolo.decode(&turned(&rows), &extra).unwrap();
    assert_eq!(with_extra[0].extra, [0.1], "one class and one number beside");
}

#[test]
fn yolov5_multiplies_what_it_thinks() {
    let rows = with_others(vec![
        vec![50.0, 40.0, 20.0, 10.0, 0.9, 0.1, 0.9],
        vec![50.0, 40.0, 20.0, 10.0, 0.4, 0.6, 0.1],
        vec![50.0, 40.0, 20.0, 10.0, 0.2, 1.0, 1.0],
    ]);
    let all = Format::Yolov5.decode(&flat(&rows), &look(&RULES)).unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].class_id, (all[0].score * 100.0).round()), (1, 81.0));
    for (of_classes, best) in [([0.9, 0.9], 0), ([f32::NAN, 0.9], 1), ([0.9, f32::NAN], 0)] {
        let rows = with_others(vec![[&[50.0, 40.0, 20.0, 10.0, 0.9][..], &of_classes].concat()]);
        let all = Format::Yolov5.decode(&flat(&rows), &look(&RULES)).unwrap();
        assert_eq!(all.iter().map(|one| one.class_id).collect::<Vec<_>>(), [best], "{of_classes:?}");
    }
}

#[test]
fn end2end_and_torchvision_are_taken_as_they_are() {
    let corners = [[1.0, 2.0, 30.0, 40.0], [2.0, 3.0, 31.0, 41.0], [5.0, 5.0, 9.0, 9.0]];
    let rows: Vec<Vec<f32>> =
        corners.iter().zip([0.9, 0.8, 0.1]).map(|(corners, score)| [&corners[..], &[score, 1.0]].concat()).collect();
    let expected = [(1, corners[0]), (1, corners[1])];
    assert_eq!(found(Format::YoloEnd2end, &flat(&rows), &look(&RULES)), expected);
    let dict = Returned::Dict(vec![
        ("boxes".into(), tensor(&[3, 4], &corners.concat())),
        ("labels".into(), tensor(&[3], &[1.0; 3])),
        ("scores".into(), tensor(&[3], &[0.9, 0.8, 0.1])),
    ]);
    let eager = Returned::List(vec![dict.clone()]);
    let scripted = Returned::List(vec![Returned::Dict(vec![]), Returned::List(vec![dict])]);
    for returned in [&eager, &scripted] {
        assert_eq!(found(Format::Torchvision, returned, &look(&RULES)), expected);
    }
    let one = Rules { max_detections: 1, ..RULES };
    assert_eq!(found(Format::YoloEnd2end, &flat(&rows), &look(&one)).len(), 1);
    assert_eq!(found(Format::Torchvision, &eager, &look(&one)).len(), 1);
}

#[test]
fn no_detection_at_all_is_fine() {
    assert_eq!(found(Format::Yolo, &tensor(&[1, 6, 20], &[0.0; 120]), &look(&RULES)), []);
    assert_eq!(found(Format::YoloEnd2end, &tensor(&[1, 0, 6], &[]), &look(&RULES)), []);
    let empty = Returned::Dict(vec![
        ("boxes".into(), tensor(&[0, 4], &[])),
        ("labels".into(), tensor(&[0], &[])),
        ("scores".into(), tensor(&[0], &[])),
    ]);
    assert_eq!(found(Format::Torchvision, &Returned::List(vec![empty]), &look(&RULES)), []);
}

#[test]
fn numbers_that_are_none_never_pass() {
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let rows = |at: usize, columns: usize| {
            let mut row = vec![0.5; columns];
            row[at] = odd;
            with_others(vec![row])
        };
        let infinite_score = odd == f32::INFINITY;
        for at in 0..6 {
            let kept = found(Format::Yolo, &turned(&rows(at, 6)), &look(&RULES)).len();
            // An infinite score is the best, and no score; NaN beside another class leaves that one.
            assert_eq!(kept, usize::from(at >= 4 && !infinite_score), "yolo {at} {odd}");
            let kept = found(Format::Yolov5, &flat(&rows(at, 6)), &look(&RULES)).len();
            assert_eq!(kept, 0, "yolov5 {at} {odd}");
        }
        for at in 0..5 {
            let mut row = vec![1.0, 1.0, 9.0, 9.0, 0.5, 0.0];
            row[at] = odd;
            let kept = found(Format::Torchvision, &dicts(&row), &look(&RULES)).len();
            assert_eq!(kept, 0, "torchvision {at} {odd}");
            let kept = found(Format::YoloEnd2end, &flat(&[row]), &look(&RULES)).len();
            assert_eq!(kept, 0, "end2end {at} {odd}");
        }
    }
}

#[test]
fn an_output_that_does_not_fit_is_told_with_its_shape() {
    let yolo = tensor(&[1, 6, 20], &[0.0; 120]);
    let v5 = tensor(&[1, 20, 7], &[0.0; 140]);
    let end2end = tensor(&[1, 20, 6], &[0.5; 120]);
    let list = Returned::List(vec![Returned::Dict(vec![("boxes".into(), yolo.clone())])]);
    for (format, returned, part) in [
        (Format::Yolo, &v5, "tensor [1, 20, 7]"),
        (Format::Yolo, &end2end, "tensor [1, 20, 6]"),
        (Format::Yolo, &list, "dict with boxes"),
        (Format::Yolo, &tensor(&[1, 4, 9], &[0.0; 36]), "tensor [1, 4, 9]"),
        (Format::Yolo, &tensor(&[6, 20], &[0.0; 120]), "tensor [6, 20]"),
        (Format::Yolo, &tensor(&[2, 6, 20], &[0.0; 240]), "tensor [2, 6, 20]"),
        (Format::Yolo, &tensor(&[1, 0, 0], &[]), "tensor [1, 0, 0]"),
        (Format::Yolov5, &yolo, "tensor [1, 6, 20]"),
        (Format::Yolov5, &tensor(&[1, 20, 5], &[0.0; 100]), "tensor [1, 20, 5]"),
        (Format::YoloEnd2end, &yolo, "tensor [1, 6, 20]"),
        (Format::YoloEnd2end, &end2end, "whole number"),
        (Format::Torchvision, &yolo, "boxes [N, 4]"),
        (Format::Torchvision, &list, "boxes [N, 4]"),
        (Format::Torchvision, &Returned::List(vec![]), "list of 0"),
    ] {
        let error = format.decode(returned, &look(&RULES)).unwrap_err();
        assert!(error.contains(part), "{format:?}: {error}");
    }
}

#[test]
fn labels_are_as_many_as_classes() {
    let labels = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let look = Look { labels: Some(&labels), trying: true, ..look(&RULES) };
    let error = Format::Yolo.decode(&tensor(&[1, 6, 20], &[0.0; 120]), &look).unwrap_err();
    assert!(error.contains("labels has 3 names and the module has 2 classes"), "{error}");
    let row = vec![1.0, 1.0, 9.0, 9.0, 0.5, 7.0];
    let error = Format::YoloEnd2end.decode(&flat(&[row]), &look).unwrap_err();
    assert!(error.contains("class 7") && error.contains("3 names"), "{error}");
}

#[test]
fn a_class_without_a_label_refuses_a_pipeline_and_never_a_live_frame() {
    let labels = ["a".to_owned(), "b".to_owned()];
    let row = [1.0, 1.0, 9.0, 9.0, 0.5, 7.0];
    for (format, returned) in [(Format::YoloEnd2end, flat(&[row.to_vec()])), (Format::Torchvision, dicts(&row))] {
        let live = Look { labels: Some(&labels), ..look(&RULES) };
        assert_eq!(found(format, &returned, &live), [(7, [1.0, 1.0, 9.0, 9.0])], "{format:?}");
        let error = format.decode(&returned, &Look { trying: true, ..live }).unwrap_err();
        assert!(error.contains("class 7") && error.contains("2 names"), "{format:?}: {error}");
        // A box that nobody would get says nothing about the labels.
        for rules in [Rules { score_threshold: 0.5, ..RULES }, Rules { classes: Some(vec![1]), ..RULES }] {
            let trying = Look { labels: Some(&labels), trying: true, ..look(&rules) };
            assert_eq!(found(format, &returned, &trying), [], "{format:?}");
        }
    }
}

#[test]
fn what_stands_behind_the_classes_is_no_score() {
    let trying = Look { trying: true, ..look(&RULES) };
    for (score, fits) in
        [(0.9, true), (1.004, true), (f32::NAN, true), (1.3, false), (-3.2, false), (f32::INFINITY, false)]
    {
        let rows = with_others(vec![vec![50.0, 40.0, 20.0, 10.0, 0.8, 0.1, score]]);
        for (format, returned) in [(Format::Yolo, turned(&rows)), (Format::Yolov5, flat(&rows))] {
            assert!(format.decode(&returned, &look(&RULES)).is_ok(), "a live frame goes on: {format:?} {score}");
            let found = format.decode(&returned, &trying);
            assert_eq!(found.is_ok(), fits, "{format:?} {score}");
            if let Err(error) = found {
                for part in [&returned.describe(), &score.to_string(), "\"segment\""] {
                    assert!(error.contains(part), "{format:?}: {error}");
                }
            }
        }
    }
    // Where `segment` knows them for what they are, they may have any value.
    let rows = with_others(vec![vec![50.0, 40.0, 20.0, 10.0, 0.8, 0.1, -3.2]]);
    assert!(Format::Yolo.decode(&turned(&rows), &Look { extra: 1, ..trying }).is_ok());
}

fn settings(change: impl FnOnce(&mut Settings<Format>)) -> Settings<Format> {
    let mut settings: Settings<Format> =
        toml::from_str("model = \"x.pt\"\nformat = \"yolo\"\ninput_size = [320, 320]").unwrap();
    change(&mut settings);
    settings
}

#[test]
fn settings_out_of_range_are_told() {
    let labels = ["cat".to_owned(), "dog".to_owned()];
    let check = |settings: Settings<Format>| {
        settings.checked_size()?;
        settings.normalise()?;
        settings.rules(Some(&labels))
    };
    let named = |name: &str| Some(vec![Class::Name(name.to_owned())]);
    for (wrong, part) in [
        (settings(|it| it.input_size = Some([0, 320])), "input_size = [0, 320]"),
        (settings(|it| it.score_threshold = Some(1.5)), "score_threshold = 1.5"),
        (settings(|it| it.iou_threshold = Some(f32::NAN)), "iou_threshold = NaN"),
        (settings(|it| it.max_detections = Some(0)), "max_detections = 0"),
        (settings(|it| it.max_detections = Some(1_000_000)), "max_detections = 1000000"),
        (settings(|it| it.classes = Some(vec![Class::Id(2)])), "no class 2"),
        (settings(|it| it.classes = Some(vec![Class::Id(-1)])), "no class -1"),
        (settings(|it| it.classes = named("cow")), "\"cow\" is none of labels"),
        (settings(|it| it.classes = Some(vec![])), "classes is empty"),
        (settings(|it| it.mean = Some([0.0; 3])), "belong together"),
        (settings(|it| (it.mean, it.std) = (Some([0.0; 3]), Some([0.0; 3]))), "over 0"),
    ] {
        let error = check(wrong).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    let rules = check(settings(|it| it.classes = named("dog"))).unwrap();
    assert_eq!((rules.classes, rules.score_threshold, rules.iou_threshold), (Some(vec![1]), 0.25, 0.7));
    let error = settings(|it| it.classes = named("dog")).rules(None).unwrap_err();
    assert!(error.contains("give labels"), "{error}");
}
