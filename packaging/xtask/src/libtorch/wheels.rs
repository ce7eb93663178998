//! The wheels that a CPU-only libtorch is made of: names, hashes, what pip is asked, and which members are kept.

use std::path::{Component, Path, PathBuf};

use super::TORCH_VERSION;
use crate::arch::Arch;

/// One wheel, pinned for both architectures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wheel {
    project: &'static str,
    version: &'static str,
    /// The platform tag without its architecture.
    platform: &'static str,
    sha256_x86_64: &'static str,
    sha256_aarch64: &'static str,
}

/// torch itself, and the two small libraries that `libtorch_cpu.so` asks for when it is loaded.
pub(super) const WHEELS: &[Wheel] = &[
    Wheel {
        project: "torch",
        version: TORCH_VERSION,
        platform: "manylinux_2_28",
        sha256_x86_64: "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
        sha256_aarch64: "d91aac77f24082809d2c5a93f52a5f085032740a1ebc9252a7b052ef5a4fddc6",
    },
    Wheel {
        project: "nvidia-cuda-runtime",
        version: "13.0.96",
        platform: "manylinux2014",
        sha256_x86_64: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
        sha256_aarch64: "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
    },
    Wheel {
        project: "nvidia-cuda-cupti",
        version: "13.0.85",
        platform: "manylinux_2_25",
        sha256_x86_64: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        sha256_aarch64: "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151",
    },
];

/// The Python that the torch wheel is for. Any would do, its libraries are the same: this one's hash is pinned.
const PYTHON: &str = "3.11";
/// Starts of the names of torch's libraries without CUDA; the later ones exist on aarch64 only.
const TORCH_LIBRARIES: &[&str] =
    &["libtorch_cpu.so", "libc10.so", "libgomp", "libarm_compute", "libnvpl_", "libgfortran"];
/// What the small wheels are fetched for.
const CUDA_LIBRARIES: &[&str] = &["libcudart.so.13", "libcupti.so.13"];

impl Wheel {
    /// How the names of its files start.
    pub(super) fn file_start(&self) -> String {
        format!("{}-{}-", self.project.replace('-', "_"), self.version)
    }

    fn sha256(&self, arch: Arch) -> &'static str {
        match arch {
            Arch::X86_64 => self.sha256_x86_64,
            Arch::Aarch64 => self.sha256_aarch64,
        }
    }
}

/// A requirements file that pins the wheels by hash: pip refuses any other content.
pub(super) fn requirements(arch: Arch) -> String {
    let line = |wheel: &Wheel| format!("{}=={} --hash=sha256:{}\n", wheel.project, wheel.version, wheel.sha256(arch));
    WHEELS.iter().map(line).collect()
}

/// What `python3` is asked to download the wheels of a requirements file into a folder.
pub(super) fn pip_arguments(arch: Arch, requirements: &Path, folder: &Path) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["download", "--no-deps", "--only-binary=:all:", "--require-hashes"].map(str::to_owned).to_vec();
    // Half a gigabyte that is needed once does not belong into pip's cache.
    arguments.push("--no-cache-dir".to_owned());
    arguments.extend(["--python-version".to_owned(), PYTHON.to_owned()]);
    for wheel in WHEELS {
        arguments.extend(["--platform".to_owned(), format!("{}_{}", wheel.platform, arch.name())]);
    }
    arguments.extend(["--requirement".to_owned(), requirements.display().to_string()]);
    arguments.extend(["--dest".to_owned(), folder.display().to_string()]);
    arguments
}

/// Where a wheel's member belongs in the libtorch folder; none for what is not needed.
pub(super) fn place(member: &Path) -> Option<PathBuf> {
    let name = member.file_name()?.to_str()?;
    let lib = || Some(Path::new("lib").join(name));
    if let Some(project) = licence_of(member) {
        return Some(Path::new("licences").join(project).join(name));
    }
    if let Ok(rest) = member.strip_prefix("torch") {
        let mut parts = rest.components();
        return match parts.next()? {
            Component::Normal(folder) if folder == "include" => Some(rest.to_path_buf()),
            Component::Normal(folder) if folder == "lib" && parts.count() == 1 => {
                TORCH_LIBRARIES.iter().any(|start| name.starts_with(start)).then(lib)?
            }
            _ => None,
        };
    }
    CUDA_LIBRARIES.contains(&name).then(lib)?
}

