//! From a row of scores to the best classes. Pure.

use std::cmp::Ordering;

/// The best `top_k` classes with their scores, best first; among equals the first. `softmax` turns scores of any size into
/// parts of 1. Scores that are no numbers are left out.
pub(super) fn best(scores: &[f32], softmax: bool, top_k: usize) -> Vec<(usize, f32)> {
    let mut ranked: Vec<(usize, f32)> =
        scores.iter().copied().enumerate().filter(|(_, score)| !score.is_nan()).collect();
    if softmax {
        soften(&mut ranked);
    }
    ranked.retain(|(_, score)| score.is_finite());
    // The sort is stable: equals stay in the order of the classes.
    ranked.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal));
    ranked.truncate(top_k);
    ranked
}

/// e^score over the sum of all. The largest is taken off first, or e^100 would be infinite.
fn soften(scores: &mut [(usize, f32)]) {
    let largest = scores.iter().map(|(_, score)| *score).fold(f32::NEG_INFINITY, f32::max);
    let weight = |score: f32| f64::from(score - largest).exp();
    let sum: f64 = scores.iter().map(|(_, score)| weight(*score)).sum();
    for (_, score) in scores {
        #[allow(clippy::cast_possible_truncation)] // 0 to 1
        let part = (weight(*score) / sum) as f32;
        *score = part;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_best_come_first_and_equals_in_their_order() {
        assert_eq!(best(&[0.1, 0.7, 0.1, 0.7], false, 3), [(1, 0.7), (3, 0.7), (0, 0.1)]);
        assert_eq!(best(&[0.1, 0.7], false, 9), [(1, 0.7), (0, 0.1)]);
        assert_eq!(best(&[], true, 3), []);
    }

    #[test]
    fn softmax_gives_parts_of_one() {
        let parts = best(&[1000.0, 1000.0 + 3.0_f32.ln(), f32::NEG_INFINITY], true, 3);
        assert!((parts[0].1 - 0.75).abs() < 1e-4 && (parts[1].1 - 0.25).abs() < 1e-4, "{parts:?}");
        assert_eq!((parts[0].0, parts[2]), (1, (2, 0.0)));
    }

    #[test]
    fn what_is_no_number_is_no_class() {
        assert_eq!(best(&[f32::NAN, 0.5, f32::INFINITY], false, 3), [(1, 0.5)]);
        assert_eq!(best(&[f32::NAN, 0.0, f32::NAN], true, 3), [(1, 1.0)]);
        assert_eq!(best(&[f32::NAN, f32::INFINITY], true, 3), []);
    }

    proptest! {
        #[test]
        fn softmax_keeps_the_order_and_adds_up(scores in proptest::collection::vec(-50_f32..50.0, 1..40)) {
            let parts = best(&scores, true, scores.len());
            let ranked = best(&scores, false, scores.len());
            prop_assert!((parts.iter().map(|(_, part)| part).sum::<f32>() - 1.0).abs() < 1e-4);
            for pair in parts.windows(2) {
                prop_assert!(pair[0].1 >= pair[1].1);
            }
            prop_assert_eq!(parts[0].0, ranked[0].0);
        }
    }
}
