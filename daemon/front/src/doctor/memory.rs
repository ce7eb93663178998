//! Memory: enough for libtorch and models.

use std::path::Path;

use super::finding::Finding;
use base::machine;

/// libtorch and a small model take about this.
const NEEDED: f64 = 500e6;
/// Below this the kernel ends programs soon.
const LEAST: f64 = 100e6;

/// Bytes of memory: all, and what programs can still have.
pub fn gather(root: &Path) -> Option<(f64, f64)> {
    machine::memory_total(root).zip(machine::memory_available(root))
}

/// The memory as a finding.
pub fn judge(memory: Option<(f64, f64)>) -> Finding {
    let Some((total, available)) = memory else {
        return Finding::skipped("memory", "the kernel does not say (/proc/meminfo)");
    };
    let found = format!("{:.0} MB of {:.0} MB available", available / 1e6, total / 1e6);
    let advice = "end other programs, take a lighter model, or lower engine.workers";
    match available {
        available if available < LEAST => Finding::error("memory", found, advice),
        available if available < NEEDED => Finding::warning("memory", found, advice),
        _ => Finding::ok("memory", found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Status;
    use crate::doctor::tests::{JETSON, Root};

    #[test]
    fn verdicts() {
        for (memory, expected) in [
            (None, Status::Skipped),
            (Some((8e9, 6e9)), Status::Ok),
            (Some((1e9, 4e8)), Status::Warning),
            (Some((8e9, 5e7)), Status::Error),
        ] {
            assert_eq!(judge(memory).status, expected, "{memory:?}");
        }
        let memory = gather(&Root::new("memory", JETSON).0);
        assert_eq!(judge(memory).found, "6144 MB of 7864 MB available");
    }
}
