//! Which libtorch is taken, and what is said of those that do not fit.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::installation::{Installation, front};

#[test]
fn the_front_links_nothing_of_libtorch() {
    let Some(front) = front() else { return };
    let output = Command::new("readelf").args(["--dynamic", "--wide"]).arg(front).env("LC_ALL", "C").output().unwrap();
    assert!(output.status.success(), "readelf comes with the C++ compiler's package binutils");
    let dynamic = String::from_utf8(output.stdout).unwrap();
    let needed: Vec<&str> = dynamic
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split_once('[')?.1.split_once(']').map(|(name, _)| name))
        .collect();
    assert!(needed.contains(&"libc.so.6"), "{dynamic}");
    for library in &needed {
        let system = ["libc.so", "libm.so", "libgcc_s.so", "ld-linux", "libpthread.so", "libdl.so", "librt.so"];
        assert!(system.iter().any(|name| library.starts_with(name)), "the front needs {library}");
    }
    assert!(!dynamic.contains("RUNPATH") && !dynamic.contains("RPATH"), "it names a folder:\n{dynamic}");
}

/// What a start without a fitting libtorch says: one line, and nothing after it.
fn refusal(installation: &Installation) -> String {
    let (status, log) = installation.serve_fails();
    assert_eq!((status, log.len()), (78, 1), "{log:?}");
    assert_eq!(log[0]["event"], "libtorch_rejected");
    log[0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_libtorch_that_does_not_fit_is_refused_with_a_sentence() {
    let Some(bare) = Installation::without_libtorch() else { return };
    let said = refusal(&bare);
    assert!(
        said.starts_with("there is no libtorch in ") && said.contains("apt install ./forgesyted-libtorch_*.deb"),
        "{said}"
    );

    // The installed one is another release's.
    let installed = bare.libtorch("lib/forgesyted", "2.10.0\n", |_| true);
    let said = refusal(&bare);
    assert!(said.contains("is version 2.10.0, and this forgesyted needs 2.11.0"), "{said}");
    assert!(said.contains("of the same release"), "{said}");
    fs::write(installed.join("build-version"), "2.11.0\n").unwrap();

    let root = bare.folder.path().to_owned();
    let named = |folder: &str| {
        let installation =
            Installation::without_libtorch().unwrap().env("FORGESYTED_LIBTORCH", root.join(folder).display());
        refusal(&installation)
    };
    fs::create_dir_all(root.join("empty")).unwrap();
    for folder in ["empty", "absent"] {
        let said = named(folder);
        assert!(said.contains("which has no lib/libtorch_cpu.so: set it to"), "{said}");
    }
    bare.libtorch("alpha", "2.11.0a0+git1234567\n", |_| true);
    assert!(named("alpha").contains("is version 2.11.0a0+git1234567"));

    // No library at all.
    bare.libtorch("broken", "2.11.0\n", |name| name != "libtorch_cpu.so");
    fs::write(root.join("broken/lib/libtorch_cpu.so"), "no library").unwrap();
    let said = named("broken");
    assert!(said.contains("cannot be loaded: ") && said.contains("libtorch_cpu.so: file too short"), "{said}");

    // A library, and not this one.
    bare.libtorch("other", "2.11.0\n", |name| name != "libtorch_cpu.so");
    let c10 = fs::canonicalize(root.join("other/lib/libc10.so")).unwrap();
    fs::copy(c10, root.join("other/lib/libtorch_cpu.so")).unwrap();
    let said = named("other");
    assert!(said.contains("cannot be loaded: it lacks ") && said.contains(" more. To repair it"), "{said}");

    // Without what lies beside it.
    bare.libtorch("alone", "2.11.0\n", |name| name == "libtorch_cpu.so");
    let said = named("alone");
    assert!(said.contains("cannot be loaded: ") && said.contains(" not found"), "{said}");

    // `check` says the same, in its own way.
    let check = bare.run(&["check"]);
    assert_eq!(check.status.code(), Some(0), "the installed one fits by now");
    fs::remove_dir_all(installed.join("lib")).unwrap();
    let check = bare.run(&["check"]);
    assert_eq!(check.status.code(), Some(1));
    assert!(String::from_utf8(check.stdout).unwrap().starts_with("error    there is no libtorch in "));
}

#[test]
fn pythons_package_is_taken_with_the_libraries_beside_it() {
    let Some(installation) = Installation::without_libtorch() else { return };
    let torch = installation.libtorch("site-packages/torch", "", |name| !name.starts_with("libcu"));
    fs::remove_file(torch.join("build-version")).unwrap();
    fs::write(torch.join("version.py"), "__version__ = '2.11.0+cu130'\n").unwrap();
    // A relative folder starts from that of the configuration.
    let installation = installation
        .config("[server]\nlisten = \"127.0.0.1:0\"\n[engine]\ndevice = \"cpu\"\nlibtorch = \"site-packages/torch\"\n");
    let said = refusal(&installation);
    assert!(said.contains("libcu") && said.contains(" not found"), "{said}");
    installation.libtorch("site-packages/nvidia/cu13", "", |name| name.starts_with("libcu"));
    let check = installation.run(&["check"]);
    let said = String::from_utf8(check.stdout).unwrap();
    assert_eq!(check.status.code(), Some(0), "{said}");
    assert!(said.contains("libtorch 2.11.0") && said.contains("pipeline scene"), "{said}");
}

#[test]
fn a_libtorch_that_may_not_be_looked_into_is_told_from_a_folder_that_is_none() {
    let Some(installation) = Installation::without_libtorch() else { return };
    let closed = installation.libtorch("closed", "2.11.0\n", |_| true);
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(installation.folder.path(), 0o755);
    mode(&closed, 0o000);
    let installation = installation.env("FORGESYTED_LIBTORCH", closed.display());
    let output = installation.serve_unprivileged(&installation.folder.path().join("forgesyted.toml"));
    mode(&closed, 0o755);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(
        said.contains("which may not be looked into: Permission denied. The service sees no home folders"),
        "{said}"
    );
}

#[test]
fn an_installation_without_its_engine_program_says_so() {
    let Some(installation) = Installation::whole() else { return };
    let engine = installation.folder.path().join("lib/forgesyted/bin/forgesyted");
    fs::remove_file(&engine).unwrap();
    let said = refusal(&installation);
    assert!(
        said.starts_with("the engine program ") && said.contains("apt install --reinstall ./forgesyted_*.deb"),
        "{said}"
    );
    // What is there, and cannot be run.
    fs::write(&engine, "no program").unwrap();
    let said = refusal(&installation);
    assert!(said.contains("Permission denied"), "{said}");
}
