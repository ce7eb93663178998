//! The first rung: a folder with configuration, pipelines and models, and the environment to run on it.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::daemon::Daemon;
use crate::folder::Folder;
use crate::gate::Gate;
use crate::modules;
use crate::terminal::Terminal;

/// What a daemon is to run on. Pipelines lie in `pipelines/`, models in `models/`; `noop` is always there.
#[derive(Debug)]
pub struct Builder {
    folder: Folder,
    settings: BTreeMap<String, String>,
    config: Option<String>,
    cameras: String,
    environment: BTreeMap<String, String>,
    wrapper: Option<String>,
    passed: Option<OwnedFd>,
}

impl Default for Builder {
    fn default() -> Self {
        let builder = Builder {
            folder: Folder::new(),
            settings: BTreeMap::new(),
            config: None,
            cameras: String::new(),
            environment: BTreeMap::from([("FORGESYTED_LISTEN".to_owned(), "127.0.0.1:0".to_owned())]),
            wrapper: None,
            passed: None,
        };
        builder
            .setting("pipelines.dirs", r#"["pipelines"]"#)
            .setting("pipelines.model_dirs", r#"["models"]"#)
            .setting("engine.device", r#""cpu""#)
            .setting("engine.workers", "1")
            // A test's clients answer pings only while they read.
            .setting("server.ping_interval_s", 3600)
            .pipeline("noop", "[[node]]\nid = \"noop\"\nkind = \"noop\"\n")
    }
}

impl Builder {
    /// Sets one key of the configuration; the value is TOML.
    #[must_use]
    pub fn setting(mut self, key: &str, toml: impl ToString) -> Self {
        self.settings.insert(key.to_owned(), toml.to_string());
        self
    }

    /// The whole configuration as text, in place of the settings.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// A camera: its name, its device as text, and further lines of its table.
    #[must_use]
    pub fn camera(mut self, name: &str, device: &str, more: &str) -> Self {
        self.cameras.push_str(&camera_table(name, device, more));
        self
    }

    /// A camera that loops these frames from the folder `NAME/` at 50 a second.
    #[must_use]
    pub fn replay(self, name: &str, frames: &[Vec<u8>], more: &str) -> Self {
        let with_files = frames
            .iter()
            .enumerate()
            .fold(self, |builder, (at, frame)| builder.file(&format!("{name}/{at:03}.jpg"), frame));
        with_files.camera(name, &format!("replay:{name}"), &format!("fps = 50\n{more}"))
    }

    /// An environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.insert(name.to_owned(), value.to_string());
        self
    }

    /// Runs the daemon as `sh -c` would run this line, in which `"$@"` stands for it.
    #[must_use]
    pub fn wrapped(mut self, line: &str) -> Self {
        self.wrapper = Some(line.to_owned());
        self
    }

    /// Passes a socket as a service manager does (sd_listen_fds(3)), `count` times.
    #[must_use]
    pub fn pass(mut self, socket: impl Into<OwnedFd>, count: usize) -> Self {
        self.passed = Some(socket.into());
        let places: String = (3..3 + count).map(|place| format!(" {place}<&0")).collect();
        self.wrapped(&format!("exec{places} </dev/null; LISTEN_FDS={count} LISTEN_PID=$$ exec \"$@\""))
    }

    /// Runs it by this line in a terminal of its own, which is standard input and which the line makes the controlling terminal
    /// (`setsid --ctty`).
    #[must_use]
    pub fn in_terminal(mut self, line: &str) -> (Self, Terminal) {
        let (terminal, programs) = Terminal::open();
        self.passed = Some(programs);
        (self.wrapped(line), terminal)
    }

    /// Leaves out an environment variable that is set otherwise.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// A pipeline: its id, and its nodes as TOML.
    #[must_use]
    pub fn pipeline(self, id: &str, nodes: &str) -> Self {
        let text = format!("id = \"{id}\"\n{nodes}");
        self.file(&format!("pipelines/{id}.toml"), text)
    }

    /// A pipeline of one `measure` node, named after it, that runs this TorchScript.
    #[must_use]
    pub fn measure(self, id: &str, source: &str) -> Self {
        self.model(id, source).pipeline(id, &measure_node(id, ""))
    }

    /// The pipeline `held`, whose frames stop at a gate.
    #[must_use]
    pub fn held(self) -> (Self, Gate) {
        self.held_as("held")
    }

    /// A pipeline of this id whose frames stop at a gate.
    #[must_use]
    pub fn held_as(self, id: &str) -> (Self, Gate) {
        let gate = Gate::new(&self.folder.path().join(format!("{id}.gate")));
        (self.measure(id, &gate.source()), gate)
    }

    /// A model in `models/`, made of TorchScript.
    #[must_use]
    pub fn model(self, name: &str, source: &str) -> Self {
        self.file(&format!("models/{name}.pt"), modules::archive(name, source))
    }

    /// Any file of the folder.
    #[must_use]
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.folder.write(name, content);
        self
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the daemon and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready.
    pub fn start(self) -> Daemon {
        let daemon = self.spawn();
        daemon.wait_ready();
        daemon
    }

    /// Starts the daemon and waits for nothing.
    ///
    /// # Panics
    /// When the binary cannot be run.
    pub fn spawn(self) -> Daemon {
        let child = self.command("serve").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        Daemon::new(self.folder, child)
    }

    /// Runs a command of the binary on the folder, to its end.
    ///
    /// # Panics
    /// When the binary cannot be run.
    pub fn run(&self, command: &str) -> Output {
        self.command(command).output().unwrap()
    }

    /// A command of the binary on the folder, with further words; to be run.
    #[must_use]
    pub fn words(&self, command: &str, words: &[&str]) -> Command {
        let mut run = self.command(command);
        run.args(words).current_dir(self.folder.path());
        run
    }

    fn command(&self, command: &str) -> Command {
        let config = self.folder.write("forgesyted.toml", self.config_text());
        let mut run = match &self.wrapper {
            None => Command::new(binary(command)),
            Some(line) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", line, "sh"]).arg(binary(command));
                shell
            }
        };
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let ours = ["FORGESYTED_", "STREAM_", "LISTEN_", "NOTIFY_", "WATCHDOG_", "JOURNAL_"];
            let openmp = ["OMP_", "GOMP_", "KMP_"];
            if ours.iter().chain(&openmp).any(|prefix| text.starts_with(prefix)) {
                run.env_remove(name);
            }
        }
        run.arg(command).arg("--config").arg(config).envs(&self.environment);
        let passed = self.passed.as_ref().map(|socket| socket.try_clone().unwrap());
        run.stdin(passed.map_or_else(Stdio::null, Stdio::from));
        run
    }

