//! Makes the CPU-only libtorch: downloads the wheels with pip, unpacks what is needed, adds `libtorch.so`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use zip::ZipArchive;

use super::TORCH_VERSION;
use super::wheels::{self, WHEELS, Wheel};
use crate::arch::Arch;
use crate::{cache, paths, shell};

/// Free space needed while it is made: the wheels, pip's own copy of the one it is writing, and a part of the result.
const NEEDED_BYTES: u64 = 1_600_000_000;
/// A finished folder has all of these.
const EXPECTED: &[&str] = &[
    "include/torch/csrc/api/include/torch/torch.h",
    "lib/libtorch_cpu.so",
    "lib/libc10.so",
    "lib/libcudart.so.13",
    "lib/libcupti.so.13",
    "lib/libtorch.so",
    "licences/torch/LICENSE",
    "licences/torch/NOTICE",
    "licences/nvidia_cuda_runtime/License.txt",
    "licences/nvidia_cuda_cupti/License.txt",
];
/// Counts the ways in which the folder was made: the first had no licences.
const RECIPE: &str = "2";

/// Where the CPU-only libtorch of an architecture is in the user's cache, or would be.
///
/// # Errors
/// When the cache folder is unknown.
pub fn cpu_folder(arch: Arch) -> Result<PathBuf> {
    Ok(paths::cache()?.join(format!("libtorch-{TORCH_VERSION}-cpu-{}-{RECIPE}", arch.name())))
}

/// Makes the CPU-only libtorch of an architecture in `folder`, unless it is there. A foreign one takes that architecture's
/// cross compiler.
///
/// # Errors
/// When the disk is too full, the download or its hash check fails, or a wheel lacks something that is needed.
pub fn ensure_cpu(folder: &Path, arch: Arch) -> Result<()> {
    cache::ensure(folder, |partial| {
        let title = format!("making the CPU libtorch {TORCH_VERSION} in {} (once)", folder.display());
        shell::step(&title, || make(partial, arch))
    })
}

fn make(folder: &Path, arch: Arch) -> Result<()> {
    cache::check_space(folder, NEEDED_BYTES, "libtorch")?;
    let wheels = folder.join("wheels");
    download(&wheels, arch)?;
    for wheel in WHEELS {
        unpack(&find_wheel(&wheels, wheel)?, folder)?;
    }
    fs::remove_dir_all(&wheels).with_context(|| format!("cannot remove {}", wheels.display()))?;
    link_libtorch(&folder.join("lib"), arch)?;
    if let Some(missing) = EXPECTED.iter().find(|path| !folder.join(path).is_file()) {
        bail!("the wheels have no {missing}: they are not what this version of xtask was written for");
    }
    fs::write(folder.join("build-version"), format!("{TORCH_VERSION}\n")).context("cannot write build-version")
}

fn download(wheels: &Path, arch: Arch) -> Result<()> {
    let temporary = wheels.join("tmp");
    fs::create_dir_all(&temporary).with_context(|| format!("cannot make the folder {}", temporary.display()))?;
    let requirements = wheels.join("requirements.txt");
    fs::write(&requirements, wheels::requirements(arch)).context("cannot write the requirements for pip")?;
    let mut pip = shell::pip();
    pip.args(wheels::pip_arguments(arch, &requirements, wheels));
    // /tmp may be a small file system in memory.
    shell::run(pip.env("TMPDIR", &temporary)).context(
        "cannot download libtorch's wheels: check the network and pip's configuration (`python3 -m pip config list`)",
    )
}

fn find_wheel(folder: &Path, wheel: &Wheel) -> Result<PathBuf> {
    let start = wheel.file_start();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let named =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&start));
    let mut paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    paths.find(named).with_context(|| format!("pip left no file {start}*.whl"))
}

fn unpack(wheel: &Path, folder: &Path) -> Result<()> {
    let broken = || format!("cannot read the wheel {}", wheel.display());
    let file = File::open(wheel).with_context(broken)?;
    let mut archive = ZipArchive::new(io::BufReader::new(file)).with_context(broken)?;
    let mut wanted = Vec::new();
    let mut bytes = 0;
    for index in 0..archive.len() {
        let member = archive.by_index(index).with_context(broken)?;
        let Some(place) = member.enclosed_name().filter(|_| member.is_file()).and_then(|path| wheels::place(&path))
        else {
            continue;
        };
        bytes += member.size();
        wanted.push((index, folder.join(place)));
    }
    let bar = progress_bar(bytes);
    for (index, place) in wanted {
        let member = archive.by_index(index).with_context(broken)?;
        write_member(&mut bar.wrap_read(member), &place)?;
    }
    bar.finish_and_clear();
    Ok(())
}

fn write_member(member: &mut impl io::Read, place: &Path) -> Result<()> {
    let what = || format!("cannot unpack {}", place.display());
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent).with_context(what)?;
    }
    let mut file = File::create(place).with_context(what)?;
    io::copy(member, &mut file).with_context(what)?;
    Ok(())
}

/// Shown on a terminal only; elsewhere indicatif draws nothing.
fn progress_bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let template = "   unpacking {wide_bar} {binary_bytes}/{binary_total_bytes}";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The wheel's own `libtorch.so` asks for the CUDA libraries. In its place goes an empty shared object that asks for
/// the CPU ones: programs link with it, and libraries that ask for `libtorch.so` by name load.
fn link_libtorch(lib: &Path, arch: Arch) -> Result<()> {
    let mut compiler = Command::new(arch.tool("g++"));
    compiler.current_dir(lib).args(["-shared", "-fPIC", "-o", "libtorch.so", "-x", "c", "/dev/null", "-L."]);
    compiler.args(["-Wl,-soname,libtorch.so", "-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN", "-ltorch_cpu", "-lc10"]);
    shell::run(&mut compiler).context("cannot make libtorch.so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_is_unpacked_to_its_places_only() {
        let folder = std::env::temp_dir().join(format!("xtask-unpack-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let wheel = folder.join("torch-2.11.0-cp311.whl");
        let mut writer = zip::ZipWriter::new(File::create(&wheel).unwrap());
        for (name, content) in [
            ("torch/include/ATen/ATen.h", "header"),
            ("torch/lib/libc10.so", "library"),
            ("torch/lib/libtorch_cuda.so", "not this"),
            ("torch/__init__.py", "nor this"),
            ("../escape", "nor this"),
        ] {
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            io::Write::write_all(&mut writer, content.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(find_wheel(&folder, &WHEELS[0]).unwrap(), wheel);
        assert!(find_wheel(&folder, &WHEELS[1]).is_err());

        let out = folder.join("out");
        unpack(&wheel, &out).unwrap();
        assert_eq!(fs::read_to_string(out.join("include/ATen/ATen.h")).unwrap(), "header");
        assert_eq!(fs::read_to_string(out.join("lib/libc10.so")).unwrap(), "library");
        assert_eq!(fs::read_dir(out.join("lib")).unwrap().count(), 1);
        assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
        fs::remove_dir_all(&folder).unwrap();
    }
}
