//! From the front to the engine program. The front links no libtorch, so it starts on any machine and can say what is wrong; the
//! engine program beside it links one and runs the models.
//!
//! Lives here: which libtorch there is and which one is taken (`libtorch`), whether the dynamic loader would accept it
//! (`trial`), asking a program for a limited time (`child`), signals that come early (`signals`), how libtorch's threads are to wait
//! (`waiting`), starting the engine program with it, and what that one then says of itself (`report`). Does not
//! live here: the commands that do so (`command_line`, and the front), how libtorch is used, or CUDA, which the engine program looks for
//! itself.

pub mod child;
pub mod libtorch;
pub mod report;
pub mod signals;
mod trial;
mod version;
pub mod waiting;

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

use crate::config::home_advice;
use libtorch::Libtorch;
use trial::Trial;

/// The version of libtorch that the engine program is built for.
pub const TORCH_VERSION: &str = env!("FORGESYTED_TORCH_VERSION");
/// Beside the front: the engine program's folder, which has the shape of a libtorch folder too.
const INSTALLED: &str = "../lib/forgesyted";
/// The engine program in it.
const PROGRAM: &str = "bin/forgesyted";
/// The engine program as cargo names it, beside a front that cargo built; and the libtorch of the checkout, seen from both.
const BUILT: (&str, &str) = ("forgesyted-engine", "../libtorch");
/// Where the dynamic loader looks before the program's own run path.
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// The engine program, and the libtorch that it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// The program.
    pub program: PathBuf,
    /// Its libtorch.
    pub libtorch: Libtorch,
    /// What it gets as `LD_LIBRARY_PATH`; `None` leaves that as it is.
    library_path: Option<OsString>,
}

/// Why the engine program cannot be started. One sentence, and what to do.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The program itself is not there.
    #[error(
        "the engine program {} cannot be started: {error}. The installation is not whole: install the package forgesyted again \
         (`apt install --reinstall ./forgesyted_*.deb`).", program.display()
    )]
    NoEngine {
        /// Where it should be.
        program: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The machine cannot start or try the program at present.
    #[error(
        "the engine program {} cannot be started at present: {reason}. This may pass by itself and is tried again; where it stays, \
         free memory, or raise the unit's MemoryMax=, TasksMax= or LimitNOFILE=.", program.display()
    )]
    Busy {
        /// The program.
        program: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// There is no libtorch in the installation, and no other one is named.
    #[error(
        "there is no libtorch in {}. `apt install ./forgesyted-libtorch_*.deb` brings one for the CPU; to use one of this machine, \
         such as NVIDIA's with CUDA, set engine.libtorch or FORGESYTED_LIBTORCH to its folder.", folder.display()
    )]
    NotInstalled {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The folder that the configuration names is no libtorch.
    #[error(
        "engine.libtorch is {}, which has no lib/libtorch_cpu.so: set it to the folder of a libtorch {TORCH_VERSION} (for Python's, \
         that is site-packages/torch), or remove it to use the package forgesyted-libtorch{}.", folder.display(), home_advice(folder)
    )]
    NoLibtorch {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder that the configuration names is kept from this user.
    #[error(
        "engine.libtorch is {}, which may not be looked into: Permission denied. The service sees no home folders, nor links into \
         them: install it below /opt. Elsewhere, let the user forgesyted read it and enter the folders above it.", folder.display()
    )]
    Hidden {
        /// The folder.
        folder: PathBuf,
    },
    /// It is another version.
    #[error(
        "the libtorch in {} is version {found}, and this forgesyted needs {TORCH_VERSION}: {}.", folder.display(), advice(*.configured)
    )]
    OtherVersion {
        /// The folder.
        folder: PathBuf,
        /// The version that it states.
        found: String,
        /// Whether the configuration names the folder.
        configured: bool,
    },
    /// The dynamic loader would not load it.
    #[error("the libtorch in {} cannot be loaded: {reason}. To repair it, {}.", folder.display(), advice(*.configured))]
    Unloadable {
        /// The folder.
        folder: PathBuf,
        /// What the loader misses.
        reason: String,
        /// Whether the configuration names the folder.
        configured: bool,
    },
}

impl Refusal {
    /// Whether it may help to try again.
    pub fn may_pass(&self) -> bool {
        matches!(self, Refusal::Busy { .. })
    }

    /// The program could not be started.
    fn start(program: PathBuf, error: io::Error) -> Refusal {
        const SHORTAGES: [i32; 5] = [libc::EAGAIN, libc::ENOMEM, libc::EMFILE, libc::ENFILE, libc::ETXTBSY];
        let shortage = error.raw_os_error().is_some_and(|number| SHORTAGES.contains(&number));
        if shortage || error.kind() == io::ErrorKind::TimedOut {
            return Refusal::Busy { program, reason: error.to_string() };
        }
        Refusal::NoEngine { program, error }
    }
}

/// What helps against a libtorch that does not fit.
fn advice(configured: bool) -> &'static str {
    if configured {
        "set engine.libtorch or FORGESYTED_LIBTORCH to one that fits, or remove it to use the package forgesyted-libtorch"
    } else {
        "install the packages forgesyted and forgesyted-libtorch of the same release (`apt install --reinstall \
         ./forgesyted_*.deb ./forgesyted-libtorch_*.deb`), or set engine.libtorch to a libtorch that fits"
    }
}

