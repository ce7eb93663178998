//! The system packages that builds and tests need: which are missing, and how to get them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// What the packages are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Building and running.
    Build,
    /// Building, running and testing.
    Test,
    /// Building, and running the test VM.
    Vm,
    /// Building for another architecture.
    Cross,
    /// Building for another architecture, and running that here.
    Arm64,
    /// Building for another architecture, and booting a machine of it here.
    Arm64Machine,
    /// Building, and making packages.
    Deb,
    /// Building, making packages and checking them.
    DebCheck,
    /// Building, making packages, and running the container that they are installed in.
    Appliance,
    /// Making the files of a machine for tests.
    Image,
}

/// One thing that has to be on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// Debian's and Ubuntu's name.
    pub name: &'static str,
    /// Any of these programs shows that it is there; a name with a `/` is the path of a file.
    programs: &'static [&'static str],
}

/// Programs any of which is a Chromium.
const CHROMIUM_PROGRAMS: &[&str] = &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const BUILD: &[Package] = &[
    Package { name: "g++", programs: &["g++"] },
    Package { name: "make", programs: &["make"] },
    Package { name: "cmake", programs: &["cmake"] },
    Package { name: "nasm", programs: &["nasm"] },
    Package { name: "python3", programs: &["python3"] },
    Package { name: "python3-pip", programs: &[PIP] },
    Package { name: "libclang-dev", programs: &[LIBCLANG] },
];
const CHROMIUM: Package = Package { name: "chromium", programs: CHROMIUM_PROGRAMS };
const FIREFOX: Package = Package { name: "firefox-esr", programs: &["firefox-esr", "firefox"] };
const TEST: &[Package] = &[
    CHROMIUM,
    FIREFOX,
    Package { name: "nodejs", programs: &["node"] },
    Package { name: "nginx", programs: &["nginx", "/usr/sbin/nginx"] },
    Package { name: "haproxy", programs: &["haproxy", "/usr/sbin/haproxy"] },
    // Other distributions of Node have it in the same package.
    Package { name: "npm", programs: &["npm"] },
];
const VM: &[Package] = &[Package { name: "qemu-system-x86", programs: &["qemu-system-x86_64"] }];
const IMAGE: &[Package] = &[
    Package { name: "debootstrap", programs: &["debootstrap"] },
    Package { name: "debian-archive-keyring", programs: &[DEBIAN_KEYRING] },
    Package { name: "e2fsprogs", programs: &["mke2fs"] },
];
const CROSS: &[Package] = &[
    Package { name: "gcc-aarch64-linux-gnu", programs: &["aarch64-linux-gnu-gcc"] },
    Package { name: "g++-aarch64-linux-gnu", programs: &["aarch64-linux-gnu-g++"] },
];
const ARM64: &[Package] = &[Package { name: "qemu-user-static", programs: &["qemu-aarch64-static"] }];
const ARM64_MACHINE: &[Package] = &[Package { name: "qemu-system-arm", programs: &["qemu-system-aarch64"] }];
const DEB: &[Package] = &[Package { name: "debhelper", programs: &["dh_builddeb"] }];
const DEB_CHECK: &[Package] = &[Package { name: "lintian", programs: &["lintian"] }];
const APPLIANCE: &[Package] = &[
    Package { name: "systemd-container", programs: &["systemd-nspawn"] },
    Package { name: "iproute2", programs: &["ip"] },
];
/// Not a program of its own everywhere: asked for as a module of `python3`.
const PIP: &str = "python3 -m pip";
/// A library, which bindgen loads to read the kernel's headers.
const LIBCLANG: &str = "libclang.so";
/// What Debian's packages are signed with.
pub(crate) const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Makes sure that every package is there: as root on Debian and Ubuntu it installs what is missing.
///
/// # Errors
/// When something is missing and this user cannot install it (the error says the command), or the installation fails.
pub fn ensure(purpose: For) -> Result<()> {
    let mut missing = missing(purpose, is_there);
    // Ubuntu's browsers are snaps, which apt cannot bring everywhere.
    for (browser, names) in [(CHROMIUM, "Chromium or Chrome"), (FIREFOX, "Firefox")] {
        if os_release("ID").as_deref() == Some("ubuntu") && missing.contains(&browser) {
            eprintln!("xtask: install {names} by hand for the tests in that browser");
            missing.retain(|package| *package != browser);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let apt = has_apt();
    if !apt || !shell::is_root() {
        bail!("{}", sentence(&missing, apt));
    }
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    install(&names).context("install these packages by hand and run this again")
}

/// Whether this process can install packages of another architecture. Ubuntu keeps those in another place, which apt has to be
/// told by hand.
pub(crate) fn can_install_foreign() -> bool {
    has_apt() && shell::is_root() && os_release("ID").as_deref() == Some("debian")
}

/// Installs packages, of which some are of another architecture; from then on the machine knows that one.
///
/// # Errors
/// When apt refuses, or has no such package.
pub(crate) fn install_foreign(architecture: &str, names: &[&str]) -> Result<()> {
    shell::run(Command::new("dpkg").args(["--add-architecture", architecture]))?;
    install(names)
}

fn has_apt() -> bool {
    shell::on_path("apt-get").is_some()
}

fn install(names: &[&str]) -> Result<()> {
    shell::step(&format!("installing {}", names.join(" ")), || {
        shell::run(Command::new("apt-get").arg("update").env("DEBIAN_FRONTEND", "noninteractive"))?;
        let mut install = Command::new("apt-get");
        install.args(["install", "-y", "--no-install-recommends"]).args(names);
        shell::run(install.env("DEBIAN_FRONTEND", "noninteractive"))
    })
}

/// The path of a Chromium on this machine.
pub fn chromium() -> Option<PathBuf> {
    CHROMIUM_PROGRAMS.iter().find_map(|program| shell::on_path(program))
}

/// A field of `/etc/os-release`, such as `ID` (`debian`, `ubuntu`) or `VERSION_ID`.
pub(crate) fn os_release(field: &str) -> Option<String> {
    let release = fs::read_to_string("/etc/os-release").ok()?;
    let line = release.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix('='))?;
    Some(line.trim_matches('"').to_owned())
}

/// The packages none of whose programs `there` finds.
fn missing(purpose: For, there: impl Fn(&str) -> bool) -> Vec<Package> {
    let sets: &[&[Package]] = match purpose {
        For::Build => &[BUILD],
        For::Test => &[BUILD, TEST],
        For::Vm => &[BUILD, VM],
        For::Cross => &[BUILD, CROSS],
        For::Arm64 => &[BUILD, CROSS, DEB, IMAGE, ARM64],
        For::Arm64Machine => &[BUILD, CROSS, DEB, IMAGE, ARM64, ARM64_MACHINE],
        For::Deb => &[BUILD, DEB],
        For::DebCheck => &[BUILD, DEB, DEB_CHECK],
        For::Appliance => &[BUILD, DEB, APPLIANCE],
        For::Image => &[IMAGE],
    };
    let wanted = sets.iter().copied().flatten().copied();
    wanted.filter(|package| !package.programs.iter().any(|program| there(program))).collect()
}

/// What a person has to do about missing packages.
fn sentence(missing: &[Package], apt: bool) -> String {
    let list = |name: fn(&Package) -> &'static str, between| missing.iter().map(name).collect::<Vec<_>>().join(between);
    if apt {
        let names = list(|package| package.name, " ");
        return format!(
            "packages are missing; install them and run this again:\n\n  sudo apt-get update && sudo apt-get install -y \
             --no-install-recommends {names}\n"
        );
    }
    let commands = list(|package| package.programs.first().copied().unwrap_or(package.name), ", ");
    format!("commands are missing; install them with this system's package manager and run this again: {commands}")
}

fn is_there(program: &str) -> bool {
    if program == PIP {
        return shell::succeeds(Command::new("python3").args(["-m", "pip", "--version"]));
    }
    if program == LIBCLANG {
        return env::var_os("LIBCLANG_PATH").is_some()
            || library_folders().any(|folder| folder.join(LIBCLANG).exists());
    }
    if program.contains('/') { Path::new(program).exists() } else { shell::on_path(program).is_some() }
}

/// Where systems keep a libclang for developers: Debian one folder a version, others among the libraries.
fn library_folders() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let versions = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm"));
    let usual = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    usual.into_iter().chain(versions.map(|entry| entry.path().join("lib")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(missing: &[Package]) -> Vec<&str> {
        missing.iter().map(|package| package.name).collect()
    }

    #[test]
    fn only_what_is_not_there_is_missing() {
        assert_eq!(names(&missing(For::Build, |_| true)), Vec::<&str>::new());
        assert_eq!(names(&missing(For::Build, |program| program != "nasm" && program != PIP)), ["nasm", "python3-pip"]);
        let only_chrome = missing(For::Test, |program| program.starts_with("google-chrome"));
        assert_eq!(only_chrome.len(), BUILD.len() + TEST.len() - 1);
        assert_eq!(names(&missing(For::Test, |program| !program.starts_with("chrom"))), Vec::<&str>::new());
        assert_eq!(names(&missing(For::Test, |program| !program.contains("chrom"))), ["chromium"]);
        assert_eq!(names(&missing(For::Vm, |program| !program.contains("qemu"))), ["qemu-system-x86"]);
        assert_eq!(names(&missing(For::Cross, |program| !program.contains("g++"))), ["g++", "g++-aarch64-linux-gnu"]);
        assert_eq!(names(&missing(For::DebCheck, |program| program == "dh_builddeb")).last(), Some(&"lintian"));
        assert_eq!(names(&missing(For::Deb, |program| program != "dh_builddeb")), ["debhelper"]);
        assert_eq!(names(&missing(For::Appliance, |program| !program.contains("nspawn"))), ["systemd-container"]);
        assert_eq!(names(&missing(For::Arm64, |program| !program.contains("qemu"))), ["qemu-user-static"]);
        assert_eq!(
            names(&missing(For::Arm64Machine, |program| !program.contains("qemu"))),
            ["qemu-user-static", "qemu-system-arm"]
        );
        assert_eq!(names(&missing(For::Image, |_| false)), ["debootstrap", "debian-archive-keyring", "e2fsprogs"]);
    }

    #[test]
    fn the_container_has_what_packages_for_boards_take() {
        let recipe = fs::read_to_string(crate::paths::root().join("cross/Dockerfile")).unwrap();
        let words: Vec<_> = recipe.split_whitespace().collect();
        for package in [For::Cross, For::Deb].into_iter().flat_map(|purpose| missing(purpose, |_| false)) {
            assert!(words.contains(&package.name), "{} is missing in cross/Dockerfile", package.name);
        }
    }

    #[test]
    fn a_path_is_there_when_the_file_is() {
        assert!(is_there("/proc/self/status"));
        assert!(!is_there("/no/such/file"));
    }

    #[test]
    fn the_sentence_can_be_pasted() {
        let missing = missing(For::Build, |program| program != "g++" && program != PIP);
        assert!(
            sentence(&missing, true)
                .contains("  sudo apt-get update && sudo apt-get install -y --no-install-recommends g++ python3-pip\n")
        );
        assert!(sentence(&missing, false).ends_with("run this again: g++, python3 -m pip"));
    }
}
