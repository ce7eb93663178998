//! What is tried on packages that were made: that the same programs give the same bytes again, and what lintian finds.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use rustix::fs::Mode;
use rustix::process::umask;

use super::{Packages, Plan, Programs};
use crate::arch::Arch;
use crate::cargo::{Built, Profile};
use crate::cross::symbols;
use crate::packages::{self, For};
use crate::skip::skip;
use crate::{files, paths, shell};

/// The packages' part of `cargo xtask test`, of what it has built: makes them, and checks them. A
/// machine that is not able to skips it and says why, but in CI that is a failure.
///
/// # Errors
/// When a package cannot be made or a check fails, or in CI when something is missing.
pub fn after_tests(built: &Built, able: Result<()>) -> Result<Option<Packages>> {
    let plan = trial_plan()?;
    let programs = able.and_then(|()| super::programs::of(built));
    let programs = match programs {
        Ok(programs) => programs,
        Err(error) => return skip("the checks of the packages", error).map(|()| None),
    };
    let made = super::pack(&plan, &programs)?;
    check(&plan, &programs, &made)?;
    Ok(Some(made))
}

/// The packages for a test alone, of what it has built; unchecked.
///
/// # Errors
/// When a package cannot be made.
pub fn for_trial(built: &Built) -> Result<Packages> {
    packages::ensure(For::Deb)?;
    super::pack(&trial_plan()?, &super::programs::of(built)?)
}

fn trial_plan() -> Result<Plan> {
    let out = paths::target().join("packages-dev");
    Ok(Plan { target: Arch::host()?, profile: Profile::Dev, out })
}

/// Checks packages that were made of these programs.
///
/// # Errors
/// When they differ the second time, or lintian finds something that has no reason to be; of a release, and in CI, when they do
/// not run on the oldest of the systems that they are for.
pub fn check(plan: &Plan, programs: &Programs, made: &Packages) -> Result<()> {
    packages::ensure(For::DebCheck)?;
    let runs = symbols::check(&programs.engine).and_then(|()| symbols::check(&programs.front));
    if let Err(error) = runs {
        // Packages for trying on this machine may need what this machine has.
        if plan.profile == Profile::Release || env::var_os("CI").is_some() {
            return Err(error);
        }
        eprintln!("xtask: these packages are for systems as new as this one: {error:#}");
    }
    shell::step("making the packages a second time, with other times and permissions", || again(plan, programs, made))?;
    shell::step("lintian", || lintian(made))
}

/// Makes the packages again from copies of the programs elsewhere, as another user would, and compares.
fn again(plan: &Plan, programs: &Programs, made: &Packages) -> Result<()> {
    let folder = paths::target().join("deb").join(format!("again-{}", std::process::id()));
    let before = umask(Mode::from_raw_mode(0o077));
    let repeated = copies(programs, &folder.join("programs")).and_then(|programs| {
        let plan = Plan { out: folder.join("packages"), ..plan.clone() };
        let again = super::pack_in(&plan, &programs, &folder)?;
        identical(&made.daemon, &again.daemon)?;
        identical(&made.libtorch, &again.libtorch)
    });
    umask(before);
    files::remove_folder(&folder)?;
    repeated
}

/// The programs with other times in another place.
fn copies(programs: &Programs, folder: &Path) -> Result<Programs> {
    let copy = |program: &Path, name: &str| -> Result<PathBuf> {
        let to = folder.join(name).join(program.file_name().context("a program has a name")?);
        files::copy(program, &to)?;
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options().write(true).open(&to).and_then(|file| file.set_modified(old)).context("cannot set a time")?;
        Ok(to)
    };
    Ok(Programs {
        engine: copy(&programs.engine, "engine")?,
        front: copy(&programs.front, "front")?,
        ..programs.clone()
    })
}

/// Whether two files have the same bytes.
///
/// # Errors
/// When they have not, or cannot be read.
pub(super) fn identical(one: &Path, other: &Path) -> Result<()> {
    if files::read(one)? != files::read(other)? {
        bail!("{} and {} differ: something of the machine got into them", one.display(), other.display());
    }
    Ok(())
}

/// Every error and warning is a failure; those with a reason stand in `packaging/deb/*/lintian-overrides`.
fn lintian(made: &Packages) -> Result<()> {
    let mut lintian = Command::new("lintian");
    lintian.args(["--fail-on", "error,warning", "--tag-display-limit", "0"]).args([&made.daemon, &made.libtorch]);
    shell::run(&mut lintian).context("lintian found something: mend it, or write down why it has to be so")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn one_byte_is_a_difference() {
        let file = |name: &str, text: &str| {
            let path = env::temp_dir().join(format!("xtask-identical-{name}-{}", std::process::id()));
            fs::write(&path, text).unwrap();
            path
        };
        let (one, same, other) = (file("one", "aaa"), file("same", "aaa"), file("other", "aab"));
        identical(&one, &same).unwrap();
        assert!(identical(&one, &other).is_err());
        for path in [one, same, other] {
            fs::remove_file(path).unwrap();
        }
    }
}
