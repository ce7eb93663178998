//! From text and variables to a [`Config`]: default, then file, then environment, and every problem at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::camera_read::{self, Source};
use crate::config::found::Found;
use crate::config::injected::is_injected;
use crate::config::origin::Origin;
use crate::config::problem::{ConfigError, Place, Problem, joined, nearest};
use crate::config::schema::Config;
use crate::config::settings::{SETTINGS, Setting};

/// The table of cameras, of which a file may have several.
const CAMERA: &str = "camera";

/// A checked configuration and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The effective values.
    pub config: Config,
    /// The origin of every setting, by key.
    pub origins: BTreeMap<&'static str, Origin>,
    /// The origin of every key of each camera of `config.cameras`, in that order.
    pub camera_origins: Vec<BTreeMap<&'static str, Origin>>,
    /// What is odd but not wrong, one sentence each.
    pub warnings: Vec<String>,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
}

/// The state of one [`load`].
struct Loader<'a> {
    file: &'a Path,
    text: &'a str,
    prefix: Option<&'a Path>,
    config: Config,
    origins: BTreeMap<&'static str, Origin>,
    camera_origins: Vec<BTreeMap<&'static str, Origin>>,
    /// Keys whose value was not allowed.
    refused: Vec<&'static str>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

/// This process's variables that may concern the daemon (`FORGESYTED_*`, `STREAM_*`), for [`load`].
pub fn environment() -> Vec<(String, String)> {
    let text = |part: std::ffi::OsString| part.to_string_lossy().into_owned();
    let mut variables: Vec<_> = std::env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .filter(|(name, _)| name.starts_with("FORGESYTED_") || name.starts_with("STREAM_"))
        .collect();
    // The system gives them in no order; messages should not change from start to start.
    variables.sort();
    variables
}

/// Reads `file` (`None`: no file, defaults) and gives it to [`load`].
///
/// # Errors
/// The file cannot be read, or any problem that [`load`] finds.
pub fn read(
    file: Option<&Path>,
    environment: &[(String, String)],
    prefix: Option<&Path>,
) -> Result<Loaded, ConfigError> {
    let Some(file) = file else {
        return load(None, environment, prefix);
    };
    match std::fs::read_to_string(file) {
        Ok(text) => load(Some((file, &text)), environment, prefix),
        Err(err) => Err(ConfigError {
            problems: vec![Problem {
                place: Place::File(file.to_path_buf()),
                message: format!("cannot read the configuration file: {err}. {}", unreadable(&err, file)),
            }],
        }),
    }
}

