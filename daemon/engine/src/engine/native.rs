//! The engine's only unsafe code: five calls into C that no safe interface offers. Each says why safe code is not enough
//! and which invariant holds.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::path::Path;
use std::sync::OnceLock;

/// Keeps glibc from giving libtorch's large buffers back to the kernel on every frame, which costs 4 to 15 % of the
/// frames a second. Returns whether glibc took both settings.
///
/// There is no safe binding of `mallopt`, and `GLIBC_TUNABLES` would have to be set before the process starts.
pub fn tune_allocator() -> bool {
    const MMAP_THRESHOLD: i32 = 256 << 20;
    const LARGEST_IN_OLDER_GLIBC: i32 = 32 << 20;
    const TRIM_THRESHOLD: i32 = 1 << 30;
    // SAFETY: mallopt takes two integers and is called before any other thread is started.
    unsafe {
        let mmap = libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD) == 1
            || libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_IN_OLDER_GLIBC) == 1;
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD) == 1 && mmap
    }
}

/// Ends the process at once, without exit handlers. Lines of the log that wait are written first, within the log's own limit.
///
/// `std::process::exit` runs libtorch's static destructors, which crash while a worker is still inside a model.
pub fn exit_now(status: i32) -> ! {
    log::logger().flush();
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Opens a shared library for the life of the process, its symbols visible to all. Its initialisers may register
/// operators or devices with libtorch.
///
/// # Errors
/// The dynamic linker's sentence.
pub(super) fn open_library(path: &Path) -> Result<(), String> {
    let name = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| "its name holds a NUL byte".to_owned())?;
    // SAFETY: the name is a valid C string; the library is never closed, so nothing in it can dangle. Running foreign
    // initialisers is what is asked for: the operator named the library or installed it beside libtorch.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if !handle.is_null() {
        return Ok(());
    }
    // SAFETY: dlerror returns null or a C string that lives until this thread's next dl call.
    let message = unsafe {
        let message = libc::dlerror();
        (!message.is_null()).then(|| CStr::from_ptr(message).to_string_lossy().into_owned())
    };
    Err(message.unwrap_or_else(|| "the dynamic linker gave no reason".to_owned()))
}

unsafe extern "C" {
    /// In `pipeline/operators/register.cpp`.
    fn forgesyted_register_operators(message: *mut c_char, capacity: usize) -> bool;
}

/// Registers the daemon's own operators with libtorch, where no library that was opened before has brought them.
///
/// # Errors
/// libtorch's sentence.
pub(super) fn register_operators() -> Result<(), String> {
    const CAPACITY: usize = 1024;
    static REGISTERED: OnceLock<Result<(), String>> = OnceLock::new();
    let register = || {
        let mut message = [0_u8; CAPACITY];
        // SAFETY: the callee writes at most `capacity` bytes, through a pointer that lives as long as the call, and lets no
        // exception out. It runs once in a process.
        let registered = unsafe { forgesyted_register_operators(message.as_mut_ptr().cast(), message.len()) };
        let sentence = CStr::from_bytes_until_nul(&message).map(|text| text.to_string_lossy().into_owned());
        if registered { Ok(()) } else { Err(sentence.unwrap_or_default()) }
    };
    REGISTERED.get_or_init(register).clone()
}
