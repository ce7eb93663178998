//! Writes a package with debhelper and `dpkg-deb`. Nothing of the building machine gets into it: they set owner, permissions, order and
//! compression, and every file gets the time that they are told.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::work::Work;
use crate::arch::Arch;
use crate::cargo::Profile;
use crate::files::{files, make_folder, remove_folder};
use crate::shell;

/// What a package is told beside its folder.
#[derive(Debug)]
pub(super) struct Words {
    /// What stands for variables in its control file.
    pub values: Vec<(&'static str, String)>,
    /// Its upstream changelog.
    pub changes: Option<PathBuf>,
    /// The time that all its files have, in seconds since 1970.
    pub time: u64,
}

/// Has debhelper's tools do their parts, in their usual order. Those are left out that would change programs, which are finished, or
/// write scripts, of which each package has its own. Writes `NAME_VERSION_ARCH.deb` into `out` and returns its path.
pub(super) fn pack(work: &Work, words: &Words, arch: Arch, profile: Profile, out: &Path) -> Result<PathBuf> {
    let run = |tool: &str, arguments: &[&str]| {
        let mut tool = Command::new(tool);
        for (name, _) in env::vars_os() {
            // A user's settings for packages of their own.
            if name.to_str().is_some_and(|name| name.starts_with("DEB_") || name.starts_with("DH_")) {
                tool.env_remove(name);
            }
        }
        tool.current_dir(&work.folder).args(arguments).env("SOURCE_DATE_EPOCH", words.time.to_string());
        tool.env("DEB_HOST_ARCH", arch.debian()).env("LC_ALL", "C.UTF-8");
        // The number of threads changes the bytes.
        shell::output(tool.env("DPKG_DEB_THREADS_MAX", "1"))
    };
    run("dh_installdirs", &[])?;
    run("dh_install", &["--sourcedir", path(&work.sources)?])?;
    let changes: Vec<_> = words.changes.iter().map(|changes| path(changes)).collect::<Result<_>>()?;
    run("dh_installdocs", &[])?;
    run("dh_installchangelogs", &changes)?;
    run("dh_installman", &[])?;
    run("dh_lintian", &[])?;
    // Pages are read as they are.
    run("dh_compress", &["--exclude=.md"])?;
    // It may hold the token: whoever put it there has set its permissions.
    run("dh_fixperms", &["--exclude=etc/default/"])?;
    run("dh_installdeb", &[])?;
    let values: Vec<_> = words.values.iter().map(|(name, value)| format!("-V{name}={value}")).collect();
    run("dh_gencontrol", &[&["--"], &*values.iter().map(String::as_str).collect::<Vec<_>>()].concat())?;
    run("dh_md5sums", &[])?;
    // dpkg-deb leaves files alone that are older.
    let time = format!("--date=@{}", words.time);
    run("find", &["debian", "-exec", "touch", "--no-dereference", &time, "{}", "+"])?;
    // Zstandard: Debian 12 and Ubuntu 22.04 read it, and a board unpacks libtorch much faster than with xz. The dpkg-deb of
    // Ubuntu 22.04 takes no higher level, and those save a percent.
    let level = match profile {
        Profile::Release => "-z9",
        Profile::Dev => "-z1",
    };
    // Under its name only when it is whole.
    let new = std::path::absolute(out)?.join(format!("new-{}", std::process::id()));
    make_folder(&new)?;
    let built = run("dh_builddeb", &["--destdir", path(&new)?, "--", "-Zzstd", level]).and_then(|_| {
        let [(name, deb)] = &*files(&new)? else { bail!("debhelper made no package") };
        fs::rename(deb, out.join(name)).with_context(|| format!("cannot move {}", deb.display()))?;
        Ok(out.join(name))
    });
    remove_folder(&new)?;
    built
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("debhelper takes no path that is not UTF-8: {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::files::write;

    const CONTROL: &str = "Source: example\nMaintainer: Nobody <nobody@example.org>\nBuild-Depends: debhelper-compat (= 13)\n\
                           \nPackage: example\nArchitecture: any\nDepends: ${needs:Depends}\nDescription: example\n An example.\n";
    const CHANGES: &str = "example (1.0-1) stable; urgency=low\n\n  * New.\n\n -- Nobody <nobody@example.org>  Fri, 20 Nov 2026 \
                           12:00:00 +0000\n";

    /// Lays out an example in a folder, whose program is there already.
    fn lay_out(home: &Path) -> (Work, Words) {
        let about = home.join("about");
        for (name, text) in [
            ("control", CONTROL),
            ("changelog", CHANGES),
            ("copyright", "free\n"),
            ("manpages", "debian/manual/*\n"),
            ("install", "program usr/bin\n"),
            ("dirs", "etc/example.d\n"),
            ("postinst", "#!/bin/sh\n"),
        ] {
            write(&about.join(name), text).unwrap();
        }
        let work = Work::begin("example", &about, home, &home.join("stage")).unwrap();
        write(&work.about("manual/example.8"), ".TH example 8\n.SH NAME\nexample - an example\n").unwrap();
        write(&work.place("etc/example.conf"), "a = 1\n").unwrap();
        let default = work.place("etc/default/example");
        write(&default, "B=1\n").unwrap();
        fs::set_permissions(&default, Permissions::from_mode(0o640)).unwrap();
        write(&work.place("usr/share/doc/example/page.md"), "page\n".repeat(10_000)).unwrap();
        let values = vec![("needs:Depends", "libc6 (>= 2.34)".to_owned())];
        (work, Words { values, changes: None, time: 1_700_000_000 })
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
        write(&home.join("program"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(home.join("program"), Permissions::from_mode(0o700)).unwrap();
        let (work, words) = lay_out(&home);
        let deb = pack(&work, &words, Arch::Aarch64, Profile::Dev, &home.join("out")).unwrap();
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
            "-rwxr-xr-x root/root        10 2023-11-14 22:13 ./usr/bin/program",
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
        assert!(sums.contains("  usr/bin/program\n") && !sums.contains("etc/"), "{sums}");
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
            let program = folder.join("program");
            write(&program, "#!/bin/sh\n").unwrap();
            File::open(&program).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(age)).unwrap();
            fs::set_permissions(&program, Permissions::from_mode(mode)).unwrap();
            let (work, words) = lay_out(&folder);
            fs::set_permissions(work.folder.join("debian/example"), Permissions::from_mode(mode | 0o300)).unwrap();
            let deb = pack(&work, &words, Arch::X86_64, Profile::Dev, &folder).unwrap();
            fs::read(deb).unwrap()
        };
        assert!(make("one", 0o600, 1_600_000_000) == make("another place", 0o777, 1_800_000_000));
        fs::remove_dir_all(&home).unwrap();
    }
}
