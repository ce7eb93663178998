//! From what the system says to what an operator reads.

use std::path::Path;
use std::{fs, io};

use crate::capture::{Fault, Reason};

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Opening the node.
    Open,
    /// Asking what it is and offers.
    Query,
    /// Setting format and rate.
    Format,
    /// Getting and mapping buffers.
    Buffers,
    /// Starting the stream.
    Start,
    /// Waiting for a frame, taking it, and giving its buffer back.
    Read,
}

/// The fault for an error of the system.
pub(super) fn fault(step: Step, path: &Path, error: &io::Error) -> Fault {
    let reason = reason(step, error.raw_os_error());
    let what = match step {
        Step::Open => "open it",
        Step::Query => "ask what it offers",
        Step::Format => "set its format",
        Step::Buffers => "get buffers for its frames",
        Step::Start => "start its stream",
        Step::Read => "read a frame",
    };
    let advice = advice(reason, error.raw_os_error(), || holder(Path::new("/proc"), path));
    Fault::new(reason, format!("{}: cannot {what}: {error}. {advice}", path.display()))
}

fn reason(step: Step, errno: Option<i32>) -> Reason {
    match (errno, step) {
        (Some(libc::ENODEV | libc::ESHUTDOWN), _) => Reason::Disconnected,
        (Some(libc::ENOENT | libc::ENXIO | libc::ENOTDIR | libc::ELOOP), Step::Open) => Reason::NoSuchDevice,
        (Some(libc::ENOENT | libc::ENXIO), _) => Reason::Disconnected,
        (Some(libc::EACCES | libc::EPERM), _) => Reason::PermissionDenied,
        (Some(libc::EBUSY), _) => Reason::Busy,
        (Some(libc::ENOSPC), Step::Start) => Reason::UsbBandwidth,
        (Some(libc::ENOTTY), Step::Query) | (Some(libc::EINVAL | libc::ENOTTY), Step::Format) => Reason::BadFormat,
        _ => Reason::IoError,
    }
}

fn advice(reason: Reason, errno: Option<i32>, holder: impl FnOnce() -> Option<String>) -> String {
    let fixed = match reason {
        Reason::NoSuchDevice => "Is it plugged in? `forgesyted cameras` lists what is there",
        Reason::PermissionDenied if errno == Some(libc::EPERM) => {
            "The service's sandbox keeps it out: its unit needs DeviceAllow=char-81 (video4linux)"
        }
        Reason::PermissionDenied => {
            "Add the daemon's user to the group that owns the device (usually video); `forgesyted doctor` says which"
        }
        Reason::Busy => {
            let holder = holder().unwrap_or_else(|| "another program".to_owned());
            return format!("A camera delivers to one program at a time, and {holder} has it");
        }
        Reason::Disconnected => "It was unplugged, or its driver went away",
        Reason::UsbBandwidth => {
            "The USB bus has no room for this stream: ask for a smaller size or rate, prefer format MJPG, or plug the camera \
             into a port of another controller"
        }
        Reason::BadFormat if errno == Some(libc::ENOTTY) => "It is no video device; `forgesyted cameras` lists those",
        Reason::BadFormat => "`forgesyted cameras` lists what it offers",
        Reason::NoFrames | Reason::IoError => "The kernel's log (dmesg) may say more",
    };
    fixed.to_owned()
}

