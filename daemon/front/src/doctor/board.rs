//! The board: its name and its JetPack.

use base::board::Board;

use super::finding::Finding;

/// The oldest Jetson Linux whose C library runs this program: that of JetPack 6.
const OLDEST_L4T: u32 = 36;

/// The board as a finding.
pub fn judge(board: &Board) -> Finding {
    let model = board.model.as_deref().unwrap_or("a machine without a name");
    let Some(l4t) = &board.l4t else {
        return Finding::ok("board", format!("{model}; no Jetson"));
    };
    let jetpack = board.jetpack.as_ref().map_or(String::new(), |version| format!("JetPack {version}, "));
    let found = format!("{model}, {jetpack}Jetson Linux {l4t}");
    let major = l4t.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < OLDEST_L4T) {
        return Finding::error(
            "board",
            found,
            "install JetPack 6 or later: the system of an older one is too old for this program",
        );
    }
    Finding::ok("board", found)
}

#[cfg(test)]
mod tests {
    use base::board::gather;

    use super::*;
    use crate::doctor::finding::Status;
    use crate::doctor::tests::{JETSON, Root};

    #[test]
    fn a_jetson_says_what_it_is() {
        let board = gather(&Root::new("board", JETSON).0);
        assert_eq!(board.l4t.as_deref(), Some("36.4.3"));
        let finding = judge(&board);
        assert_eq!(finding.status, Status::Ok);
        assert_eq!(finding.found, "NVIDIA Jetson Orin Nano Developer Kit, JetPack 6.2+b77, Jetson Linux 36.4.3");
        let old = Board { l4t: Some("35.4.1".into()), jetpack: None, ..board };
        assert_eq!(judge(&old).status, Status::Error);
        assert_eq!(judge(&gather(&Root::new("no-board", &[]).0)).found, "a machine without a name; no Jetson");
    }
}
