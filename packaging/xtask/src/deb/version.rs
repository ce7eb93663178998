//! Versions as Debian writes them.

use crate::libtorch::TORCH_VERSION;

/// The version of the daemon's package that belongs to a version of Cargo's. `~` sorts before the end: a preview comes
/// before its release.
pub(super) fn daemon(cargo: &str) -> String {
    format!("{}-1", cargo.replacen('-', "~", 1))
}

/// The libtorch packages that a daemon runs with: from the first of [`TORCH_VERSION`] to before the next version's.
pub(super) fn libtorch_range() -> (String, String) {
    let next = match TORCH_VERSION.rsplit_once('.') {
        Some((start, last)) => format!("{start}.{}", last.parse::<u64>().unwrap_or(0) + 1),
        None => TORCH_VERSION.to_owned(),
    };
    (TORCH_VERSION.to_owned(), format!("{next}~"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_sorts_before_its_release() {
        assert_eq!(daemon("0.1.0"), "0.1.0-1");
        assert_eq!(daemon("1.2.0-rc.1"), "1.2.0~rc.1-1");
        assert_eq!(daemon("1.2.0-rc-1+git5"), "1.2.0~rc-1+git5-1");
    }

    #[test]
    fn a_daemon_takes_the_one_libtorch_it_was_built_with() {
        let (from, before) = libtorch_range();
        assert_eq!((from.as_str(), before.as_str()), ("2.11.0", "2.11.1~"));
    }
}