/// The program that has a device open, as far as this process may see: its name and process id.
fn holder(proc: &Path, node: &Path) -> Option<String> {
    let own = std::process::id();
    for entry in fs::read_dir(proc).ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(open) = fs::read_dir(entry.path().join("fd")) else { continue };
        let times = open.flatten().filter(|fd| fs::read_link(fd.path()).is_ok_and(|file| file == node)).count();
        // This process holds it once, or it would not know that it is busy.
        if pid == own && times > 1 {
            return Some("another [[camera]] of this daemon".to_owned());
        }
        if pid != own && times > 0 {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {pid})", name.trim()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::capture::v4l2::tests_folder::Folder;

    #[test]
    fn reasons_for_errors() {
        use Step::{Buffers, Format, Open, Query, Read, Start};
        for (errno, steps, expected) in [
            (libc::ENOENT, &[Open][..], Reason::NoSuchDevice),
            (libc::ENXIO, &[Open], Reason::NoSuchDevice),
            (libc::ENXIO, &[Query, Start, Read], Reason::Disconnected),
            (libc::EACCES, &[Open], Reason::PermissionDenied),
            (libc::EPERM, &[Open, Start], Reason::PermissionDenied),
            (libc::EBUSY, &[Open, Format, Buffers, Start], Reason::Busy),
            (libc::ENODEV, &[Open, Query, Format, Buffers, Start, Read], Reason::Disconnected),
            (libc::ENOSPC, &[Start], Reason::UsbBandwidth),
            (libc::ENOSPC, &[Open, Buffers], Reason::IoError),
            (libc::ENOTTY, &[Query, Format], Reason::BadFormat),
            (libc::EINVAL, &[Format], Reason::BadFormat),
            (libc::EINVAL, &[Buffers, Start, Read], Reason::IoError),
            (libc::EIO, &[Open, Query, Format, Buffers, Start, Read], Reason::IoError),
            (libc::ENOMEM, &[Buffers], Reason::IoError),
        ] {
            for step in steps {
                assert_eq!(reason(*step, Some(errno)), expected, "{errno} at {step:?}");
            }
        }
        assert_eq!(reason(Read, None), Reason::IoError);
    }

    #[test]
    fn sentences_say_what_was_tried_and_what_to_do() {
        let sentence = |errno, step| fault(step, Path::new("/dev/video9"), &io::Error::from_raw_os_error(errno)).detail;
        assert_eq!(
            sentence(libc::EACCES, Step::Open),
            "/dev/video9: cannot open it: Permission denied (os error 13). Add the daemon's user to the group that owns the \
             device (usually video); `forgesyted doctor` says which"
        );
        assert!(sentence(libc::ENOTTY, Step::Query).contains("It is no video device"));
        assert!(sentence(libc::EPERM, Step::Open).ends_with("DeviceAllow=char-81 (video4linux)"));
        assert!(sentence(libc::ENOSPC, Step::Start).contains("smaller size or rate"));
        assert!(sentence(libc::EBUSY, Step::Buffers).ends_with("and another program has it"));
    }

    #[test]
    fn the_holder_is_named_where_it_can_be_seen() {
        let proc = Folder::new("holder");
        let node = Path::new("/dev/video3");
        assert_eq!(holder(&proc.path, node), None);
        let process = |pid: u32, name: &str, files: &[&str]| {
            proc.write(&format!("{pid}/comm"), name);
            for (number, file) in files.iter().enumerate() {
                proc.folder(&format!("{pid}/fd"));
                symlink(file, proc.path.join(format!("{pid}/fd/{number}"))).unwrap();
            }
        };
        proc.write("self/comm", "not a process");
        process(std::process::id(), "me\n", &["/dev/video3", "/dev/video1"]);
        process(1, "init\n", &["/dev/null", "/dev/video33"]);
        assert_eq!(holder(&proc.path, node), None);
        process(4711, "v4l2-ctl\n", &["/dev/null", "/dev/video3"]);
        assert_eq!(holder(&proc.path, node).as_deref(), Some("v4l2-ctl (process 4711)"));
        let own = Folder::new("own-holder");
        own.folder(&format!("{}/fd", std::process::id()));
        for number in 0..2 {
            symlink(node, own.path.join(format!("{}/fd/{number}", std::process::id()))).unwrap();
        }
        assert_eq!(holder(&own.path, node).as_deref(), Some("another [[camera]] of this daemon"));
    }
}
