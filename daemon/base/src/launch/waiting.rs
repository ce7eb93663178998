//! How libtorch's threads wait for each other: asleep, so that whatever else runs on the machine has the cores meanwhile.
//!
//! libtorch divides one operation among threads by OpenMP, whose threads spin for some milliseconds when they wait, each on a core of its
//! own. Beside another busy process the thread that is waited for does not get that core, and a frame takes several times as long.
//! The OpenMP libraries (GNU's, which libtorch's wheels bring, under a name of its own on aarch64; LLVM's, Intel's) read from the
//! environment how to wait, and do so when they are loaded: before `main` of a program that links them. So the front
//! sets the variable before it becomes the engine program, and an engine program that was started without it starts itself again.

use std::ffi::OsString;
use std::{io, os::unix::process::CommandExt, process::Command};

/// The variable, and its value for threads that sleep while they wait.
const POLICY: (&str, &str) = ("OMP_WAIT_POLICY", "PASSIVE");
/// Variables by which an operator says how threads wait: of OpenMP, of GNU's library, and of LLVM's and Intel's.
const CHOICES: [&str; 4] = [POLICY.0, "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY"];

/// What a program that links libtorch needs in its environment beside what is there; `None` where the operator has chosen.
pub(super) fn policy(variable: impl Fn(&str) -> Option<OsString>) -> Option<(&'static str, &'static str)> {
    CHOICES.iter().all(|name| variable(name).is_none()).then_some(POLICY)
}

/// Sees to it that this program, which links libtorch, runs with a waiting policy. Where it was started without one it becomes
/// itself again, in the same process and with the same arguments, descriptors and ignored signals. It does so once: the
/// variable is there from then on. To be called before anything is started, opened or written.
///
/// # Errors
/// It cannot be started again, as where `/proc` is not mounted. It may go on as it is; only its threads spin.
pub fn ensure_policy() -> Result<(), Spinning> {
    match policy(|name| std::env::var_os(name)) {
        Some(policy) => Err(Spinning(start_again(policy))),
        None => Ok(()),
    }
}

/// Libtorch's threads spin while they wait. One sentence, and what to do.
#[derive(Debug, thiserror::Error)]
#[error(
    "libtorch's threads spin while they wait, which slows this program and others that want the same cores: it could not start \
     itself again with {name}={value} ({0}). Set that variable where it is started.", name = POLICY.0, value = POLICY.1
)]
pub struct Spinning(#[source] io::Error);

/// Becomes this program again. Returns only when that fails.
fn start_again((name, value): (&str, &str)) -> io::Error {
    // By its path, not as /proc/self/exe: the process would be called "exe".
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    // `ld-linux-x86-64.so.2 forgesyted serve`: the loader would take "serve" for the program.
    if program.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"ld")) {
        return io::Error::other("the dynamic loader was started in its place");
    }
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(called) = arguments.next() {
        again.arg0(called);
    }
    again.args(arguments).env(name, value).exec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_operator_sets_is_left_alone() {
        let given = |set: &[&str]| policy(|name| set.contains(&name).then(OsString::new));
        assert_eq!(given(&[]), Some(("OMP_WAIT_POLICY", "PASSIVE")));
        assert_eq!(given(&["OMP_NUM_THREADS"]), Some(("OMP_WAIT_POLICY", "PASSIVE")));
        // An empty one too: it is set, so a program that starts itself again for want of it would do so for ever.
        for name in CHOICES {
            assert_eq!(given(&[name]), None, "{name}");
        }
    }
}
