//! Which libtorch to use, decided from what was found on the machine.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::TORCH_VERSION;

/// A folder that may hold a libtorch, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The folder with `include/` and `lib/`.
    pub folder: PathBuf,
    /// Its version as it says itself, such as `2.11.0+cu130`; none when it does not say.
    pub version: Option<String>,
    /// Whether `lib/libtorch_cpu.so` and `include/` are there.
    pub complete: bool,
    /// Whether `lib/libtorch_cuda.so` is there.
    pub cuda: bool,
}

/// Everything the decision rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The user's `LIBTORCH`.
    pub user: Option<Candidate>,
    /// The device file of an NVIDIA GPU.
    pub gpu: Option<PathBuf>,
    /// Libtorches that belong to the machine, the preferred first.
    pub machine: Vec<Candidate>,
    /// Where the CPU-only libtorch in the user's cache is, or would be.
    pub cpu: PathBuf,
}

/// Whose libtorch was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The one that `LIBTORCH` names.
    User,
    /// The machine's own, with CUDA.
    Machine,
    /// The CPU-only one in the user's cache, which may have to be made first.
    Cpu,
}

/// The decision and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Whose it is.
    pub kind: Kind,
    /// The folder with `include/` and `lib/`.
    pub folder: PathBuf,
    /// Why this one, in words that follow "because".
    pub reason: String,
}

/// Chooses: the user's word first, then a CUDA libtorch where there is a GPU, then the CPU-only one.
///
/// # Errors
/// When `LIBTORCH` names something that cannot be built against.
pub fn choose(found: &Found) -> Result<Choice> {
    if let Some(user) = &found.user {
        check_user(user)?;
        return Ok(Choice { kind: Kind::User, folder: user.folder.clone(), reason: "LIBTORCH names it".to_owned() });
    }
    let Some(gpu) = &found.gpu else {
        return Ok(cpu(&found.cpu, "there is no NVIDIA device".to_owned()));
    };
    let fits = |candidate: &&Candidate| candidate.complete && candidate.cuda && is_ours(candidate.version.as_deref());
    match found.machine.iter().find(fits) {
        Some(machine) => Ok(Choice {
            kind: Kind::Machine,
            folder: machine.folder.clone(),
            reason: format!("it has CUDA and there is {}", gpu.display()),
        }),
        None => Ok(cpu(
            &found.cpu,
            format!(
                "there is {} but no torch {TORCH_VERSION} with CUDA; set LIBTORCH to use one from elsewhere",
                gpu.display()
            ),
        )),
    }
}

fn cpu(folder: &Path, reason: String) -> Choice {
    Choice { kind: Kind::Cpu, folder: folder.to_path_buf(), reason }
}

fn check_user(user: &Candidate) -> Result<()> {
    let folder = user.folder.display();
    if !user.complete {
        bail!(
            "LIBTORCH is {folder}, which has no include/ and lib/libtorch_cpu.so: set it to a libtorch \
             {TORCH_VERSION} folder, or unset it"
        );
    }
    match user.version.as_deref() {
        // One that does not say is the user's own risk.
        None => Ok(()),
        version if is_ours(version) => Ok(()),
        Some(other) => bail!(
            "LIBTORCH is {folder}, which is torch {other}: this project needs {TORCH_VERSION}. Set LIBTORCH to that \
             version, or unset it"
        ),
    }
}

/// `2.11.0` and `2.11.0+cu130`, but neither `2.11.0a0` nor nothing.
fn is_ours(version: Option<&str>) -> bool {
    version.is_some_and(|version| version.split('+').next() == Some(TORCH_VERSION))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(folder: &str, version: Option<&str>, cuda: bool) -> Candidate {
        Candidate { folder: folder.into(), version: version.map(str::to_owned), complete: true, cuda }
    }

    fn found(user: Option<Candidate>, gpu: bool, machine: Vec<Candidate>) -> Found {
        Found { user, gpu: gpu.then(|| "/dev/nvidia0".into()), machine, cpu: "/cache/cpu".into() }
    }

    fn chosen(found: &Found) -> (Kind, String) {
        let choice = choose(found).unwrap();
        (choice.kind, choice.folder.display().to_string())
    }

    #[test]
    fn the_users_word_comes_first() {
        let machine = vec![candidate("/opt/libtorch", Some("2.11.0+cu130"), true)];
        for version in [None, Some("2.11.0"), Some("2.11.0+cpu")] {
            let found = found(Some(candidate("/mine", version, false)), true, machine.clone());
            assert_eq!(chosen(&found), (Kind::User, "/mine".to_owned()));
        }
    }

    #[test]
    fn a_user_folder_that_cannot_work_is_refused() {
        let other = found(Some(candidate("/mine", Some("2.10.1"), false)), false, vec![]);
        assert!(choose(&other).unwrap_err().to_string().contains("is torch 2.10.1: this project needs 2.11.0"));
        let empty = Candidate { complete: false, ..candidate("/mine", None, false) };
        let error = choose(&found(Some(empty), false, vec![])).unwrap_err().to_string();
        assert!(error.starts_with("LIBTORCH is /mine, which has no include/"), "{error}");
    }

    #[test]
    fn a_gpu_gets_the_first_cuda_libtorch_of_the_right_version() {
        let machine = vec![
            candidate("/without-cuda", Some("2.11.0"), false),
            candidate("/older", Some("2.9.0+cu130"), true),
            candidate("/preview", Some("2.11.0a0+git1"), true),
            candidate("/unknown", None, true),
            Candidate { complete: false, ..candidate("/half", Some("2.11.0"), true) },
            candidate("/right", Some("2.11.0+cu130"), true),
            candidate("/second", Some("2.11.0"), true),
        ];
        assert_eq!(chosen(&found(None, true, machine.clone())), (Kind::Machine, "/right".to_owned()));
        assert_eq!(chosen(&found(None, false, machine)), (Kind::Cpu, "/cache/cpu".to_owned()));
    }

    #[test]
    fn a_gpu_without_a_libtorch_is_told_so() {
        let choice = choose(&found(None, true, vec![])).unwrap();
        assert_eq!(choice.kind, Kind::Cpu);
        assert!(choice.reason.starts_with("there is /dev/nvidia0 but no torch 2.11.0 with CUDA"));
    }
}
