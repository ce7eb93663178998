//! Who goes with whom: pairs of rows and columns with the largest sum of gains (the linear assignment problem), solved by the
//! Kuhn-Munkres algorithm of `pathfinding`.

use pathfinding::prelude::{Matrix, kuhn_munkres};

/// Gains are counted in millionths: the algorithm wants whole numbers.
const STEPS: f32 = 1e6;

/// A pair that may be: row, column, and what it gains (0 to 1).
type Pair = (usize, usize, f32);

/// Pairs of a row and a column, each at most once, so that the sum of the gains is the largest. `gain` is 0 or less
/// (or NaN) for pairs that may not be.
pub(super) fn assign(rows: usize, columns: usize, gain: impl Fn(usize, usize) -> f32) -> Vec<(usize, usize)> {
    let all = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let possible: Vec<Pair> =
        all.map(|(row, column)| (row, column, gain(row, column))).filter(|pair| pair.2 > 0.0).collect();
    components(rows, columns, &possible).iter().flat_map(|pairs| assign_all(pairs)).collect()
}

/// Splits the pairs into groups that share neither row nor column. Objects overlap few others, so groups are small, and the
/// time that an assignment takes grows with the cube of its size.
fn components(rows: usize, columns: usize, pairs: &[Pair]) -> Vec<Vec<Pair>> {
    // Columns follow the rows. Each points towards the root of its group.
    let mut parents: Vec<usize> = (0..rows + columns).collect();
    for &(row, column, _) in pairs {
        let (a, b) = (root(&mut parents, row), root(&mut parents, rows + column));
        if let Some(parent) = parents.get_mut(a) {
            *parent = b;
        }
    }
    let mut groups = vec![Vec::new(); rows + columns];
    for &pair in pairs {
        if let Some(group) = groups.get_mut(root(&mut parents, pair.0)) {
            group.push(pair);
        }
    }
    groups.retain(|group| !group.is_empty());
    groups
}

fn root(parents: &mut [usize], mut at: usize) -> usize {
    while let Some(&parent) = parents.get(at).filter(|&&parent| parent != at) {
        // Path halving: the next search is shorter.
        let grandparent = parents.get(parent).copied().unwrap_or(parent);
        if let Some(place) = parents.get_mut(at) {
            *place = grandparent;
        }
        at = grandparent;
    }
    at
}

/// The best assignment of one group.
fn assign_all(pairs: &[Pair]) -> Vec<(usize, usize)> {
    if let [(row, column, _)] = *pairs {
        return vec![(row, column)];
    }
    let distinct = |places: &mut dyn Iterator<Item = usize>| {
        let mut places: Vec<usize> = places.collect();
        places.sort_unstable();
        places.dedup();
        places
    };
    let rows = distinct(&mut pairs.iter().map(|pair| pair.0));
    let columns = distinct(&mut pairs.iter().map(|pair| pair.1));
    // The algorithm wants no more rows than columns; turned over, it is the same problem.
    let turned = rows.len() > columns.len();
    let (short, long) = if turned { (&columns, &rows) } else { (&rows, &columns) };
    let mut gains = Matrix::new(short.len(), long.len(), 0_i64);
    for &(row, column, gain) in pairs {
        let (Ok(row), Ok(column)) = (rows.binary_search(&row), columns.binary_search(&column)) else { continue };
        let place = if turned { (column, row) } else { (row, column) };
        if let Some(cell) = gains.get_mut(place) {
            #[allow(clippy::cast_possible_truncation)] // gains are 0 to 1
            let whole = (gain.min(1.0) * STEPS).round() as i64;
            // What may be is always better than what may not.
            *cell = whole.max(1);
        }
    }
    let (_, partners) = kuhn_munkres(&gains);
    let matched = partners.into_iter().enumerate().filter(|&place| gains.get(place).is_some_and(|&gain| gain > 0));
    matched
        .filter_map(|(at, partner)| Some((*short.get(at)?, *long.get(partner)?)))
        .map(|(a, b)| if turned { (b, a) } else { (a, b) })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(gains: &[Vec<f32>], pairs: &[(usize, usize)]) -> f32 {
        pairs.iter().map(|&(row, column)| gains[row][column]).sum()
    }

    /// The largest sum, by trying everything.
    fn best(gains: &[Vec<f32>], row: usize, taken: &mut Vec<usize>) -> f32 {
        if row == gains.len() {
            return 0.0;
        }
        let mut largest = best(gains, row + 1, taken);
        for column in 0..gains[row].len() {
            if gains[row][column] > 0.0 && !taken.contains(&column) {
                taken.push(column);
                largest = largest.max(gains[row][column] + best(gains, row + 1, taken));
                taken.pop();
            }
        }
        largest
    }

    #[test]
    fn the_sum_counts_and_not_the_best_pair() {
        let gains = [[0.9, 0.8], [0.8, 0.0]];
        let mut pairs = assign(2, 2, |row, column| gains[row][column]);
        pairs.sort_unstable();
        assert_eq!(pairs, [(0, 1), (1, 0)]);
        assert_eq!(assign(0, 5, |_, _| 1.0), []);
        assert_eq!(assign(2, 1, |_, _| f32::NAN), []);
    }

    proptest! {
        #[test]
        fn is_the_best_of_all_assignments(
            gains in (0_usize..5, 0_usize..5).prop_flat_map(|(rows, columns)| {
                let gain = prop_oneof![Just(0.0_f32), Just(-0.5), 0.01_f32..1.0];
                proptest::collection::vec(proptest::collection::vec(gain, columns), rows)
            })
        ) {
            let columns = gains.first().map_or(0, Vec::len);
            let pairs = assign(gains.len(), columns, |row, column| gains[row][column]);
            for (at, pair) in pairs.iter().enumerate() {
                prop_assert!(gains[pair.0][pair.1] > 0.0);
                prop_assert!(pairs[at + 1..].iter().all(|other| other.0 != pair.0 && other.1 != pair.1));
            }
            let largest = best(&gains, 0, &mut Vec::new());
            prop_assert!((sum(&gains, &pairs) - largest).abs() < 1e-4, "{pairs:?} of {gains:?}");
        }
    }
}
