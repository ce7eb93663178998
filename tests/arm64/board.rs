//! The Debian in which the packages are installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use forgesyted_tests::Daemon;
use forgesyted_tests::folder::Folder;
use xtask::arm64::{ROOT_VARIABLE, command};

/// The network is the host's, where others may have the daemon's own port.
const LISTEN: (&str, &str) = ("FORGESYTED_LISTEN", "127.0.0.1:0");

/// Its root folder.
pub struct Board(PathBuf);

impl Board {
    /// The one that xtask has made.
    pub fn installed() -> Board {
        let root = std::env::var_os(ROOT_VARIABLE);
        Board(
            root.map(PathBuf::from).unwrap_or_else(|| panic!("{ROOT_VARIABLE} is not set: run cargo xtask test-arm64")),
        )
    }

    /// A file of it, as seen from outside.
    pub fn file(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Runs a command in it as the service's user, to its end.
    pub fn run(&self, line: &[&str]) -> Output {
        self.command(line).output().unwrap()
    }

    /// Starts the daemon in it, as the service's user, with the configuration that was installed and this shipped pipeline alone:
    /// an emulated processor warms up all of them in half a minute.
    pub fn serve(&self, pipeline: &str) -> Daemon {
        let folder = format!("/tmp/{pipeline}-alone");
        let file = format!("{pipeline}.toml");
        fs::create_dir_all(self.file(&folder)).unwrap();
        let shipped = Path::new("/usr/share/forgesyted/pipelines").join(&file);
        fs::copy(self.file(shipped), self.file(&folder).join(&file)).unwrap();
        let mut serve = self.command(&["forgesyted", "serve"]);
        serve.env("FORGESYTED_PIPELINE_DIRS", folder);
        Daemon::new(Folder::new(), serve.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = command(&self.0, Some("forgesyted"));
        command.args(line).env(LISTEN.0, LISTEN.1);
        command
    }
}

/// What a command wrote, for messages.
pub fn words(output: &Output) -> String {
    format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
