//! Models that need no suppression, such as YOLOv10 and YOLO26, or exports with suppression inside: `[B, N, 6 + extra]`, each row
//! a box by its corners, its score and its class, best first.

use super::found::Found;
use super::look::Look;
use super::output::{misfit, of_picture};
use crate::pipeline::detection::Bounds;
use crate::pipeline::torch::Returned;

const EXPECTED: &str =
    "format = \"yolo-end2end\" expects a tensor [B, N, 6] (x1, y1, x2, y2, score, class), the class a whole number";

pub(super) fn decode(returned: &Returned, look: &Look<'_>) -> Result<Vec<Found>, String> {
    let (_, columns, values) = of_picture(returned, look.at, look.batch, EXPECTED)?;
    if columns != 6 + look.extra {
        return Err(misfit(returned, EXPECTED));
    }
    let mut all = Vec::new();
    for row in values.chunks_exact(columns) {
        let Some((&[x1, y1, x2, y2, score, class], extra)) = row.split_first_chunk::<6>() else { continue };
        let may_pass = score > look.rules.score_threshold;
        if !may_pass {
            continue;
        }
        let class_id = class_number(class).ok_or_else(|| misfit(returned, EXPECTED))?;
        let bounds = Bounds { x1, y1, x2, y2 };
        if bounds.is_finite() && look.rules.pass(score, class_id) {
            look.check_class(class_id)?;
            all.push(Found { bounds, score, class_id, extra: extra.to_vec(), outline: None });
        }
    }
    all.truncate(look.rules.max_detections);
    Ok(all)
}

/// The class as a number that counts; none for a fraction, which no class is.
#[allow(clippy::cast_possible_truncation)] // checked to be whole and small
pub(super) fn class_number(class: f32) -> Option<i64> {
    (class.fract() == 0.0 && (0.0..1e6).contains(&class)).then_some(class as i64)
}