/// The project that a file with a licence belongs to: `torch` of `torch-2.11.0.dist-info/licenses/LICENSE`.
fn licence_of(member: &Path) -> Option<&str> {
    let about = member.parent()?.parent()?.to_str()?.strip_suffix(".dist-info")?;
    let in_folder = member.parent()?.file_name()? == "licenses";
    about.split('-').next().filter(|_| in_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_architecture_has_its_pinned_wheels() {
        for (arch, hash) in [(Arch::X86_64, "7aa2f9bb"), (Arch::Aarch64, "d91aac77")] {
            let text = requirements(arch);
            assert_eq!(text.lines().count(), 3);
            assert!(text.starts_with(&format!("torch=={TORCH_VERSION} --hash=sha256:{hash}")), "{text}");
            assert!(text.contains("\nnvidia-cuda-cupti==13.0.85 --hash=sha256:"));
            for line in text.lines() {
                assert_eq!(line.rsplit(':').next().unwrap().len(), 64, "{line}");
            }
        }
        assert_ne!(requirements(Arch::X86_64), requirements(Arch::Aarch64));
    }

    #[test]
    fn pip_is_asked_for_the_architecture_not_for_this_machine() {
        let arguments = pip_arguments(Arch::Aarch64, Path::new("/r.txt"), Path::new("/wheels")).join(" ");
        for platform in ["manylinux_2_28_aarch64", "manylinux2014_aarch64", "manylinux_2_25_aarch64"] {
            assert!(arguments.contains(&format!("--platform {platform}")), "{arguments}");
        }
        assert!(arguments.ends_with("--requirement /r.txt --dest /wheels"));
        assert!(!arguments.contains("://"), "the user's own index is used: {arguments}");
    }

    #[test]
    fn wheel_files_are_known_by_name_and_version() {
        let starts: Vec<_> = WHEELS.iter().map(Wheel::file_start).collect();
        assert_eq!(starts, ["torch-2.11.0-", "nvidia_cuda_runtime-13.0.96-", "nvidia_cuda_cupti-13.0.85-"]);
    }

    #[test]
    fn only_what_a_cpu_needs_is_kept() {
        let place = |member| place(Path::new(member)).map(|path| path.display().to_string());
        for (member, expected) in [
            ("torch/include/torch/script.h", "include/torch/script.h"),
            ("torch/lib/libtorch_cpu.so", "lib/libtorch_cpu.so"),
            ("torch/lib/libc10.so", "lib/libc10.so"),
            ("torch/lib/libgomp-947d5fa1.so.1", "lib/libgomp-947d5fa1.so.1"),
            ("torch/lib/libarm_compute_graph.so", "lib/libarm_compute_graph.so"),
            ("torch/lib/libnvpl_lapack_core.so.0", "lib/libnvpl_lapack_core.so.0"),
            ("torch/lib/libgfortran.so.5", "lib/libgfortran.so.5"),
            ("nvidia/cu13/lib/libcudart.so.13", "lib/libcudart.so.13"),
            ("nvidia/cu13/lib/libcupti.so.13", "lib/libcupti.so.13"),
            ("torch-2.11.0.dist-info/licenses/NOTICE", "licences/torch/NOTICE"),
            ("nvidia_cuda_cupti-13.0.85.dist-info/licenses/License.txt", "licences/nvidia_cuda_cupti/License.txt"),
        ] {
            assert_eq!(place(member).as_deref(), Some(expected), "{member}");
        }
        for member in [
            "torch/lib/libc10_cuda.so",
            "torch/lib/libtorch.so",
            "torch/lib/libtorch_cuda.so",
            "torch/lib/libtorch_python.so",
            "torch/lib/libshm/libshm.h",
            "torch/nn/functional.py",
            "torch-2.11.0.dist-info/METADATA",
            "nvidia/cu13/lib/libnvperf_host.so",
            "nvidia/cu13/include/cuda_runtime.h",
        ] {
            assert_eq!(place(member), None, "{member}");
        }
    }
}