/// The engine program of the installation that the front at `front` belongs to, with the libtorch that the configuration names
/// or else the installation's own. Everything is checked that can be without starting it.
///
/// # Errors
/// [`Refusal`].
pub fn find(front: &Path, configured: Option<&Path>) -> Result<Engine, Refusal> {
    let (program, installed) = place(front);
    if let Err(error) = program.metadata() {
        return Err(Refusal::NoEngine { program, error });
    }
    let folder = configured.unwrap_or(&installed);
    let Some(libtorch) = Libtorch::inspect(folder) else {
        let folder = folder.to_owned();
        return Err(match configured {
            Some(_) if Libtorch::is_hidden(&folder) => Refusal::Hidden { folder },
            Some(_) => Refusal::NoLibtorch { folder },
            None => Refusal::NotInstalled { folder },
        });
    };
    let is_configured = configured.is_some();
    // One that states no version is tried all the same: the trial finds what does not fit.
    if let Some(found) = libtorch.version.as_deref().filter(|found| !libtorch::fits(found, TORCH_VERSION)) {
        let (folder, found) = (libtorch.folder.clone(), found.to_owned());
        return Err(Refusal::OtherVersion { folder, found, configured: is_configured });
    }
    // An installed program knows its own libtorch; a release that cargo built knows none.
    let is_told = is_configured || !program.ends_with(PROGRAM);
    let library_path =
        is_told.then(|| libtorch::library_path(&libtorch.library_folders(), std::env::var_os(LIBRARY_PATH)));
    let engine = Engine { program, libtorch, library_path };
    match trial::run(&mut engine.command()) {
        Ok(Trial::Loads) => Ok(engine),
        Ok(Trial::Misses(reason)) => {
            Err(Refusal::Unloadable { folder: engine.libtorch.folder, reason, configured: is_configured })
        }
        Ok(Trial::Broken(reason)) => Err(Refusal::Busy { program: engine.program, reason }),
        Err(error) => Err(Refusal::start(engine.program, error)),
    }
}

/// The engine program for a front at `front`, and the folder of its own libtorch.
fn place(front: &Path) -> (PathBuf, PathBuf) {
    let bin = front.parent().unwrap_or(Path::new("/usr/bin"));
    let (built, libtorch) = (bin.join(BUILT.0), bin.join(BUILT.1));
    let installed = installed(bin);
    let program = installed.join(PROGRAM);
    if !program.exists() && built.exists() { (built, libtorch) } else { (program, installed) }
}

/// The folder of the engine program, for a front in the folder `bin`.
fn installed(bin: &Path) -> PathBuf {
    // Without the `..`, for messages; a front lies in no folder that is a link, since its own links are resolved.
    match (INSTALLED.strip_prefix("../"), bin.parent()) {
        (Some(rest), Some(prefix)) => prefix.join(rest),
        _ => bin.join(INSTALLED),
    }
}

impl Engine {
    /// The engine program with its libtorch and a waiting policy, and no arguments yet.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(path) = &self.library_path {
            command.env(LIBRARY_PATH, path);
        }
        if let Some((name, value)) = waiting::policy(|name| std::env::var_os(name)) {
            command.env(name, value);
        }
        command
    }

    /// Becomes the engine program: same process, same arguments, same name. Returns only when that fails.
    pub fn become_it(&self, mut arguments: impl Iterator<Item = OsString>) -> Refusal {
        let name = arguments.next().unwrap_or_else(|| "forgesyted".into());
        let error = self.command().arg0(name).args(arguments).exec();
        Refusal::start(self.program.clone(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortages_may_pass_and_faults_do_not() {
        for (number, expected) in [
            (libc::EAGAIN, true),
            (libc::ENOMEM, true),
            (libc::EMFILE, true),
            (libc::ENOENT, false),
            (libc::EACCES, false),
            (libc::ENOEXEC, false),
        ] {
            let refusal = Refusal::start("/p".into(), io::Error::from_raw_os_error(number));
            assert_eq!(refusal.may_pass(), expected, "{refusal}");
        }
        assert!(Refusal::start("/p".into(), io::ErrorKind::TimedOut.into()).may_pass());
    }

    #[test]
    fn a_home_is_named_as_what_the_service_does_not_see() {
        let said = |folder: &str| Refusal::NoLibtorch { folder: folder.into() }.to_string();
        assert!(
            said("/home/u/torch")
                .ends_with("forgesyted-libtorch. The service sees no home folders: put it below /opt.")
        );
        assert!(said("/opt/torch").ends_with("forgesyted-libtorch."));
    }

    #[test]
    fn cargos_engine_is_taken_where_nothing_is_installed() {
        let root = std::env::temp_dir().join(format!("forgesyted-place-{}", std::process::id()));
        let (front, built) = (root.join("debug/forgesyted"), root.join("debug/forgesyted-engine"));
        let installed = root.join("lib/forgesyted/bin/forgesyted");
        for file in [&built, &installed] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        assert_eq!(place(&front).0, installed);
        std::fs::remove_file(&installed).unwrap();
        assert_eq!(place(&front), (built, root.join("debug/../libtorch")));
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_engine_lies_beside_the_front() {
        for (front, expected) in [
            ("/usr/bin/forgesyted", "/usr/lib/forgesyted"),
            ("/opt/f/bin/forgesyted", "/opt/f/lib/forgesyted"),
            ("/forgesyted", "/../lib/forgesyted"),
        ] {
            assert_eq!(place(Path::new(front)).1, Path::new(expected), "{front}");
        }
    }
}