    fn config_text(&self) -> String {
        if let Some(text) = &self.config {
            return text.clone();
        }
        let mut tables: BTreeMap<&str, String> = BTreeMap::new();
        for (key, value) in &self.settings {
            let (table, name) = key.split_once('.').expect("a key is table.name");
            tables.entry(table).or_default().push_str(&format!("{name} = {value}\n"));
        }
        let tables: String = tables.iter().map(|(table, entries)| format!("[{table}]\n{entries}\n")).collect();
        tables + &self.cameras
    }
}

/// A `[[camera]]` table.
pub fn camera_table(name: &str, device: &str, more: &str) -> String {
    format!("[[camera]]\nname = \"{name}\"\ndevice = \"{device}\"\n{more}\n")
}

/// A `[[node]]` table of kind `measure`; `more` are further lines of it.
pub fn measure_node(model: &str, more: &str) -> String {
    format!("[[node]]\nid = \"{model}\"\nkind = \"measure\"\nmodel = \"{model}.pt\"\n{more}\n")
}

/// The program that runs a command: what `FORGESYTED_TEST_BIN` names, or what cargo built beside this test. That is the engine program
/// itself for its own commands: that the front becomes it is tested in `front/`.
///
/// # Panics
/// When it is not there.
pub fn binary(command: &str) -> PathBuf {
    if let Some(named) = std::env::var_os("FORGESYTED_TEST_BIN") {
        return named.into();
    }
    let test = std::env::current_exe().unwrap();
    let profile =
        test.ancestors().find(|folder| folder.join("deps").is_dir()).expect("a test runs in target/<profile>");
    let engine = ["serve", "check", "run", "bench", "inspect"].contains(&command);
    let binary = profile.join(if engine { "forgesyted-engine" } else { "forgesyted" });
    assert!(
        binary.is_file(),
        "{} is not built; `cargo xtask test` builds it, or `cargo build --workspace --bins`",
        binary.display()
    );
    binary
}
