//! A prefix as the packages fill it: `bin/forgesyted` is the front, `lib/forgesyted` has the engine program and a libtorch.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use forgesyted_tests::folder::Folder;
use forgesyted_tests::{Daemon, sources};
use rustix::process::geteuid;
use serde_json::Value;

/// The prefix, and the environment that its programs get.
#[derive(Debug)]
pub struct Installation {
    pub folder: Folder,
    environment: Vec<(String, String)>,
}

/// The tree whose programs and libtorch are used; `None` outside `cargo xtask test`.
fn built() -> Option<PathBuf> {
    let found = std::env::var_os("FORGESYTED_TEST_DIST").map(PathBuf::from);
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "FORGESYTED_TEST_DIST is not set; run cargo xtask test");
        println!("skipped: cargo xtask test lays out the tree");
    }
    found
}

/// The path of the front.
pub fn front() -> Option<PathBuf> {
    built().map(|tree| tree.join("bin/forgesyted"))
}

impl Installation {
    /// Everything but a libtorch.
    pub fn without_libtorch() -> Option<Installation> {
        let tree = built()?;
        let folder = Folder::new();
        let place = |from: &Path, to: &str| {
            let to = folder.path().join(to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            // A program knows its place by its own file, so it must not be a symbolic link.
            if fs::hard_link(from, &to).is_err() {
                fs::copy(from, &to).unwrap();
            }
        };
        for program in ["bin/forgesyted", "lib/forgesyted/bin/forgesyted"] {
            place(&tree.join(program), program);
        }
        for kind in ["pipelines", "models"] {
            for entry in fs::read_dir(tree.join("share/forgesyted").join(kind)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let file = format!("share/forgesyted/{kind}/{name}");
                place(&tree.join(&file), &file);
            }
        }
        folder
            .write("forgesyted.toml", "[server]\nlisten = \"127.0.0.1:0\"\n[engine]\ndevice = \"cpu\"\nworkers = 1\n");
        Some(Installation { folder, environment: Vec::new() })
    }

    /// As the two packages make it.
    pub fn whole() -> Option<Installation> {
        let installation = Self::without_libtorch()?;
        installation.libtorch("lib/forgesyted", "2.11.0\n", |_| true);
        Some(installation)
    }

    /// A libtorch folder of those libraries whose name fits.
    pub fn libtorch(&self, place: &str, version: &str, wanted: impl Fn(&str) -> bool) -> PathBuf {
        let folder = self.folder.path().join(place);
        let tree = built().unwrap();
        fs::create_dir_all(folder.join("lib")).unwrap();
        for entry in fs::read_dir(tree.join("lib/forgesyted/lib")).unwrap() {
            let entry = entry.unwrap();
            if wanted(&entry.file_name().into_string().unwrap()) {
                symlink(entry.path(), folder.join("lib").join(entry.file_name())).unwrap();
            }
        }
        fs::write(folder.join("build-version"), version).unwrap();
        folder
    }

    /// Sets a variable for the programs.
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// Replaces the configuration.
    pub fn config(self, text: &str) -> Self {
        self.folder.write("forgesyted.toml", text);
        self
    }

    /// The front, to be started.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.folder.path().join("bin/forgesyted"));
        command.args(words).arg("--config").arg(self.folder.path().join("forgesyted.toml"));
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).current_dir(sources::root());
        command
    }

    /// What comes of `serve` with this configuration for a user whom closed folders keep out: for nobody in root's place.
    pub fn serve_unprivileged(&self, config: &Path) -> Output {
        let front = self.folder.path().join("bin/forgesyted");
        let mut command = Command::new("setpriv");
        if geteuid().is_root() {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        command.arg("--").arg(front).args(["serve", "--config"]).arg(config);
        command.env_clear().env("PATH", "/usr/bin:/bin").envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).current_dir("/").output().unwrap()
    }

    /// Runs a command of the front to its end.
    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// The exit status of a `serve` that fails, and its log.
    pub fn serve_fails(&self) -> (i32, Vec<Value>) {
        let output = self.run(&["serve"]);
        let log = String::from_utf8(output.stderr).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")));
        (output.status.code().unwrap(), lines.collect())
    }

    /// A daemon that was started through the front.
    pub fn serve(self) -> Daemon {
        let child = self.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        Daemon::new(self.folder, child)
    }
}
