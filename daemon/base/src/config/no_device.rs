//! What people write as a camera's device, since other programs take it, and what does that work here.

use std::path::Path;

use crate::config::places::document;

/// Endings of files that a replay plays, and of those that only `forgesyted run` reads.
const REPLAYED: [&str; 2] = ["mjpeg", "mjpg"];
const READ: [&str; 7] = ["mp4", "m4v", "mov", "avi", "jpg", "jpeg", "png"];

/// What to do in place of this text as a camera's device, in one sentence; none for a text that may mean a device.
///
/// An address is not repeated: it may hold a password.
pub fn instead_of(text: &str) -> Option<String> {
    if let Some(scheme) = scheme(text.strip_prefix("replay:").unwrap_or(text)) {
        let (page, cameras) = (document("client-guide.md"), document("cameras.md"));
        return Some(format!(
            "found an address ({scheme}://), and network cameras are not opened: the Python client of {page} reads one and sends its \
             pictures to a pipeline, as {cameras} shows"
        ));
    }
    if text.contains(':') {
        return None;
    }
    let ending = Path::new(text).extension()?.to_str()?.to_ascii_lowercase();
    if REPLAYED.contains(&ending.as_str()) {
        return Some(format!(
            "found {text:?}, a file; as a camera that plays it again and again, write \"replay:{text}\""
        ));
    }
    let is_read = READ.contains(&ending.as_str());
    is_read.then(|| {
        format!("found {text:?}, a file, and a camera is a device; `forgesyted run --pipeline ID FILE` runs a pipeline on a file")
    })
}

/// The scheme of a URL (RFC 3986, section 3.1).
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let sound = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    sound.then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_files_get_what_works_instead() {
        for (text, expected) in [
            (
                "rtsp://admin:secret@192.0.2.7:554/stream1",
                "found an address (rtsp://), and network cameras are not opened",
            ),
            ("http://192.0.2.7/video.mjpg", "found an address (http://)"),
            ("replay:https://192.0.2.7/clip.mjpeg", "found an address (https://)"),
            ("/var/lib/clip.mjpeg", "write \"replay:/var/lib/clip.mjpeg\""),
            ("clip.MJPG", "write \"replay:clip.MJPG\""),
            ("/srv/yard.mp4", "`forgesyted run --pipeline ID FILE`"),
            ("photo.JPG", "`forgesyted run --pipeline ID FILE`"),
        ] {
            let said = instead_of(text).unwrap();
            assert!(said.contains(expected) && !said.contains("secret"), "{said}");
        }
        for device in [
            "/dev/video0",
            "/dev/v4l/by-id/usb-X.Y-video-index0",
            "usb:046d:0825",
            "usb:046d:0825:a.mp4",
            "replay:clip.mp4",
            "",
            "video0",
        ] {
            assert_eq!(instead_of(device), None, "{device}");
        }
    }
}