/// The configuration that `file` (its path, for messages and relative folders, and its text) and `environment` make
/// for a daemon installed under `prefix`. Reads nothing but its arguments, and looks whether the files of replays exist.
///
/// # Errors
/// Every problem of file and environment together; with a syntax error in the file its keys are not checked.
pub fn load(
    file: Option<(&Path, &str)>,
    environment: &[(String, String)],
    prefix: Option<&Path>,
) -> Result<Loaded, ConfigError> {
    let (path, text) = file.unwrap_or((Path::new(""), ""));
    let mut loader = Loader {
        file: path,
        text,
        prefix,
        config: Config::for_prefix(prefix),
        origins: SETTINGS.iter().map(|s| (s.key, Origin::Default)).collect(),
        camera_origins: Vec::new(),
        refused: Vec::new(),
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    loader.read_file();
    loader.read_environment(environment);
    loader.check_across();
    if !loader.problems.is_empty() {
        return Err(ConfigError { problems: loader.problems });
    }
    Ok(Loaded {
        config: loader.config,
        origins: loader.origins,
        camera_origins: loader.camera_origins,
        warnings: loader.warnings,
        file: file.map(|(path, _)| path.to_path_buf()),
    })
}

impl Loader<'_> {
    fn read_file(&mut self) {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        if !errors.is_empty() {
            for err in errors {
                let line = self.line(err.span().map_or(0, |span| span.start));
                // One message a line: what follows on it is usually the first error's echo.
                let place = self.at(line, None);
                if self.problems.last().is_none_or(|p| p.place != place) {
                    self.problems
                        .push(Problem { place, message: format!("not valid TOML: {}", one_line(err.message())) });
                }
            }
            return;
        }
        let mut tables: Vec<_> = document.get_ref().iter().collect();
        tables.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in tables {
            self.read_table(name, value);
        }
        self.problems.sort_by_key(|p| match &p.place {
            Place::Line { line, .. } => *line,
            _ => 0,
        });
    }

    fn read_table(&mut self, name: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let table = name.get_ref().as_ref();
        let line = self.line(name.span().start);
        if table == CAMERA {
            return self.read_cameras(line, value.get_ref());
        }
        if !table_names().any(|known| known == table) {
            let kind = if holds_keys(value.get_ref()) { "table" } else { "key" };
            let message = match suggestion(table) {
                Some(known) => format!("unknown {kind}; did you mean {known}?"),
                None => format!("unknown {kind}; the tables are {}", joined(table_names().chain([CAMERA]))),
            };
            return self.problem(line, table, message);
        }
        let Some(entries) = value.get_ref().as_table() else {
            let found = Found::Toml(value.get_ref(), Path::new("")).to_string();
            return self.problem(line, table, format!("found {found}; allowed: a table, [{table}]"));
        };
        for (name, value) in entries {
            let key = format!("{table}.{}", name.get_ref());
            let line = self.line(name.span().start);
            self.read_entry(table, &key, line, value.get_ref());
        }
    }

    fn read_entry(&mut self, table: &str, key: &str, line: usize, value: &DeValue<'_>) {
        let Some(setting) = SETTINGS.iter().find(|s| s.key == key) else {
            let message = match suggestion(key) {
                Some(known) => format!("unknown key; did you mean {known}?"),
                None => format!("unknown key; the keys of [{table}] are {}", joined(names_of(table))),
            };
            return self.problem(line, key, message);
        };
        let base = self.file.parent().unwrap_or(Path::new(""));
        let found = Found::Toml(value, base);
        if (setting.set)(&mut self.config, &found).is_some() {
            self.origins.insert(setting.key, Origin::File { line });
        } else {
            self.refused.push(setting.key);
            self.problem(line, key, not_allowed(setting, &found));
        }
    }

    fn read_cameras(&mut self, line: usize, value: &DeValue<'_>) {
        let source = Source {
            line: &|offset| self.line(offset),
            folder: self.file.parent().unwrap_or(Path::new("")),
            prefix: self.prefix,
            exists: &|path| path.exists(),
        };
        let read = camera_read::read(value, line, &source);
        self.config.cameras = read.cameras;
        self.camera_origins = read.origins;
        self.warnings.extend(read.warnings);
        for problem in read.problems {
            self.problem(problem.line, &problem.key, problem.message);
        }
    }

    fn read_environment(&mut self, environment: &[(String, String)]) {
        let mut injected = Vec::new();
        for (name, value) in environment {
            let known = SETTINGS.iter().find_map(|s| Some((s, s.variable.filter(|v| v == name)?)));
            let message = match known {
                Some((setting, variable)) => {
                    let found = Found::Text(value);
                    if (setting.set)(&mut self.config, &found).is_some() {
                        self.origins.insert(setting.key, Origin::Environment(variable));
                        continue;
                    }
                    self.refused.push(setting.key);
                    not_allowed(setting, &found)
                }
                None if name.starts_with("FORGESYTED_TEST_") || name.starts_with("FORGESYTED_BENCH_") => continue,
                None if is_injected(name, value) => {
                    injected.push(name.as_str());
                    continue;
                }
                None if name.starts_with("FORGESYTED_") => format!("unknown variable; {}", meant(name)),
                None if name.starts_with("STREAM_") => {
                    self.warnings.push(format!(
                        "environment variable {name} is no setting of forgesyted and is ignored; {}",
                        meant(name)
                    ));
                    continue;
                }
                None => continue,
            };
            self.problems.push(Problem { place: Place::Variable(name.clone()), message });
        }
        if !injected.is_empty() {
            self.warnings.push(format!(
                "{} describe a service called forgesyted, as Kubernetes and Docker's links do, and are ignored",
                joined(injected.into_iter())
            ));
        }
    }

    /// Rules over several settings, on those that are sound by themselves.
    fn check_across(&mut self) {
        let stream = &self.config.stream;
        let (key, other) = ("stream.slowdown_threshold", "stream.drop_threshold");
        if stream.slowdown_threshold >= stream.drop_threshold || self.refused.iter().any(|k| *k == key || *k == other) {
            return;
        }
        let message = format!(
            "found {} for {key} but {} for {other}; allowed: not below {other}",
            stream.slowdown_threshold, stream.drop_threshold
        );
        // The one that was set last is where the operator looks first.
        let place = match (self.origins.get(key), self.origins.get(other)) {
            (Some(Origin::Environment(variable)), _) | (_, Some(Origin::Environment(variable))) => {
                Place::Variable((*variable).to_owned())
            }
            (Some(Origin::File { line }), _) => self.at(*line, Some(key)),
            (_, Some(Origin::File { line })) => self.at(*line, Some(other)),
            _ => return,
        };
        self.problems.push(Problem { place, message });
    }

    fn problem(&mut self, line: usize, key: &str, message: String) {
        let place = self.at(line, Some(key));
        self.problems.push(Problem { place, message });
    }

    fn at(&self, line: usize, key: Option<&str>) -> Place {
        Place::Line { file: self.file.to_path_buf(), line, key: key.map(str::to_owned) }
    }

    /// The line, counted from 1, of a byte of the file.
    fn line(&self, offset: usize) -> usize {
        let before = self.text.bytes().take(offset);
        before.filter(|byte| *byte == b'\n').count() + 1
    }
}

