//! Looks at the machine: GPU devices, libtorches, the user's `LIBTORCH`. Decides nothing.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{Candidate, Found, link, make};
use crate::arch::Arch;
use crate::shell;

/// Device files of NVIDIA GPUs: cards, and Jetson's integrated ones.
const GPU_DEVICES: &[&str] = &["/dev/nvidia0", "/dev/nvhost-gpu", "/dev/nvgpu"];
/// Where libtorch zips are usually unpacked.
const USUAL_FOLDERS: &[&str] = &["/usr/local/libtorch", "/opt/libtorch"];
/// Finds the torch package without importing it, which would take seconds.
const FIND_TORCH: &str = "import importlib.util as u
s = u.find_spec('torch')
print(s.submodule_search_locations[0] if s and s.submodule_search_locations else '')";

/// Collects what the choice of a libtorch rests on.
///
/// # Errors
/// When the cache folder is unknown, `LIBTORCH` is not a folder, or this is neither x86-64 nor aarch64.
pub fn find(arch: Arch) -> Result<Found> {
    let cpu = make::cpu_folder(arch)?;
    let user = env::var_os("LIBTORCH").map(PathBuf::from).filter(|value| !link::is_the_link(value));
    let user = user.map(|folder| absolute(&folder).map(|folder| inspect(&folder))).transpose()?;
    let gpu = GPU_DEVICES.iter().map(PathBuf::from).find(|device| device.exists());
    // Without a GPU, or with the user's word, nothing of the machine's is of interest: do not even start Python.
    let machine = if gpu.is_some() && user.is_none() { machine() } else { Vec::new() };
    Ok(Found { user, gpu, machine, cpu })
}

/// The version of the libtorch in a folder, as its `build-version` (libtorch zips) or `version.py` (the Python package)
/// says; none when neither does.
pub fn version_of(folder: &Path) -> Option<String> {
    if let Ok(text) = fs::read_to_string(folder.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    let text = fs::read_to_string(folder.join("version.py")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("__version__"))?;
    line.split(['\'', '"']).nth(1).map(str::to_owned)
}

fn machine() -> Vec<Candidate> {
    let usual = USUAL_FOLDERS.iter().map(PathBuf::from);
    usual.chain(python_torch()).filter(|folder| folder.is_dir()).map(|folder| inspect(&folder)).collect()
}

fn python_torch() -> Option<PathBuf> {
    shell::on_path("python3")?;
    let mut ask = Command::new("python3");
    let answer = ask.args(["-c", FIND_TORCH]).stderr(Stdio::null()).output().ok()?;
    let folder = String::from_utf8(answer.stdout).ok()?;
    let folder = folder.trim();
    (!folder.is_empty()).then(|| PathBuf::from(folder))
}

fn inspect(folder: &Path) -> Candidate {
    let lib = folder.join("lib");
    Candidate {
        folder: folder.to_path_buf(),
        version: version_of(folder),
        complete: folder.join("include").is_dir() && lib.join("libtorch_cpu.so").exists(),
        cuda: link::has_cuda(folder),
    }
}

fn absolute(folder: &Path) -> Result<PathBuf> {
    fs::canonicalize(folder).with_context(|| {
        format!("LIBTORCH is {}, which cannot be opened: set it to a libtorch folder, or unset it", folder.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_says_its_version_in_either_way() {
        let folder = env::temp_dir().join(format!("xtask-find-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(version_of(&folder), None);
        let python =
            "from typing import Optional\n__all__ = ['__version__']\n__version__ = '2.11.0+cu130'\ncuda = '13.0'\n";
        fs::write(folder.join("version.py"), python).unwrap();
        assert_eq!(version_of(&folder).as_deref(), Some("2.11.0+cu130"));
        fs::write(folder.join("build-version"), "2.11.0\n").unwrap();
        assert_eq!(version_of(&folder).as_deref(), Some("2.11.0"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
