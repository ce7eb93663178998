//! `cargo xtask deb`: the packages for Debian and Ubuntu.
//!
//! Lives here: building the programs without a trace of the machine (`programs`, `trim`), laying out what debhelper makes a package
//! from (`work`), the daemon's (`daemon`, with `guides`, `documents` and `copyright`) and libtorch's (`libtorch`), what they ask of the
//! system (`needs`), having debhelper write them (`pack`), and checking what was written (`check`, `verify`). Does not live here: what
//! debhelper reads, such as the control file, the list of files and the maintainer scripts (`packaging/deb`), the units (`systemd`), and
//! trying the packages on a system.

mod check;
mod copyright;
mod daemon;
mod documents;
mod guides;
mod libtorch;
mod needs;
mod pack;
mod programs;
mod source;
pub mod trim;
mod verify;
mod version;
mod work;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::cargo::Profile;
use crate::packages::{self, For};
use crate::{files, libtorch as libraries, paths, shell};
pub use check::{after_tests, check, for_trial};
use pack::Words;
pub use programs::Programs;
use source::{Source, date, day};
pub use verify::verify;
use work::Work;

/// Which packages to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// For which architecture.
    pub target: Arch,
    /// The cargo profile of the programs.
    pub profile: Profile,
    /// The folder to write to.
    pub out: PathBuf,
}

/// The packages that were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packages {
    /// The daemon, without libtorch.
    pub daemon: PathBuf,
    /// The CPU-only libtorch.
    pub libtorch: PathBuf,
}

/// Makes the packages, checks them where that is wanted, and prints their paths.
///
/// # Errors
/// When a package cannot be made, or a check fails.
pub fn command(plan: &Plan, checked: bool) -> Result<()> {
    let programs = build_programs(plan)?;
    let made = pack(plan, &programs)?;
    if checked {
        check(plan, &programs, &made)?;
    }
    println!("{}\n{}", made.daemon.display(), made.libtorch.display());
    Ok(())
}

/// Sets up, builds the programs and makes the packages.
///
/// # Errors
/// When something to build with is missing, a build fails, or a package cannot be written.
pub fn build(plan: &Plan) -> Result<Packages> {
    pack(plan, &build_programs(plan)?)
}

fn build_programs(plan: &Plan) -> Result<Programs> {
    packages::ensure(For::Deb)?;
    let host = Arch::host()?;
    let cpu = libraries::cpu_folder(host)?;
    libraries::ensure_cpu(&cpu, host)?;
    // Packages are for machines with and without CUDA, so they are not built against this machine's.
    libraries::point_to(&cpu)?;
    programs::build(plan.target, plan.profile)
}

/// Makes the packages of programs that have been built.
///
/// # Errors
/// When a package cannot be written, or a release names folders of this machine.
pub fn pack(plan: &Plan, programs: &Programs) -> Result<Packages> {
    let title = format!("making the packages for {} in {}", plan.target.debian(), plan.out.display());
    let made = shell::step(&title, || pack_in(plan, programs, &paths::target().join("deb")))?;
    for deb in [&made.daemon, &made.libtorch] {
        let about = deb.metadata().with_context(|| format!("cannot find {}", deb.display()))?;
        eprintln!("xtask: {}: {:.1} MB", deb.display(), about.len() as f64 / 1e6);
    }
    Ok(made)
}

fn pack_in(plan: &Plan, programs: &Programs, work: &Path) -> Result<Packages> {
    let source = Source::of_checkout()?;
    let version = version::daemon(env!("CARGO_PKG_VERSION"));
    let stage = work.join(format!("stage-{}", std::process::id()));
    let made = stripped(programs, plan, &stage).and_then(|programs| {
        let packed = |(work, words): (Work, Words)| {
            let packed = pack::pack(&work, &words, plan.target, plan.profile, &plan.out);
            packed.with_context(|| format!("cannot write the package {}", work.name))
        };
        Ok(Packages {
            daemon: packed(daemon::lay_out(&programs, plan.target, &version, &source, &stage)?)?,
            libtorch: packed(libtorch::lay_out(&programs.libtorch, &source, &stage)?)?,
        })
    });
    files::remove_folder(&stage)?;
    made
}

/// The programs as they are shipped.
fn stripped(programs: &Programs, plan: &Plan, stage: &Path) -> Result<Programs> {
    let strip = |program: &Path, name: &str| programs::strip(program, plan.target, &stage.join(name));
    let (engine, front) = (strip(&programs.engine, "engine")?, strip(&programs.front, "front")?);
    if plan.profile == Profile::Release {
        for program in [&engine, &front] {
            trim::check(program)?;
        }
    }
    Ok(Programs { engine, front, ..programs.clone() })
}
