//! `cargo xtask release`: from the last commit to packages with a version, a tag and checksums. Nothing is published.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::{cargo, paths, shell};

/// Where a changelog has what is not released yet.
const UNRELEASED: &str = "## Unreleased\n";

/// Sets the version, commits that, makes the packages of both architectures with their checksums, and tags the commit; or only
/// checks that it could.
///
/// # Errors
/// When something is not committed, the version is none or taken, nothing is unreleased, or a build fails.
pub fn release(version: &str, dry_run: bool) -> Result<()> {
    let (root, tag) = (paths::root(), format!("v{version}"));
    if !git(&["status", "--porcelain"])?.is_empty() {
        bail!("there are changes that are not committed: commit or remove them first");
    }
    if !git(&["tag", "--list", &tag])?.is_empty() {
        bail!("{version} is released: there is a tag {tag}");
    }
    let day = shell::output(Command::new("date").args(["--utc", "+%Y-%m-%d"]))?;
    let edit = |file: &str, change: &dyn Fn(&str) -> Result<String>| -> Result<()> {
        let path = root.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
        let changed = change(&text)?;
        if !dry_run {
            fs::write(&path, changed).with_context(|| format!("cannot write {file}"))?;
        }
        Ok(())
    };
    edit("Cargo.toml", &|text| with_version(text, version))?;
    edit("CHANGELOG.md", &|text| with_release(text, version, day.trim()))?;
    if dry_run {
        println!("{version} can be released: version, changelog, commit, packages, checksums, tag {tag}");
        return Ok(());
    }
    shell::run(cargo::command("update").args(["--workspace", "--offline"]))?;
    git(&["commit", "--quiet", "--all", "--message", &format!("Release {version}")])?;
    let out = paths::target().join("releases").join(version);
    for arch in [Arch::X86_64, Arch::Aarch64].into_iter().filter(|arch| can_build(*arch)) {
        // This program has the version that was.
        shell::run(cargo::command("xtask").args(["deb", "--check", "--target", arch.target(), "--out"]).arg(&out))?;
    }
    let sums = format!("{}/SHA256SUMS", out.display());
    fs::write(&sums, checksums(&out)?).with_context(|| format!("cannot write {sums}"))?;
    git(&["tag", "--annotate", &tag, "--message", &format!("Release {version}")])?;
    println!("{}\npush it: git push origin HEAD {tag}", out.display());
    Ok(())
}

/// Packages for boards are made on x86-64 too, those for x86-64 nowhere else.
fn can_build(arch: Arch) -> bool {
    Arch::host().is_ok_and(|host| host == arch || host == Arch::X86_64)
}

fn git(arguments: &[&str]) -> Result<String> {
    shell::output(Command::new("git").args(arguments).current_dir(paths::root()))
}

/// The workspace's manifest with another version.
fn with_version(manifest: &str, version: &str) -> Result<String> {
    let (numbers, preview) = version.split_once('-').unwrap_or((version, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if numbers.split('.').count() != 3 || !numbers.split('.').all(is_number) || !preview.split('.').all(is_name) {
        bail!("{version} is no version: give one such as 1.2.0 or 1.2.0-rc.1");
    }
    let (before, rest) =
        manifest.split_once("[workspace.package]\nversion = \"").context("Cargo.toml has no version")?;
    let (_, after) = rest.split_once('"').context("Cargo.toml's version has no end")?;
    Ok(format!("{before}[workspace.package]\nversion = \"{version}\"{after}"))
}

/// The changelog with what was unreleased under the version.
fn with_release(changelog: &str, version: &str, day: &str) -> Result<String> {
    let (before, rest) = changelog.split_once(UNRELEASED).context("CHANGELOG.md has no heading \"Unreleased\"")?;
    if !rest.split("\n## ").next().unwrap_or_default().contains("\n- ") {
        bail!("nothing is unreleased: CHANGELOG.md says what a user would notice");
    }
    Ok(format!("{before}{UNRELEASED}\n## {version} - {day}\n{rest}"))
}

/// What `sha256sum --check` reads, of every package in a folder.
fn checksums(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.retain(|name| name.to_string_lossy().ends_with(".deb"));
    names.sort();
    shell::output(Command::new("sha256sum").args(names).current_dir(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_could_be_released() {
        let read = |file: &str| fs::read_to_string(paths::root().join(file)).unwrap();
        let manifest = with_version(&read("Cargo.toml"), "12.3.4-rc.1").unwrap();
        assert!(manifest.contains("\nversion = \"12.3.4-rc.1\"\nedition"), "{manifest}");
        assert_eq!(with_version(&manifest, env!("CARGO_PKG_VERSION")).unwrap(), read("Cargo.toml"));
        assert!(read("CHANGELOG.md").contains(UNRELEASED));
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for version in ["", "1", "1.2", "v1.2.3", "1.2.x", "1.2.3-", "1.2.3-a b", "1.2.3.4", "1..3"] {
            assert!(with_version("[workspace.package]\nversion = \"1.0.0\"\n", version).is_err(), "{version}");
        }
    }

    #[test]
    fn what_was_unreleased_stands_under_the_version() {
        let released = with_release(
            "# Log\n\n## Unreleased\n\n- New.\n\n## 0.1.0 - 2026-01-01\n- First.\n",
            "1.0.0",
            "2026-11-29",
        );
        let expected = "# Log\n\n## Unreleased\n\n## 1.0.0 - 2026-11-29\n\n- New.\n\n## 0.1.0 - 2026-01-01\n- First.\n";
        assert_eq!(released.unwrap(), expected);
        for nothing in ["# Log\n", expected] {
            assert!(with_release(nothing, "1.1.0", "2026-11-30").is_err(), "{nothing}");
        }
    }

    #[test]
    fn checksums_are_of_packages_and_can_be_checked() {
        let folder = std::env::temp_dir().join(format!("xtask-release-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for name in ["b.deb", "a.deb", "a.deb.txt"] {
            fs::write(folder.join(name), name).unwrap();
        }
        let sums = checksums(&folder).unwrap();
        assert!(sums.lines().count() == 2 && sums.lines().next().unwrap().ends_with("  a.deb"), "{sums}");
        fs::write(folder.join("SHA256SUMS"), sums).unwrap();
        assert!(shell::succeeds(Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(&folder)));
        fs::remove_dir_all(&folder).unwrap();
    }
}
