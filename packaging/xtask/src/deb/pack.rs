//! Writes a package with debhelper and `dpkg-deb`. Nothing of the building machine gets into it: they set owner, permissions, order and
//! compression, and give every file the time that they are told.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::content::{Content, Entry, Package, files};
use crate::arch::Arch;
use crate::cargo::Profile;
use crate::{cache, shell};

/// Writes `NAME_VERSION_ARCH.deb` into `out` and returns its path. `stage` is a folder for the tree meanwhile.
pub(super) fn pack(package: &Package, arch: Arch, profile: Profile, stage: &Path, out: &Path) -> Result<PathBuf> {
    let work = stage.join(package.name);
    cache::remove(&work)?;
    let packed = lay_out(package, &work).and_then(|()| write(package, arch, profile, &work, out));
    cache::remove(&work)?;
    packed.with_context(|| format!("cannot write the package {}", package.name))
}

/// Lays out the folder of a package as debhelper has it.
fn lay_out(package: &Package, work: &Path) -> Result<()> {
    let debian = work.join("debian");
    let contents = debian.join(package.name);
    let about = package.about.iter().map(|entry| (entry, &debian));
    for (entry, folder) in about.chain(package.entries.iter().map(|entry| (entry, &contents))) {
        let place = folder.join(&entry.place);
        put(entry, &place).with_context(|| format!("cannot make {}", place.display()))?;
    }
    Ok(())
}

fn put(entry: &Entry, place: &Path) -> Result<()> {
    fs::create_dir_all(place.parent().unwrap_or(place))?;
    match &entry.content {
        Content::File(source) => {
            fs::copy(source, place).with_context(|| format!("cannot copy {}", source.display()))?;
        }
        Content::Text(text) => fs::write(place, text)?,
        Content::Folder => fs::create_dir_all(place)?,
    }
    Ok(fs::set_permissions(place, Permissions::from_mode(entry.mode))?)
}

