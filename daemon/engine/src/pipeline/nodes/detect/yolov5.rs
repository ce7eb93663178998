//! YOLOv5 with its own head, `[B, N, 5 + classes + extra]`: each row is a box by its middle and sides, how sure it is that
//! there is anything, and of which class; their product is the score.

use super::found::Found;
use super::look::Look;
use super::output::{check_labels, check_scores, misfit, of_picture};
use crate::pipeline::torch::Returned;

const EXPECTED: &str = "format = \"yolov5\" expects a tensor [B, N, 5 + classes] with more boxes N than columns";

pub(super) fn decode(returned: &Returned, look: &Look<'_>) -> Result<Vec<Found>, String> {
    let (boxes, columns, values) = of_picture(returned, look.at, look.batch, EXPECTED)?;
    let classes = columns.saturating_sub(5 + look.extra);
    if classes == 0 || boxes < columns {
        return Err(misfit(returned, EXPECTED));
    }
    check_labels(look.labels, classes)?;
    if look.trying {
        let scores = values.chunks_exact(columns).flat_map(|row| row.iter().skip(4).take(1 + classes));
        check_scores(returned, "yolov5", classes, scores)?;
    }
    let found = values.chunks_exact(columns).filter_map(|row| {
        let (&[x, y, width, height, anything], rest) = row.split_first_chunk::<5>()?;
        // Most rows end here: a product of shares is no larger than either.
        let may_pass = anything > look.rules.score_threshold;
        if !may_pass {
            return None;
        }
        let (of_classes, extra) = rest.split_at_checked(classes)?;
        // The first of equal ones; NaN is over none.
        let better = |best: (i64, f32), (class_id, &score): (i64, &f32)| {
            if score > best.1 { (class_id, score) } else { best }
        };
        let (class_id, best) = (0_i64..).zip(of_classes).fold((0, f32::NEG_INFINITY), better);
        let found = Found {
            bounds: Found::around([x, y, width, height]),
            score: anything * best,
            class_id,
            extra: extra.to_vec(),
            outline: None,
        };
        (found.bounds.is_finite() && look.rules.pass(found.score, class_id)).then_some(found)
    });
    Ok(look.rules.suppress(found.collect()))
}
