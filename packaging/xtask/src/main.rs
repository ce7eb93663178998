//! `cargo xtask`: picks the command and is the only exit point.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::arch::Arch;
use xtask::cargo::Profile;
use xtask::{
    appliance, arm64, bench, cross, deb, dist, fuzz, lint, models, packages, paths, release, run, setup, test, vm,
};

/// The project's own commands. Each sets up what it needs first.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the system packages and make libtorch ready, so that plain cargo commands work.
    Setup,
    /// Build a release and start the daemon on the shipped pipelines.
    Run {
        /// Arguments for `forgesyted serve`.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Build a tree that runs from anywhere: bin/, lib/, share/, etc/.
    Dist {
        /// The cargo profile to build.
        #[arg(long, value_enum, default_value = "release")]
        profile: Profile,
        /// The folder to fill [default: target/dist].
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Make the packages for Debian and Ubuntu, and print their paths.
    Deb {
        /// The Rust target to build for [default: this machine's].
        #[arg(long)]
        target: Option<String>,
        /// The cargo profile to build.
        #[arg(long, value_enum, default_value = "release")]
        profile: Profile,
        /// The folder to write to [default: target/packages].
        #[arg(long)]
        out: Option<PathBuf>,
        /// Make them a second time and compare, and run lintian on them.
        #[arg(long)]
        check: bool,
        /// Build the last commit twice from nothing, in two places, and compare; slow.
        #[arg(long, conflicts_with_all = ["check", "out"])]
        verify: bool,
    },
    /// Build both programs of the packages for aarch64, on x86-64, and print their paths.
    Cross {
        /// The cargo profile to build.
        #[arg(long, value_enum, default_value = "release")]
        profile: Profile,
    },
    /// Run every test.
    Test {
        /// Arguments for `cargo test`.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Run the tests that need camera drivers, in a virtual machine that has them.
    TestVm {
        /// Only make the image that the machine boots; the rest needs no root.
        #[arg(long, conflicts_with = "args")]
        image: bool,
        /// Arguments for libtest, such as part of a test's name.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Install the packages in a container with a real systemd, and test them there.
    TestAppliance {
        /// The system in the container.
        #[arg(long, value_enum, default_value = "debian")]
        system: appliance::System,
        /// Arguments for libtest, such as part of a test's name.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Install the arm64 packages in a Debian of theirs, boot it, and test them there by qemu.
    TestArm64 {
        /// Arguments for libtest, such as part of a test's name.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Boot an emulated arm64 machine with the packages, in this terminal.
    BootArm64 {
        /// The cargo profile of the programs.
        #[arg(long, value_enum, default_value = "dev")]
        profile: Profile,
    },
    /// Measure a release build.
    Bench {
        /// Arguments for the benchmark.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Measure what a release build spends on cameras, in a virtual machine that has them.
    BenchVm {
        /// Arguments for the benchmark, such as --quick; files that it writes are gone with the machine.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Check format, lints, documentation and dependencies; warnings are errors.
    Lint,
    /// Look for bytes that the fuzz targets panic on.
    Fuzz {
        /// One target of tests/fuzz [default: all, one after the other].
        target: Option<String>,
        /// How long each runs.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Make a release of the last commit: version, changelog, packages, checksums and tag.
    Release {
        /// The version, such as 1.2.0 or 1.2.0-rc.1.
        version: String,
        /// Only check that it could be made.
        #[arg(long)]
        dry_run: bool,
    },
    /// Make the shipped TorchScript files in config/ anew.
    Models,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Setup => setup::setup(packages::For::Build),
        Command::Run { args } => run::run(&args),
        Command::Dist { profile, out } => {
            let out = out.unwrap_or_else(|| paths::target().join("dist"));
            dist::dist(profile, &out).map(|_| ())
        }
        Command::Deb { target, profile, out, check, verify } => {
            let target = target.map_or_else(Arch::host, |target| Arch::of_target(&target));
            let out = out.unwrap_or_else(|| paths::target().join("packages"));
            target
                .map(|target| deb::Plan { target, profile, out })
                .and_then(|plan| if verify { deb::verify(&plan) } else { deb::command(&plan, check) })
        }
        Command::Cross { profile } => cross::build(Arch::Aarch64, profile).map(|programs| {
            println!("{}\n{}", programs.engine.display(), programs.front.display());
        }),
        Command::Test { args } => test::test(&args),
        Command::TestVm { image: true, .. } => vm::make_image(),
        Command::TestVm { args, .. } => vm::test_vm(&args),
        Command::TestAppliance { system, args } => appliance::test_appliance(system, &args),
        Command::TestArm64 { args } => arm64::test_arm64(&args),
        Command::BootArm64 { profile } => arm64::boot_arm64(profile),
        Command::Bench { args } => bench::bench(&args),
        Command::BenchVm { args } => vm::bench_vm(&args),
        Command::Lint => lint::lint(),
        Command::Fuzz { target, seconds } => fuzz::fuzz(target.as_deref(), seconds),
        Command::Release { version, dry_run } => release::release(&version, dry_run),
        Command::Models => models::write_all(&paths::config())
            .map(|files| {
                for file in files {
                    println!("{}", file.display());
                }
            })
            .map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
