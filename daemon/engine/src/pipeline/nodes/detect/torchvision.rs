//! torchvision's detectors, scripted: for each picture a dict with `boxes` `[N, 4]` by their corners, `scores` `[N]` and `labels`
//! `[N]`, after the model's own suppression. A scripted one returns its losses first: `(losses, detections)`.

use super::end2end::class_number;
use super::found::Found;
use super::look::Look;
use super::output::misfit;
use crate::pipeline::detection::Bounds;
use crate::pipeline::torch::{Array, Returned};

const EXPECTED: &str =
    "format = \"torchvision\" expects for each picture a dict with boxes [N, 4], scores [N] and labels [N]";

pub(super) fn decode(returned: &Returned, look: &Look<'_>) -> Result<Vec<Found>, String> {
    let wrong = || misfit(returned, EXPECTED);
    let pictures = match returned {
        Returned::List(values) => match values.as_slice() {
            [_, Returned::List(pictures)] => pictures,
            pictures => pictures,
        },
        _ => return Err(wrong()),
    };
    let Some(Returned::Dict(entries)) = pictures.get(look.at).filter(|_| pictures.len() == look.batch) else {
        return Err(wrong());
    };
    let tensor = |name: &str| {
        entries.iter().find_map(|(key, value)| match value {
            Returned::Tensor(array) if key == name => Some(array),
            _ => None,
        })
    };
    let (Some(boxes), Some(scores), Some(classes)) = (tensor("boxes"), tensor("scores"), tensor("labels")) else {
        return Err(wrong());
    };
    let count = scores.values.len();
    let fits = |array: &Array, shape: &[usize]| array.shape == shape;
    if !fits(boxes, &[count, 4]) || !fits(scores, &[count]) || !fits(classes, &[count]) {
        return Err(wrong());
    }
    let mut all = Vec::new();
    for ((corners, &score), &class) in boxes.values.chunks_exact(4).zip(&scores.values).zip(&classes.values) {
        let may_pass = score > look.rules.score_threshold;
        if !may_pass {
            continue;
        }
        let (&[x1, y1, x2, y2], Some(class_id)) = (corners, class_number(class)) else { return Err(wrong()) };
        let bounds = Bounds { x1, y1, x2, y2 };
        if bounds.is_finite() && look.rules.pass(score, class_id) {
            look.check_class(class_id)?;
            all.push(Found { bounds, score, class_id, ..Found::default() });
        }
    }
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all.truncate(look.rules.max_detections);
    Ok(all)
}
