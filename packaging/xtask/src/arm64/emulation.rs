//! Has this machine's kernel start programs of the other architecture by qemu, in any root folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// The kernel's list of such programs.
const LIST: &str = "/proc/sys/fs/binfmt_misc";
/// How an ELF program for aarch64 begins, and which bits of that count, as the kernel's list shows them.
const MAGIC: &str = "7f454c460201010000000000000000000200b700";
const MASK: &str = "ffffffffffffff00fffffffffffffffffeffffff";
/// Our entry, for a machine that has none.
const NAME: &str = "forgesyted-aarch64";

/// Makes sure that programs for aarch64 start here. An entry that is missing is added, until the next start of the machine.
///
/// # Errors
/// When that takes root, or the kernel refuses.
pub(super) fn ensure() -> Result<()> {
    if registered()? {
        return Ok(());
    }
    if !shell::is_root() {
        bail!(
            "the kernel does not start programs for aarch64: install qemu-user-static and binfmt-support, or run as root"
        );
    }
    let list = Path::new(LIST);
    if !list.join("register").exists() {
        let mut mount = Command::new("mount");
        shell::run(mount.args(["-t", "binfmt_misc", "binfmt_misc", LIST])).context("the kernel has no binfmt_misc")?;
        if registered()? {
            return Ok(());
        }
    }
    let qemu =
        shell::on_path("qemu-aarch64-static").context("there is no qemu-aarch64-static: install qemu-user-static")?;
    eprintln!("xtask: until this machine's next start, its kernel runs programs for aarch64 by {}", qemu.display());
    fs::write(list.join("register"), line(&qemu)).context("the kernel takes no entry for programs for aarch64")
}

/// The line that adds our entry. `F` opens the interpreter now: other root folders have none.
fn line(qemu: &Path) -> String {
    let bytes = |text: &str| -> String {
        text.as_bytes().chunks(2).map(|pair| format!("\\x{}", String::from_utf8_lossy(pair))).collect()
    };
    format!(":{NAME}:M::{}:{}:{}:F", bytes(MAGIC), bytes(MASK), qemu.display())
}

fn registered() -> Result<bool> {
    let Ok(entries) = fs::read_dir(LIST) else {
        return Ok(false);
    };
    for entry in entries.flatten() {
        // `register` can only be written.
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        if is_for_aarch64(&text) {
            if !works_in_any_root(&text) {
                bail!(
                    "{} opens its interpreter in the root folder of each program: register qemu-aarch64-static with the \
                     flag F in its place",
                    entry.path().display()
                );
            }
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_for_aarch64(entry: &str) -> bool {
    entry.lines().next() == Some("enabled") && entry.lines().any(|line| line.strip_prefix("magic ") == Some(MAGIC))
}

fn works_in_any_root(entry: &str) -> bool {
    entry.lines().any(|line| line.strip_prefix("flags:").is_some_and(|flags| flags.contains('F')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_is_understood() {
        let entry = |state: &str, flags: &str, magic: &str| {
            format!("{state}\ninterpreter /usr/bin/qemu\nflags: {flags}\noffset 0\nmagic {magic}\nmask {MASK}\n")
        };
        assert!(is_for_aarch64(&entry("enabled", "POCF", MAGIC)));
        assert!(!is_for_aarch64(&entry("disabled", "F", MAGIC)));
        assert!(!is_for_aarch64(&entry("enabled", "F", &MAGIC.replace("b700", "f300"))));
        assert!(works_in_any_root(&entry("enabled", "PF", MAGIC)));
        assert!(!works_in_any_root(&entry("enabled", "", MAGIC)));
    }

    #[test]
    fn the_entry_names_the_interpreter_and_opens_it_at_once() {
        let line = line(Path::new("/usr/bin/qemu-aarch64-static"));
        assert!(line.starts_with(r":forgesyted-aarch64:M::\x7f\x45\x4c\x46\x02\x01\x01\x00"), "{line}");
        assert!(line.ends_with(r"\xff\xff:/usr/bin/qemu-aarch64-static:F"), "{line}");
        // The kernel takes no longer line.
        assert!(line.len() < 1920);
    }
}
