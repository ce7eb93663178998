//! Where an effective value came from.

/// Where an effective value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing set it.
    Default,
    /// The file, at this line (counted from 1).
    File {
        /// Line number.
        line: usize,
    },
    /// This environment variable.
    Environment(&'static str),
}
