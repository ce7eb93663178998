//! The installed files themselves.

use std::fs;
use std::path::Path;

use xtask::cross::symbols;

use crate::board::Board;

const PACKAGES: [&str; 2] = ["forgesyted", "forgesyted-libtorch"];
/// How an ELF file begins, where it says for which processor it is, and what it says for aarch64.
const ELF: &[u8] = b"\x7fELF";
const PROCESSOR: std::ops::Range<usize> = 18..20;
const AARCH64: [u8; 2] = [183, 0];

/// The programs and libraries of both packages, by their paths on the board.
fn programs(board: &Board) -> Vec<String> {
    let list = |package| fs::read_to_string(board.file(format!("/var/lib/dpkg/info/{package}.list"))).unwrap();
    let files = PACKAGES.map(list).concat();
    let is_program = |path: &&str| {
        let file = board.file(path);
        let regular = fs::symlink_metadata(&file).is_ok_and(|about| about.is_file());
        regular && fs::read(&file).unwrap().starts_with(ELF)
    };
    files.lines().filter(is_program).map(str::to_owned).collect()
}

#[test]
#[ignore = "needs the installed packages: cargo xtask test-arm64"]
fn no_program_asks_for_newer_libraries_than_the_oldest_board_has() {
    let board = Board::installed();
    let programs = programs(&board);
    for due in ["/usr/bin/forgesyted", "/usr/lib/forgesyted/bin/forgesyted", "/usr/lib/forgesyted/lib/libtorch_cpu.so"]
    {
        assert!(programs.iter().any(|path| path == due), "{due} is missing in {programs:?}");
    }
    for path in &programs {
        let file = board.file(Path::new(path));
        assert_eq!(fs::read(&file).unwrap()[PROCESSOR], AARCH64, "{path}");
        symbols::check(&file).unwrap();
    }
}

#[test]
#[ignore = "needs the installed packages: cargo xtask test-arm64"]
fn apt_has_installed_both_packages_whole() {
    let status = fs::read_to_string(Board::installed().file("/var/lib/dpkg/status")).unwrap();
    for package in PACKAGES {
        let about = status.split("\n\n").find(|about| about.lines().any(|line| line == format!("Package: {package}")));
        let about = about.unwrap_or_else(|| panic!("{package} is not installed"));
        assert!(
            about.contains("\nStatus: install ok installed\n") && about.contains("\nArchitecture: arm64\n"),
            "{about}"
        );
    }
}
