//! Writes a package with `dpkg-deb`. Nothing of the building machine gets into it: owner, permissions, times, order and
//! compression are all set here.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::content::{Content, Entry, Package};
use crate::cargo::Profile;
use crate::{cache, shell};

/// Writes `NAME_VERSION_ARCH.deb` into `out` and returns its path. `stage` is a folder for the tree meanwhile.
pub(super) fn pack(package: &Package, profile: Profile, stage: &Path, out: &Path) -> Result<PathBuf> {
    let stage = stage.join(package.name);
    cache::remove(&stage)?;
    let deb = out.join(format!("{}_{}_{}.deb", package.name, package.version, package.architecture));
    let packed = lay_out(package, &stage).and_then(|()| write(&stage, profile, package.time, &deb));
    cache::remove(&stage)?;
    packed.with_context(|| format!("cannot write {}", deb.display()))?;
    Ok(deb)
}

fn lay_out(package: &Package, stage: &Path) -> Result<()> {
    let mut entries: Vec<&Entry> = package.entries.iter().collect();
    entries.sort_by(|one, other| one.place.cmp(&other.place));
    for entry in &entries {
        let place = stage.join(&entry.place);
        put(entry, &place).with_context(|| format!("cannot make {}", place.display()))?;
    }
    let sums = sums(&entries, stage)?;
    let conffiles = entries.iter().filter(|entry| entry.is_conffile());
    let conffiles: String = conffiles.map(|entry| format!("/{}\n", entry.place.display())).collect();
    let mut about = vec![
        Entry::text("DEBIAN/control", control(package, kibibytes(stage)?)),
        Entry::text("DEBIAN/md5sums", sums),
        Entry::text("DEBIAN/conffiles", conffiles),
    ];
    about.retain(|entry| entry.content != Content::Text(Vec::new()));
    about.extend(package.scripts.iter().map(|(name, source)| Entry::program(Path::new("DEBIAN").join(name), source)));
    for entry in &about {
        put(entry, &stage.join(&entry.place)).with_context(|| format!("cannot make {}", entry.place.display()))?;
    }
    normalise(stage, SystemTime::UNIX_EPOCH + Duration::from_secs(package.time))
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

/// The control file.
fn control(package: &Package, size: u64) -> String {
    let fixed = [
        ("Package", package.name.to_owned()),
        ("Version", package.version.clone()),
        ("Architecture", package.architecture.to_owned()),
        ("Installed-Size", size.to_string()),
    ];
    let fields = fixed.iter().chain(&package.fields).filter(|(_, value)| !value.is_empty());
    fields.map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// The sums by which `dpkg --verify` finds files that were changed; an administrator may change conffiles.
fn sums(entries: &[&Entry], stage: &Path) -> Result<String> {
    let files = entries.iter().filter(|entry| entry.content != Content::Folder && !entry.is_conffile());
    let files: Vec<_> = files.map(|entry| &entry.place).collect();
    if files.is_empty() {
        return Ok(String::new());
    }
    shell::output(Command::new("md5sum").arg("--").args(files).current_dir(stage))
}

/// The size of a tree as Debian counts it: whole KiB for each file, one for each folder.
fn kibibytes(folder: &Path) -> Result<u64> {
    let mut sum = 1;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        sum += if about.is_dir() { kibibytes(&entry.path())? } else { about.len().div_ceil(1024) };
    }
    Ok(sum)
}

/// Gives folders their usual permissions, whatever this user's umask is, and everything the same time.
fn normalise(folder: &Path, time: SystemTime) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            normalise(&path, time)?;
        } else {
            File::open(&path)?.set_modified(time)?;
        }
    }
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    Ok(File::open(folder)?.set_modified(time)?)
}

fn write(stage: &Path, profile: Profile, time: u64, deb: &Path) -> Result<()> {
    let out = deb.parent().unwrap_or(deb);
    fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    // Zstandard: Debian 12 and Ubuntu 22.04 read it, and a board unpacks libtorch much faster than with xz. The dpkg-deb of
    // Ubuntu 22.04 takes no higher level, and those save a percent.
    let level = match profile {
        Profile::Release => "-z9",
        Profile::Dev => "-z1",
    };
    let new = deb.with_extension(format!("new-{}", std::process::id()));
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.args(["--root-owner-group", "-Zzstd", level, "--build"]).arg(stage).arg(&new);
    dpkg.env("SOURCE_DATE_EPOCH", time.to_string());
    // The number of threads changes the bytes.
    dpkg.env("DPKG_DEB_THREADS_MAX", "1");
    shell::output(&mut dpkg)?;
    Ok(fs::rename(&new, deb)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(source: &Path) -> Package {
        Package {
            name: "example",
            version: "1.0-1".to_owned(),
            architecture: "amd64",
            fields: vec![
                ("Maintainer", "Nobody <nobody@example.org>".to_owned()),
                ("Depends", String::new()),
                ("Description", "example\n An example.".to_owned()),
            ],
            entries: vec![
                Entry::program("usr/bin/example", source),
                Entry::text("etc/example.conf", "a = 1\n"),
                Entry { mode: 0o640, ..Entry::text("etc/default/example", "B=1\n") },
                Entry::folder("etc/example.d"),
                Entry::text("usr/share/doc/example/copyright", "free\n"),
            ],
            scripts: vec![("postinst", source.to_path_buf())],
            time: 1_700_000_000,
        }
    }

    fn dpkg(arguments: &[&str], deb: &Path) -> String {
        shell::output(Command::new("dpkg-deb").args(arguments).arg(deb).env("TZ", "UTC")).unwrap()
    }

    /// True where `dpkg-deb` is missing, which no system of CI is.
    fn without_dpkg() -> bool {
        let without = shell::on_path("dpkg-deb").is_none();
        assert!(!(without && std::env::var_os("CI").is_some()), "no dpkg-deb in CI");
        without
    }

    #[test]
    fn a_package_says_what_it_holds() {
        if without_dpkg() {
            return;
        }
        let home = std::env::temp_dir().join(format!("xtask-pack-{}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        let source = home.join("source");
        fs::write(&source, "#!/bin/sh\n").unwrap();
        let deb = pack(&package(&source), Profile::Dev, &home.join("stage"), &home.join("out")).unwrap();
        assert_eq!(deb, home.join("out/example_1.0-1_amd64.deb"));
        assert_eq!(
            dpkg(&["--field"], &deb),
            "Package: example\nVersion: 1.0-1\nArchitecture: amd64\nInstalled-Size: 13\nMaintainer: Nobody \
             <nobody@example.org>\nDescription: example\n An example.\n"
        );
        assert_eq!(dpkg(&["-I"], &deb).matches("postinst").count(), 1);
        let list = dpkg(&["--contents"], &deb);
        for line in [
            "drwxr-xr-x root/root         0 2023-11-14 22:13 ./etc/example.d/",
            "-rw-r----- root/root         4 2023-11-14 22:13 ./etc/default/example",
            "-rwxr-xr-x root/root        10 2023-11-14 22:13 ./usr/bin/example",
        ] {
            assert!(list.contains(line), "no {line} in\n{list}");
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
        if without_dpkg() {
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
            let deb = pack(&package, Profile::Dev, &stage, &folder).unwrap();
            fs::read(deb).unwrap()
        };
        assert!(make("one", 0o600, 0) == make("another place", 0o777, 100_000_000));
        fs::remove_dir_all(&home).unwrap();
    }
}