/// What helps against a file that cannot be read.
fn unreadable(error: &std::io::Error, file: &Path) -> String {
    if let Some(advice) = error.raw_os_error().and_then(advice) {
        return advice.to_owned();
    }
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            "Correct the path after --config, or leave that out to use the defaults".to_owned()
        }
        std::io::ErrorKind::PermissionDenied => match closed_folder(file) {
            Some(folder) => {
                let folder = folder.display();
                format!("Let the service enter {folder}: `chgrp forgesyted {folder}` and `chmod g+x {folder}`")
            }
            None => {
                let file = file.display();
                format!("Let the service read it: `chown root:forgesyted {file}` and `chmod 640 {file}`")
            }
        },
        std::io::ErrorKind::InvalidData => "It is no text in UTF-8: save it as that".to_owned(),
        _ => "Copy the file to another place, and name that one after --config".to_owned(),
    }
}

/// What helps against errors that are told by their number.
fn advice(number: i32) -> Option<&'static str> {
    Some(match number {
        libc::EISDIR => "It is a folder: name the file in it, such as forgesyted.toml",
        libc::ENOTDIR => "A part of the path is a file where a folder should be: correct the path after --config",
        libc::ELOOP => "Its links lead in a circle: `namei -l` with the path shows them; make one lead to the file",
        libc::ENAMETOOLONG => "The path is too long for a file's name: correct the path after --config",
        libc::EMFILE | libc::ENFILE => "Too many files are open: raise LimitNOFILE=, or end other programs",
        libc::ENOMEM => "Memory is short: end other programs, or raise MemoryMax= of the unit",
        libc::ESTALE | libc::ETIMEDOUT | libc::EHOSTDOWN => "It lies on a network that does not answer: mount it again",
        libc::ENXIO | libc::ENODEV | libc::EINVAL => "It is no ordinary file: name a file of text after --config",
        libc::EIO | libc::EUCLEAN => "Look for the disk's errors in the kernel's log (dmesg), or bring the file back",
        _ => return None,
    })
}

/// The folder above a file that this user may not enter.
fn closed_folder(file: &Path) -> Option<&Path> {
    // To look at a thing takes the right to enter the folders above it, and no right to the thing itself.
    let hidden =
        |path: &&Path| path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
    file.ancestors().filter(hidden).last()?.parent()
}

fn not_allowed(setting: &Setting, found: &Found<'_>) -> String {
    let found = if setting.secret { "a value that is not shown here".to_owned() } else { found.to_string() };
    format!("found {found}; allowed: {}", setting.allowed)
}

/// The known key or table that an unknown `key` probably means: the same name in another table, or a close spelling.
fn suggestion(key: &str) -> Option<&'static str> {
    let keys = || SETTINGS.iter().map(|s| s.key);
    let name = key.rsplit('.').next().unwrap_or(key);
    keys()
        .find(|known| known.ends_with(&format!(".{name}")))
        .or_else(|| nearest(key, keys().chain(table_names()).chain([CAMERA])))
        .or_else(|| {
            let close = nearest(name, keys().filter_map(|k| k.split('.').nth(1)))?;
            keys().find(|known| known.ends_with(&format!(".{close}")))
        })
}

fn meant(variable: &str) -> String {
    let known = || SETTINGS.iter().filter_map(|s| s.variable);
    match nearest(variable, known()) {
        Some(known) => format!("did you mean {known}?"),
        None => format!("the variables are {}", joined(known())),
    }
}

fn table_names() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    SETTINGS.iter().filter_map(move |s| {
        let table = s.key.split('.').next().filter(|table| *table != last)?;
        last = table;
        Some(table)
    })
}

fn names_of(table: &str) -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().filter_map(move |s| s.key.strip_prefix(table)?.strip_prefix('.'))
}

/// Whether a value of the top level is a table or several.
fn holds_keys(value: &DeValue<'_>) -> bool {
    value.is_table() || value.as_array().is_some_and(|items| items.iter().all(|item| item.get_ref().is_table()))
}

fn one_line(text: &str) -> String {
    joined(text.lines().map(str::trim))
}
