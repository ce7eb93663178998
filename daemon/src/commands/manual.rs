//! `forgesyted manual FOLDER`: the manual pages, from the command line's own definition.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;

use super::Cli;

/// Where to write.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to write forgesyted.1, forgesyted-serve.1 and so on into
    folder: PathBuf,
}

/// Writes the pages. Exit status 1 where the folder cannot be written.
pub fn run(args: &Args) -> ExitCode {
    match write(&args.folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&format!("cannot write the manual pages into {}: {error}", args.folder.display())),
    }
}

fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // A page for each command that help shows, and for theirs.
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_help_shows_has_a_page() {
        let folder = std::env::temp_dir().join(format!("forgesyted-manual-{}", std::process::id()));
        write(&folder).unwrap();
        let mut pages: Vec<String> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        pages.sort();
        let mut expected = vec!["forgesyted.1".to_owned()];
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            expected.push(format!("forgesyted-{}.1", command.get_name()));
            let inner = command.get_subcommands();
            expected.extend(inner.map(|inner| format!("forgesyted-{}-{}.1", command.get_name(), inner.get_name())));
        }
        expected.sort();
        assert_eq!(pages, expected);
        let page = fs::read_to_string(folder.join("forgesyted-serve.1")).unwrap();
        assert!(page.contains("FILE") && page.contains("forgesyted.toml"), "{page}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