/// Has debhelper's tools do their parts, in their usual order. Those are left out that would change programs, which are finished, or
/// write scripts, of which each package has its own.
fn write(package: &Package, arch: Arch, profile: Profile, work: &Path, out: &Path) -> Result<PathBuf> {
    let run = |tool: &str, arguments: &[&str]| {
        let mut tool = Command::new(tool);
        tool.current_dir(work).args(arguments).env("SOURCE_DATE_EPOCH", package.time.to_string());
        tool.env("DEB_HOST_ARCH", arch.debian()).env("LC_ALL", "C.UTF-8");
        // The number of threads changes the bytes.
        shell::output(tool.env("DPKG_DEB_THREADS_MAX", "1"))
    };
    let changes: Vec<_> = package.changes.iter().map(|changes| path(changes)).collect::<Result<_>>()?;
    run("dh_installdocs", &[])?;
    run("dh_installchangelogs", &changes)?;
    run("dh_installman", &[])?;
    run("dh_lintian", &[])?;
    // Pages are read as they are.
    run("dh_compress", &["--exclude=.md"])?;
    // It may hold the token: whoever put it there has set its permissions.
    run("dh_fixperms", &["--exclude=etc/default/"])?;
    run("dh_installdeb", &[])?;
    let values: Vec<_> = package.values.iter().map(|(name, value)| format!("-V{name}={value}")).collect();
    run("dh_gencontrol", &[&["--"], &*values.iter().map(String::as_str).collect::<Vec<_>>()].concat())?;
    run("dh_md5sums", &[])?;
    // Zstandard: Debian 12 and Ubuntu 22.04 read it, and a board unpacks libtorch much faster than with xz. The dpkg-deb of
    // Ubuntu 22.04 takes no higher level, and those save a percent.
    let level = match profile {
        Profile::Release => "-z9",
        Profile::Dev => "-z1",
    };
    // Under its name only when it is whole.
    let new = std::path::absolute(out)?.join(format!("new-{}", std::process::id()));
    fs::create_dir_all(&new).with_context(|| format!("cannot make the folder {}", new.display()))?;
    let built = run("dh_builddeb", &["--destdir", path(&new)?, "--", "-Zzstd", level]).and_then(|_| {
        let [(name, deb)] = &*files(&new)? else { bail!("debhelper made no package") };
        fs::rename(deb, out.join(name)).with_context(|| format!("cannot move {}", deb.display()))?;
        Ok(out.join(name))
    });
    cache::remove(&new)?;
    built
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("debhelper takes no path that is not UTF-8: {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use super::*;

    const CONTROL: &str = "Source: example\nMaintainer: Nobody <nobody@example.org>\nBuild-Depends: debhelper-compat (= 13)\n\
                           \nPackage: example\nArchitecture: any\nDepends: ${needs:Depends}\nDescription: example\n An example.\n";
    const CHANGES: &str = "example (1.0-1) stable; urgency=low\n\n  * New.\n\n -- Nobody <nobody@example.org>  Fri, 20 Nov 2026 \
                           12:00:00 +0000\n";

    fn package(source: &Path) -> Package {
        Package {
            name: "example",
            about: vec![
                Entry::text("control", CONTROL),
                Entry::text("changelog", CHANGES),
                Entry::text("copyright", "free\n"),
                Entry::text("manpages", "debian/manual/*\n"),
                Entry::text("manual/example.8", ".TH example 8\n.SH NAME\nexample - an example\n"),
                Entry::program("postinst", source),
            ],
            entries: vec![
                Entry::program("usr/bin/example", source),
                Entry::text("etc/example.conf", "a = 1\n"),
                Entry { mode: 0o640, ..Entry::text("etc/default/example", "B=1\n") },
                Entry::folder("etc/example.d"),
                Entry::text("usr/share/doc/example/page.md", "page\n".repeat(10_000)),
            ],
            changes: None,
            values: vec![("needs:Depends", "libc6 (>= 2.34)".to_owned())],
            time: 1_700_000_000,
        }
    }

    fn dpkg(arguments: &[&str], deb: &Path) -> String {
        shell::output(Command::new("dpkg-deb").args(arguments).arg(deb).env("TZ", "UTC")).unwrap()
    }

    /// True where debhelper is missing, which no system of CI is.
    fn without_debhelper() -> bool {
        let without = shell::on_path("dh_builddeb").is_none();
        assert!(!(without && std::env::var_os("CI").is_some()), "no debhelper in CI");
        without
    }

    #[test]
    fn a_package_says_what_it_holds() {
        if without_debhelper() {
            return;
        }
        let home = std::env::temp_dir().join(format!("xtask-pack-{}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        let source = home.join("source");
        fs::write(&source, "#!/bin/sh\n").unwrap();
        let deb = pack(&package(&source), Arch::Aarch64, Profile::Dev, &home.join("stage"), &home.join("out")).unwrap();
        assert_eq!(deb, home.join("out/example_1.0-1_arm64.deb"));
        assert_eq!(
            dpkg(&["--field"], &deb),
            "Package: example\nVersion: 1.0-1\nArchitecture: arm64\nMaintainer: Nobody <nobody@example.org>\nInstalled-Size: \
             69\nDepends: libc6 (>= 2.34)\nDescription: example\n An example.\n"
        );
        assert_eq!(dpkg(&["-I"], &deb).matches("postinst").count(), 1);
        let list = dpkg(&["--contents"], &deb);
        for line in [
            "drwxr-xr-x root/root         0 2023-11-14 22:13 ./etc/example.d/",
            "-rw-r----- root/root         4 2023-11-14 22:13 ./etc/default/example",
            "-rwxr-xr-x root/root        10 2023-11-14 22:13 ./usr/bin/example",
            "-rw-r--r-- root/root     50000 2023-11-14 22:13 ./usr/share/doc/example/page.md",
        ] {
            assert!(list.contains(line), "no {line} in\n{list}");
        }
        for place in ["man/man8/example.8.gz", "doc/example/changelog.Debian.gz", "doc/example/copyright"] {
            assert!(list.contains(&format!(" ./usr/share/{place}\n")), "no {place} in\n{list}");
        }
        let control = home.join("control");
        shell::run(Command::new("dpkg-deb").arg("--control").args([&deb, &control])).unwrap();
        assert_eq!(fs::read_to_string(control.join("conffiles")).unwrap(), "/etc/default/example\n/etc/example.conf\n");
        let sums = fs::read_to_string(control.join("md5sums")).unwrap();
        assert!(sums.contains("  usr/bin/example\n") && !sums.contains("etc/"), "{sums}");
        assert!(!home.join("stage/example").exists());
        fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn neither_times_nor_permissions_nor_folders_change_the_bytes() {
        if without_debhelper() {
            return;
        }
        let home = std::env::temp_dir().join(format!("xtask-pack-twice-{}", std::process::id()));
        let make = |folder: &str, mode: u32, age: u64| {
            let folder = home.join(folder);
            fs::create_dir_all(&folder).unwrap();
            let source = folder.join("source");
            fs::write(&source, "#!/bin/sh\n").unwrap();
            File::open(&source).unwrap().set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
            fs::set_permissions(&source, Permissions::from_mode(mode)).unwrap();
            let mut package = package(&source);
            // The order in which files are named is none that the package has.
            if age > 0 {
                package.entries.reverse();
            }
            let stage = folder.join("stage");
            fs::create_dir_all(&stage).unwrap();
            fs::set_permissions(&stage, Permissions::from_mode(mode | 0o300)).unwrap();
            let deb = pack(&package, Arch::X86_64, Profile::Dev, &stage, &folder).unwrap();
            fs::read(deb).unwrap()
        };
        assert!(make("one", 0o600, 0) == make("another place", 0o777, 100_000_000));
        fs::remove_dir_all(&home).unwrap();
    }
}
