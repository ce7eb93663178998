//! Signals from the first moment of a process on: before the reactor handles them, and while the front becomes the engine program.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Sees to it that neither an early `SIGHUP` nor a log file at its size limit ends the process.
///
/// A `SIGHUP` waits until the daemon takes it: it is blocked, in every thread that starts from here on, and being blocked outlives
/// `exec`, as being handled does not; loading libtorch takes a third of a second. It is not ignored: that would hide whether whoever
/// started the daemon had it ignored (`nohup`), which outlives `exec` too. A write past the limit of a file's size (`SIGXFSZ`) fails
/// with an error instead, which costs the line.
pub fn prepare() {
    let hangup = hangup();
    // SAFETY: the set is a whole one, and what was blocked before is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const hangup, ptr::null_mut()) };
    // There is no safe interface to ignore a signal: the safe ones install handlers.
    // SAFETY: SIG_IGN runs no code of ours, and the number is a signal that may be ignored.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Whether whoever started this process had it ignore `SIGHUP`, as `nohup` does.
pub fn are_hangups_ignored() -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action this only writes the present one, into memory of the right size; zeros are a valid action, so it
    // may be read whatever the call did.
    let action = unsafe {
        libc::sigaction(libc::SIGHUP, ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    action.sa_sigaction == libc::SIG_IGN
}

/// The leader of this process's session; none where it is outside this PID namespace, for which the system says 0.
pub fn session_leader() -> Option<i32> {
    // SAFETY: it takes no pointer and changes nothing.
    let leader = unsafe { libc::getsid(0) };
    (leader > 0).then_some(leader)
}

/// A descriptor that each `SIGHUP` can be read from (signalfd(2)), for as long as it is blocked: see [`prepare`]. It belongs to the
/// reactor that this is called in.
///
/// # Errors
/// When the system has no descriptor left.
pub fn hangups() -> io::Result<AsyncFd<OwnedFd>> {
    let hangup = hangup();
    // SAFETY: the set is a whole one.
    let descriptor = unsafe { libc::signalfd(-1, &raw const hangup, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has just opened it, and nobody else knows it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    // SAFETY: it is owned by what is registered, so it stays the same and open for as long.
    let registered = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
    registered.map_err(io::Error::from)
}

/// The set of `SIGHUP` alone.
fn hangup() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: the first call makes the memory a set, and the number is that of a signal.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGHUP);
        set.assume_init()
    }
}
