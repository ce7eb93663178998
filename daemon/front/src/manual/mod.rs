//! `forgesyted manual FOLDER`: the manual pages, from the command line's own definition (`page`) and from tables that hold what it does not
//! say (`facts`).

mod facts;
mod page;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory};

use super::Cli;

/// Where to write.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to write forgesyted.1, forgesyted-serve.1 and so on into
    folder: PathBuf,

    /// The date that the pages show, such as 2026-05-31
    #[arg(long, default_value = "")]
    date: String,
}

/// Writes the pages. Exit status 1 where the folder cannot be written.
pub fn run(args: &Args) -> ExitCode {
    match write(&args.folder, &args.date) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            base::command_line::fail(&format!("cannot write the manual pages into {}: {error}", args.folder.display()))
        }
    }
}

fn write(folder: &Path, date: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    write_with_inner(&program, "", folder, date)
}

/// A page for a command, and for each of its own that help shows.
fn write_with_inner(command: &Command, words: &str, folder: &Path, date: &str) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    page::write(command, words, date, &mut File::create(folder.join(format!("{name}.1")))?)?;
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        write_with_inner(inner, format!("{words} {}", inner.get_name()).trim(), folder, date)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    use clap::Parser;

    use super::facts::{EXAMPLES, EXITS, FILES, READ_ON};
    use super::*;
    use base::config::{Config, SETTINGS};

    /// Writes the pages for a test, and removes them after it.
    fn with_pages(name: &str, look: impl FnOnce(&Path)) {
        let folder = std::env::temp_dir().join(format!("forgesyted-manual-{name}-{}", std::process::id()));
        write(&folder, "2026-05-31").unwrap();
        look(&folder);
        fs::remove_dir_all(&folder).unwrap();
    }

    /// The pages' names and texts, without the escapes of roff.
    fn pages(folder: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let read = |path: PathBuf| {
            let text = fs::read_to_string(&path).unwrap().replace("\\-", "-").replace("\\fB", "").replace("\\fR", "");
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), text)
        };
        entries.map(read).collect()
    }

    #[test]
    fn every_command_that_help_shows_has_a_page() {
        with_pages("commands", |folder| {
            let mut names: Vec<String> = pages(folder).into_iter().map(|(name, _)| name).collect();
            names.sort();
            let mut expected = vec!["forgesyted".to_owned()];
            for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
                expected.push(format!("forgesyted-{}", command.get_name()));
                let inner = command.get_subcommands();
                expected.extend(inner.map(|inner| format!("forgesyted-{}-{}", command.get_name(), inner.get_name())));
            }
            expected.sort();
            assert_eq!(names, expected);
        });
    }

    #[test]
    fn every_page_has_its_sections() {
        with_pages("sections", |folder| {
            for (name, page) in pages(folder) {
                for section in ["NAME", "SYNOPSIS", "\"EXIT STATUS\"", "EXAMPLES", "\"SEE ALSO\""] {
                    let after = page.split(&format!(".SH {section}\n")).nth(1);
                    let empty = after.is_none_or(|text| text.trim().is_empty() || text.starts_with(".SH"));
                    assert!(!empty, "{name}: {section}");
                }
                assert!(page.contains("/usr/share/doc/forgesyted/"), "{name}");
                if name != "forgesyted" && !page.contains("--config") {
                    continue;
                }
                for variable in SETTINGS.iter().filter_map(|setting| setting.variable) {
                    assert!(page.contains(variable), "{name} does not name {variable}");
                }
                FILES.iter().for_each(|(file, _)| assert!(page.contains(file), "{name} does not name {file}"));
            }
        });
    }

    #[test]
    fn pages_are_sound_roff() {
        let is_there =
            |program: &str| Process::new(program).arg("--version").output().is_ok_and(|run| run.status.success());
        let mandoc = Process::new("mandoc").arg("-h").output().is_ok();
        if !mandoc && !is_there("man") {
            return eprintln!("skipped: there is neither mandoc nor man on this machine");
        }
        with_pages("roff", |folder| {
            for entry in fs::read_dir(folder).unwrap() {
                let page = entry.unwrap().path();
                let mut check = if mandoc { Process::new("mandoc") } else { Process::new("man") };
                match mandoc {
                    true => check.args(["-T", "lint", "-W", "warning"]),
                    // As lintian has it.
                    false => check.args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"]).env("LC_ALL", "C.UTF-8"),
                };
                let said = check.arg(&page).output().unwrap();
                let text = [if mandoc { said.stdout } else { Vec::new() }, said.stderr].concat();
                assert!(text.is_empty(), "{}: {}", page.display(), String::from_utf8_lossy(&text));
            }
        });
    }

    #[test]
    fn the_documents_have_the_same_exit_statuses() {
        let page = include_str!("../../../../docs/failure-modes.md");
        let rows: Vec<&str> = page.lines().skip_while(|line| *line != "| code | of | meaning |").skip(2).collect();
        let rows: Vec<&str> = rows.into_iter().take_while(|line| line.starts_with('|')).collect();
        let of = |of: &str| if of == "any" { of.to_owned() } else { format!("`{of}`") };
        let expected: Vec<String> =
            EXITS.iter().map(|exit| format!("| {} | {} | {} |", exit.status, of(exit.of), exit.meaning)).collect();
        assert_eq!(rows, expected);
        assert!(EXITS.iter().any(|exit| exit.status == base::command_line::BAD_CONFIGURATION.to_string()));
    }

    #[test]
    fn every_command_has_statuses_examples_and_a_page_to_read_on() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = command.get_name();
            for status in ["0", "1"] {
                assert!(EXITS.iter().any(|exit| exit.of == name && exit.status == status), "{name}: {status}");
            }
            assert!(EXAMPLES.iter().any(|example| example.page == name), "{name} has no example");
            assert!(READ_ON.iter().any(|(page, _)| *page == name), "{name} has no page to read on");
        }
    }

    #[test]
    fn every_example_is_understood() {
        for example in EXAMPLES {
            let line = example.line.replace('\'', "");
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
            assert!(line.starts_with(&format!("forgesyted {}", example.page)), "{line}");
        }
    }

    #[test]
    fn the_files_are_those_that_are_read() {
        let config = Config::default();
        for folder in config.pipelines.dirs.iter().chain(&config.pipelines.model_dirs) {
            assert!(FILES.iter().any(|(file, _)| Path::new(file) == folder), "{}", folder.display());
        }
        let packages = include_str!("../../../../docs/packages.md");
        for (file, _) in FILES {
            assert!(
                packages.contains(file.trim_end_matches('/')) || file.starts_with("/usr/share/forgesyted"),
                "{file}"
            );
        }
    }
}
