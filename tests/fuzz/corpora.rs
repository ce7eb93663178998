//! Every file of the corpora goes through its target. Here a panic that the daemon would catch is caught, so `cargo xtask fuzz` sees more.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use forgesyted_fuzz::TARGETS;

#[test]
fn every_target_takes_its_corpus() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let mut files = 0;
        for entry in fs::read_dir(corpora.join(name)).unwrap_or_else(|error| panic!("corpus/{name}: {error}")) {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let done = std::panic::catch_unwind(|| target(&bytes));
            assert!(done.is_ok(), "{} makes its target panic", path.display());
            files += 1;
        }
        assert!(files > 0, "corpus/{name} is empty");
    }
}

#[test]
fn every_target_has_a_program_and_a_corpus_and_no_other_does() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(home.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("bin"), targets);
    assert_eq!(names("corpus"), targets);
    let manifest = fs::read_to_string(home.join("Cargo.toml")).unwrap();
    for name in targets {
        assert!(manifest.contains(&format!("path = \"bin/{name}.rs\"")), "Cargo.toml has no [[bin]] for {name}");
    }
}
