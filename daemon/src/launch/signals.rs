//! Signals from the first moment of a process on: before the reactor handles them, and while the front becomes the engine program.
#![allow(unsafe_code)]

/// Sees to it that neither an early request to reload nor a log file at its size limit ends the process.
///
/// A `SIGHUP` that comes so early asks for nothing: the configuration has not been read by the engine program, which takes over
/// its handling before it reads. Being ignored outlives `exec`, which being handled does not, and loading libtorch takes a third of
/// a second. A write past the limit of a file's size (`SIGXFSZ`) fails with an error instead, which costs the line.
///
/// There is no safe interface to ignore a signal: the safe ones install handlers.
pub fn prepare() {
    for signal in [libc::SIGHUP, libc::SIGXFSZ] {
        // SAFETY: SIG_IGN runs no code of ours, and both numbers are signals that may be ignored.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}
