//! YOLOv8, v9, v11 and their like, as ultralytics exports them: `[B, 4 + classes + extra, N]`. Each column is a box by its
//! middle and sides, and the score of every class; the best one counts.

use super::found::Found;
use super::look::Look;
use super::output::{check_labels, check_scores, misfit, of_picture};
use crate::pipeline::torch::Returned;

const EXPECTED: &str = "format = \"yolo\" expects a tensor [B, 4 + classes, N] with more boxes N than rows (v8, v9, v11 without NMS inside)";

pub(super) fn decode(returned: &Returned, look: &Look<'_>) -> Result<Vec<Found>, String> {
    let (rows, boxes, values) = of_picture(returned, look.at, look.batch, EXPECTED)?;
    let classes = rows.saturating_sub(4 + look.extra);
    if classes == 0 || boxes < rows {
        return Err(misfit(returned, EXPECTED));
    }
    check_labels(look.labels, classes)?;
    if look.trying {
        check_scores(returned, "yolo", classes, values.iter().skip(4 * boxes).take(classes * boxes))?;
    }
    let row = |number: usize| values.get(number * boxes..(number + 1) * boxes).unwrap_or_default();
    // Along the rows, as they lie in memory: the best class of every box.
    let mut best = vec![(f32::NEG_INFINITY, 0_i64); boxes];
    for (class_id, scores) in (0_i64..).zip((4..4 + classes).map(row)) {
        for (best, &score) in best.iter_mut().zip(scores) {
            if score > best.0 {
                *best = (score, class_id);
            }
        }
    }
    let value = |number: usize, column: usize| row(number).get(column).copied().unwrap_or(f32::NAN);
    let passing = best.iter().enumerate().filter(|(_, (score, class_id))| look.rules.pass(*score, *class_id));
    let found = passing.map(|(column, &(score, class_id))| Found {
        bounds: Found::around([0, 1, 2, 3].map(|number| value(number, column))),
        score,
        class_id,
        extra: (4 + classes..rows).map(|number| value(number, column)).collect(),
        outline: None,
    });
    Ok(look.rules.suppress(found.filter(|found| found.bounds.is_finite()).collect()))
}
