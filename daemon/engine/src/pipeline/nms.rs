//! Greedy non-maximum suppression: of boxes that overlap, the one with the highest score stays.

use super::detection::Bounds;

/// Most candidates that are looked at, best first; ultralytics has the same limit.
const MAX_CANDIDATES: usize = 30_000;

/// A box that may be suppressed.
pub trait Boxed {
    /// Where it is.
    fn bounds(&self) -> &Bounds;
    /// How good it is.
    fn score(&self) -> f32;
    /// Boxes of different classes leave each other alone.
    fn class_id(&self) -> i64;
}

/// Keeps, best first, every box that overlaps no better kept box of its class by more than `iou_threshold`, and `most` at
/// most. With `agnostic` the classes make no difference. Of equal scores the earlier box is the better.
pub fn suppress<B: Boxed>(mut candidates: Vec<B>, iou_threshold: f32, agnostic: bool, most: usize) -> Vec<B> {
    candidates.sort_by(|a, b| b.score().total_cmp(&a.score()));
    candidates.truncate(MAX_CANDIDATES);
    let mut kept: Vec<B> = Vec::new();
    for candidate in candidates {
        if kept.len() >= most {
            break;
        }
        let hides = |better: &B| {
            (agnostic || better.class_id() == candidate.class_id())
                && better.bounds().iou(candidate.bounds()) > iou_threshold
        };
        if !kept.iter().any(hides) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Plain(Bounds, f32, i64);

    impl Boxed for Plain {
        fn bounds(&self) -> &Bounds {
            &self.0
        }
        fn score(&self) -> f32 {
            self.1
        }
        fn class_id(&self) -> i64 {
            self.2
        }
    }

    /// Ten pixels square, so far to the right.
    fn square(x: f32, score: f32, class_id: i64) -> Plain {
        Plain(Bounds { x1: x, y1: 0.0, x2: x + 10.0, y2: 10.0 }, score, class_id)
    }

    fn scores(kept: &[Plain]) -> Vec<f32> {
        kept.iter().map(|kept| kept.1).collect()
    }

    #[test]
    fn the_best_of_overlapping_boxes_stays() {
        // Neighbours overlap by 2/3 (8 of 12), those two apart by 3/7.
        let row = || vec![square(0.0, 0.5, 0), square(2.0, 0.9, 0), square(4.0, 0.7, 0), square(30.0, 0.3, 0)];
        assert_eq!(scores(&suppress(row(), 0.6, false, 300)), [0.9, 0.3]);
        assert_eq!(scores(&suppress(row(), 0.7, false, 300)), [0.9, 0.7, 0.5, 0.3]);
        assert_eq!(scores(&suppress(row(), 0.6, false, 1)), [0.9]);
        assert_eq!(scores(&suppress(row(), 0.6, false, 0)), [] as [f32; 0]);
        // What a suppressed box overlaps stays: 0.5 is hidden by 0.9 alone.
        let chain = vec![square(0.0, 0.9, 0), square(3.0, 0.8, 0), square(6.0, 0.7, 0)];
        assert_eq!(scores(&suppress(chain, 0.5, false, 300)), [0.9, 0.7]);
    }

    #[test]
    fn classes_leave_each_other_alone_unless_told_otherwise() {
        let pair = || vec![square(0.0, 0.9, 0), square(1.0, 0.8, 1)];
        assert_eq!(suppress(pair(), 0.5, false, 300).len(), 2);
        assert_eq!(suppress(pair(), 0.5, true, 300).len(), 1);
    }

    proptest! {
        #[test]
        fn what_stays_overlaps_nothing_that_stays_and_what_goes_had_a_reason(
            squares in proptest::collection::vec((0.0_f32..60.0, 0.0_f32..1.0, 0_i64..3), 0..60),
        ) {
            let squares: Vec<Plain> = squares.into_iter().map(|(x, score, class)| square(x, score, class)).collect();
            let kept = suppress(squares.clone(), 0.4, false, 300);
            let clash = |a: &Plain, b: &Plain| a.2 == b.2 && a.0.iou(&b.0) > 0.4;
            for (at, one) in kept.iter().enumerate() {
                prop_assert!(kept.iter().skip(at + 1).all(|other| !clash(one, other)));
            }
            for gone in squares.iter().filter(|one| !kept.contains(one)) {
                prop_assert!(kept.iter().any(|better| better.1 >= gone.1 && clash(better, gone)));
            }
        }
    }
}
