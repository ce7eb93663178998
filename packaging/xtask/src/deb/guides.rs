//! Manual pages and completions, from a front that runs on this machine: it makes both from its command line's own definition.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::work::Work;
use crate::files::write;
use crate::shell;

/// Where each shell looks for completions that packages bring.
const COMPLETIONS: &[(&str, &str)] = &[
    ("bash", "usr/share/bash-completion/completions/forgesyted"),
    ("zsh", "usr/share/zsh/vendor-completions/_forgesyted"),
    ("fish", "usr/share/fish/vendor_completions.d/forgesyted.fish"),
];

/// The completions, and the manual pages, which show this date, for debhelper to put in their places.
pub(super) fn lay_out(work: &Work, front: &Path, date: &str) -> Result<()> {
    for (shell, place) in COMPLETIONS {
        let script = shell::output(Command::new(front).args(["completions", shell]).env_clear())?;
        write(&work.place(place), script)?;
    }
    shell::run(Command::new(front).args(["manual", "--date", date]).arg(work.about("manual")).env_clear())
}
