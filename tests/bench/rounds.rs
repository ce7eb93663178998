//! Rounds: the limit and the daemon in turn, so that a machine that changes its pace changes it for both.

use anyhow::Result;

/// What the rounds gave, in their order.
#[derive(Debug, Default)]
pub struct Rounds {
    limit: Vec<f64>,
    measured: Vec<f64>,
}

/// Measures in turn: limit, daemon, limit, daemon, …
///
/// # Errors
/// The first of either.
pub fn alternate(
    rounds: usize,
    mut limit: impl FnMut() -> Result<f64>,
    mut measured: impl FnMut() -> Result<f64>,
) -> Result<Rounds> {
    let mut all = Rounds::default();
    for _ in 0..rounds {
        all.limit.push(limit()?);
        all.measured.push(measured()?);
    }
    Ok(all)
}

/// Measures several in turn beside one limit: limit, first, second, …, limit, first, …
///
/// # Errors
/// The first of any.
pub fn in_turn<const N: usize>(
    rounds: usize,
    limit: impl Fn() -> Result<f64>,
    measured: [&dyn Fn() -> Result<f64>; N],
) -> Result<[Rounds; N]> {
    let mut all = [const { Rounds { limit: Vec::new(), measured: Vec::new() } }; N];
    for _ in 0..rounds {
        let limit = limit()?;
        for (rounds, measure) in all.iter_mut().zip(measured) {
            rounds.limit.push(limit);
            rounds.measured.push(measure()?);
        }
    }
    Ok(all)
}

impl Rounds {
    /// The limit's median.
    pub fn limit(&self) -> f64 {
        median(&self.limit)
    }

    /// The daemon's median.
    pub fn measured(&self) -> f64 {
        median(&self.measured)
    }

    /// The median of the rounds' ratios, daemon to limit.
    pub fn ratio(&self) -> f64 {
        self.median_of(|limit, measured| measured / limit)
    }

    /// The median of the rounds' differences, daemon less limit.
    pub fn difference(&self) -> f64 {
        self.median_of(|limit, measured| measured - limit)
    }

    fn median_of(&self, compare: fn(f64, f64) -> f64) -> f64 {
        let each: Vec<f64> = self.limit.iter().zip(&self.measured).map(|(&limit, &it)| compare(limit, it)).collect();
        median(&each)
    }
}

/// The middle value; the mean of the two in the middle of an even number; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (lower, upper) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    match (sorted.get(lower), sorted.get(upper)) {
        (Some(lower), Some(upper)) => f64::midpoint(*lower, *upper),
        _ => 0.0,
    }
}
