//! The order in which people read: rows from top to bottom, each from left to right. Pure.

use crate::pipeline::detection::Bounds;

/// The texts joined: a line break between rows, a space within one.
/// Empty texts are left out.
pub(super) fn in_reading_order(mut texts: Vec<(Bounds, String)>) -> String {
    let middle = |bounds: &Bounds| f32::midpoint(bounds.y1, bounds.y2);
    texts.retain(|(_, text)| !text.is_empty());
    texts.sort_by(|(a, _), (b, _)| middle(a).total_cmp(&middle(b)));
    let mut rows: Vec<Vec<(Bounds, String)>> = Vec::new();
    for (bounds, text) in texts {
        match rows.last_mut() {
            Some(row) if row.last().is_some_and(|(last, _)| is_beside(last, &bounds)) => row.push((bounds, text)),
            _ => rows.push(vec![(bounds, text)]),
        }
    }
    let join = |mut row: Vec<(Bounds, String)>| {
        row.sort_by(|(a, _), (b, _)| a.x1.total_cmp(&b.x1));
        row.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
    };
    rows.into_iter().map(join).collect::<Vec<_>>().join("\n")
}

/// Whether two boxes, the first not lower than the second, are of one row: their middles are less than half of the lower
/// one's height apart, and neither is over the other.
fn is_beside(upper: &Bounds, lower: &Bounds) -> bool {
    let apart = f32::midpoint(lower.y1, lower.y2) - f32::midpoint(upper.y1, upper.y2);
    let overlap = upper.x2.min(lower.x2) - upper.x1.max(lower.x1);
    apart < 0.5 * upper.height().min(lower.height()) && overlap < 0.5 * upper.width().min(lower.width())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[(f32, f32, &str)]) -> Vec<(Bounds, String)> {
        let one =
            |&(x, y, text): &(f32, f32, &str)| (Bounds { x1: x, y1: y, x2: x + 50.0, y2: y + 20.0 }, text.to_owned());
        list.iter().map(one).collect()
    }

    #[test]
    fn rows_go_down_and_words_go_right() {
        for (list, expected) in [
            (&[][..], ""),
            (&[(0.0, 0.0, "one")], "one"),
            (&[(0.0, 40.0, "second"), (0.0, 0.0, "first")], "first\nsecond"),
            (&[(90.0, 3.0, "right"), (10.0, 0.0, "left"), (10.0, 30.0, "below")], "left right\nbelow"),
            (&[(90.0, 0.0, "a"), (10.0, 5.0, "b"), (170.0, 2.0, "c")], "b a c"),
            (&[(0.0, 0.0, "over"), (5.0, 8.0, "under")], "over\nunder"),
            (&[(0.0, 0.0, "kept"), (90.0, 0.0, "")], "kept"),
        ] {
            assert_eq!(in_reading_order(texts(list)), expected, "{list:?}");
        }
    }

    #[test]
    fn boxes_without_a_place_still_have_an_order() {
        let odd = Bounds { x1: f32::NAN, y1: f32::NAN, x2: 1.0, y2: 1.0 };
        assert_eq!(in_reading_order(vec![(odd, "a".to_owned()), (odd, "b".to_owned())]), "a\nb");
    }
}
