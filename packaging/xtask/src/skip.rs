//! Tests that cannot be run on a machine: they are skipped, and it says so; in CI that is a failure.

use std::env;

use anyhow::{Error, Result};

/// Says that these tests are skipped, and why.
///
/// # Errors
/// In CI, which has to run them.
pub(crate) fn skip(tests: &str, reason: Error) -> Result<()> {
    skip_in(tests, reason, env::var_os("CI").is_some())
}

fn skip_in(tests: &str, reason: Error, ci: bool) -> Result<()> {
    if ci {
        return Err(reason.context(format!("CI has to run {tests}, and cannot")));
    }
    eprintln!("xtask: SKIPPED {tests}: {reason:#}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ci_fails_where_tests_cannot_be_run() {
        let reason = || Error::msg("no qemu");
        assert!(skip_in("the tests in the VM", reason(), false).is_ok());
        let failed = format!("{:#}", skip_in("the tests in the VM", reason(), true).unwrap_err());
        assert_eq!(failed, "CI has to run the tests in the VM, and cannot: no qemu");
    }
}
